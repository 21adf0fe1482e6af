// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mask `flashmask`: for each key the intervals of rows that do not see it.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

static constexpr StringRef kCausal = "causal";

LogicalResult FlashMaskAttr::verifyMask(EmitError emitError,
                                        TypeRange operandTypes,
                                        int64_t queryHeads) const {
  // flashmask_c1
  auto argument = llvm::dyn_cast<ArgAttr>(getTable());
  if (!argument || argument.getIndex() >= operandTypes.size())
    return emitError() << "expected the rows of a flashmask to be an operand, "
                          "got "
                       << getTable() << " [flashmask_c1]";
  Type type = operandTypes[argument.getIndex()];
  auto table = llvm::dyn_cast<RankedTensorType>(type);
  if (!table || table.getEncoding() || table.getRank() != 4 ||
      !table.getElementType().isInteger(32) || table.isDynamicDim(3) ||
      table.getDimSize(1) < 1 || queryHeads % table.getDimSize(1) != 0)
    return emitError()
           << "expected the rows of a flashmask to be i32 [batch or "
              "1, a divisor of "
           << queryHeads << " query heads, keys, 1, 2 or 4 columns], got "
           << type << " [flashmask_c1]";
  // flashmask_c2
  int64_t columns = table.getDimSize(3);
  if (columns == 2 || columns == (getCausal() ? 1 : 4))
    return success();
  return emitError() << "expected a flashmask to have "
                     << (getCausal() ? "1 or 2 columns with causal"
                                     : "2 or 4 columns without causal")
                     << ", got " << columns << " [flashmask_c2]";
}

Value FlashMaskAttr::expand(MaskBuilder &builder) const {
  unsigned operand = llvm::cast<ArgAttr>(getTable()).getIndex();
  auto type = llvm::cast<ShapedType>(builder.operandType(operand));
  ArrayRef<int64_t> shape = type.getShape();
  Value query = builder.query, key = builder.key;
  Value batch = shape[0] == 1 ? builder.constant(0) : builder.batch;
  Value head = shape[1] == 1 ? builder.constant(0) : builder.head;
  if (int64_t group = builder.queryHeads / shape[1];
      shape[1] != 1 && group != 1)
    head = builder.floorDivide(head, builder.constant(group));
  auto column = [&](int64_t i) {
    return builder.asIndex(
        builder.load(operand, {batch, head, key, builder.constant(i)}));
  };
  auto outside = [&](int64_t start, int64_t end) {
    return builder.either(builder.lessThan(query, column(start)),
                          builder.lessEqual(column(end), query));
  };
  if (shape[3] == 4)
    return builder.both(outside(0, 1), outside(2, 3));
  if (!getCausal())
    return builder.both(builder.lessEqual(column(1), query),
                        builder.lessThan(query, column(0)));
  Value past = builder.lessEqual(key, query);
  return builder.both(past, shape[3] == 1 ? builder.lessThan(query, column(0))
                                          : outside(0, 1));
}

SmallVector<Attribute> FlashMaskAttr::getArguments() const {
  if (getCausal())
    return {StringAttr::get(getContext(), kCausal), getTable()};
  return {getTable()};
}

Attribute sel::buildFlashMask(MLIRContext *context,
                              ArrayRef<Attribute> arguments,
                              EmitError emitError) {
  UnitAttr causal;
  if (arguments.size() == 2)
    if (auto word = llvm::dyn_cast<StringAttr>(arguments[0]);
        word && word == kCausal) {
      causal = UnitAttr::get(context);
      arguments = arguments.drop_front();
    }
  if (arguments.size() == 1 && llvm::isa<ArgAttr>(arguments[0]))
    return FlashMaskAttr::get(context, arguments[0], causal);
  emitError()
      << "expected flashmask(%rows : tensor<?x1x?x2xi32>), of 4 columns "
         "as well, or flashmask(causal, %rows : tensor<?x1x?x1xi32>), "
         "of 2 as well [flashmask_c1]";
  return {};
}
