// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The masks that favour the first queries: `queries` and `global`.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

/// The first 0 queries are none.
static std::optional<bool> constantOf(Attribute count) {
  auto literal = llvm::dyn_cast<IntegerAttr>(count);
  if (literal && literal.getInt() == 0)
    return false;
  return std::nullopt;
}

// queries_c1
LogicalResult QueriesAttr::verifyMask(EmitError emitError,
                                      TypeRange operandTypes,
                                      int64_t queryHeads) const {
  return verifyNumber(emitError, getCount(), operandTypes, queryHeads, 0,
                      "the number of queries", "queries_c1");
}

Value QueriesAttr::expand(MaskBuilder &builder) const {
  return builder.lessThan(builder.query, builder.number(getCount()));
}

std::optional<bool> QueriesAttr::getConstant() const {
  return constantOf(getCount());
}

SmallVector<Attribute> QueriesAttr::getArguments() const {
  return {getCount()};
}

// global_c1
LogicalResult GlobalAttr::verifyMask(EmitError emitError,
                                     TypeRange operandTypes,
                                     int64_t queryHeads) const {
  return verifyNumber(emitError, getCount(), operandTypes, queryHeads, 0,
                      "the number of global tokens", "global_c1");
}

Value GlobalAttr::expand(MaskBuilder &builder) const {
  Value count = builder.number(getCount());
  return builder.either(builder.lessThan(builder.query, count),
                        builder.lessThan(builder.key, count));
}

std::optional<bool> GlobalAttr::getConstant() const {
  return constantOf(getCount());
}

SmallVector<Attribute> GlobalAttr::getArguments() const { return {getCount()}; }

Attribute sel::buildQueries(MLIRContext *context, ArrayRef<Attribute> arguments,
                            EmitError emitError) {
  if (arguments.size() == 1 && !llvm::isa<StringAttr>(arguments[0]))
    return QueriesAttr::get(context, arguments[0]);
  emitError() << "expected queries(n) [queries_c1]";
  return {};
}

Attribute sel::buildGlobal(MLIRContext *context, ArrayRef<Attribute> arguments,
                           EmitError emitError) {
  if (arguments.size() == 1 && !llvm::isa<StringAttr>(arguments[0]))
    return GlobalAttr::get(context, arguments[0]);
  emitError() << "expected global(n) [global_c1]";
  return {};
}
