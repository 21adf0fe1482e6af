// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The masks that repeat: `dilated` along the diagonal, `columns` along keys.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

// dilated_c1
LogicalResult DilatedAttr::verifyMask(EmitError emitError,
                                      TypeRange operandTypes,
                                      int64_t queryHeads) const {
  return verifyNumber(emitError, getStep(), operandTypes, queryHeads, 1,
                      "the step of the dilation", "dilated_c1");
}

Value DilatedAttr::expand(MaskBuilder &builder) const {
  Value distance = builder.sub(builder.query, builder.key);
  auto [step, valid] = builder.divisor(getStep());
  Value rest = builder.remainder(distance, step);
  return builder.where(valid, builder.equal(rest, builder.constant(0)));
}

std::optional<bool> DilatedAttr::getConstant() const {
  auto step = llvm::dyn_cast<IntegerAttr>(getStep());
  if (step && step.getInt() == 1)
    return true;
  return std::nullopt;
}

SmallVector<Attribute> DilatedAttr::getArguments() const { return {getStep()}; }

Attribute sel::buildDilated(MLIRContext *context, ArrayRef<Attribute> arguments,
                            EmitError emitError) {
  if (arguments.size() == 1 && !llvm::isa<StringAttr>(arguments[0]))
    return DilatedAttr::get(context, arguments[0]);
  emitError() << "expected dilated(n) [dilated_c1]";
  return {};
}

// columns_c1
LogicalResult ColumnsAttr::verifyMask(EmitError emitError,
                                      TypeRange operandTypes,
                                      int64_t queryHeads) const {
  return failure(
      failed(verifyNumber(emitError, getPeriod(), operandTypes, queryHeads, 1,
                          "the period of the columns", "columns_c1")) ||
      failed(verifyNumber(emitError, getFirst(), operandTypes, queryHeads, 0,
                          "the first of the columns", "columns_c1")) ||
      failed(verifyNumber(emitError, getCount(), operandTypes, queryHeads, 0,
                          "the number of columns", "columns_c1")));
}

Value ColumnsAttr::expand(MaskBuilder &builder) const {
  auto [period, valid] = builder.divisor(getPeriod());
  // (k - first) mod period without a number below 0: the remainder of `first`
  // is less than the period, so that k + period - remainder is not.
  Value shift;
  auto first = llvm::dyn_cast<IntegerAttr>(getFirst());
  auto literal = llvm::dyn_cast<IntegerAttr>(getPeriod());
  if (first && literal) {
    int64_t n = literal.getInt(), rest = first.getInt() % n;
    shift = builder.constant(rest ? n - rest : 0);
  } else {
    Value at = builder.number(getFirst());
    shift = builder.sub(period, builder.remainder(at, period));
  }
  Value place = builder.remainder(builder.add(builder.key, shift), period);
  Value keep = builder.lessThan(place, builder.number(getCount()));
  return builder.where(valid, keep);
}

std::optional<bool> ColumnsAttr::getConstant() const {
  auto count = llvm::dyn_cast<IntegerAttr>(getCount());
  auto period = llvm::dyn_cast<IntegerAttr>(getPeriod());
  if (count && count.getInt() == 0)
    return false;
  if (count && period && count.getInt() >= period.getInt())
    return true;
  return std::nullopt;
}

SmallVector<Attribute> ColumnsAttr::getArguments() const {
  return {getPeriod(), getFirst(), getCount()};
}

Attribute sel::buildColumns(MLIRContext *context, ArrayRef<Attribute> arguments,
                            EmitError emitError) {
  if (arguments.size() == 3 && llvm::none_of(arguments, [](Attribute argument) {
        return llvm::isa<StringAttr>(argument);
      }))
    return ColumnsAttr::get(context, arguments[0], arguments[1], arguments[2]);
  emitError() << "expected columns(period, first, n) [columns_c1]";
  return {};
}
