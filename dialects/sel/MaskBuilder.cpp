// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numbers and table loads of expanded sugar.
#include "dialects/sel/MaskBuilder.h"

#include "dialects/sel/SelAttrs.h"
#include "dialects/sel/SelOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace fovea::sel;

Value MaskBuilder::load(unsigned operand, ValueRange indices) {
  return b.create<tensor::ExtractOp>(loc, this->operand(operand), indices);
}

Value MaskBuilder::ancestor(unsigned operand, ValueRange indices) {
  return b.create<AncestorOp>(loc, b.getI1Type(), this->operand(operand),
                              indices);
}

Value MaskBuilder::inTree() {
  return b.create<AncestorOp>(loc, b.getI1Type(), Value(), ValueRange());
}

Segment MaskBuilder::segment(unsigned operand, Value row, Value token) {
  auto op = b.create<SegmentOp>(loc, token, this->operand(operand), row);
  return {op.getIndex(), op.getBegin(), op.getEnd()};
}

Value MaskBuilder::asIndex(Value value) {
  if (value.getType().isIndex())
    return value;
  return b.create<arith::IndexCastOp>(loc, b.getIndexType(), value);
}

Value MaskBuilder::number(Attribute n) {
  if (auto literal = dyn_cast<IntegerAttr>(n))
    return constant(literal.getInt());
  unsigned index = cast<ArgAttr>(n).getIndex();
  Value value =
      isa<ShapedType>(operandType(index)) ? load(index, head) : operand(index);
  Type type = value.getType();
  value = asIndex(value);
  if (!type.isIndex() && !type.isInteger(64))
    return value;
  // No sum or product of a word may wrap.
  value = b.create<arith::MaxSIOp>(loc, value, constant(-kNumberLimit));
  return b.create<arith::MinSIOp>(loc, value, constant(kNumberLimit));
}

std::pair<Value, Value> MaskBuilder::divisor(Attribute n) {
  Value size = number(n);
  if (isa<IntegerAttr>(n))
    return {size, Value()};
  Value one = constant(1);
  Value raised = b.create<arith::MaxSIOp>(loc, size, one);
  return {raised, lessEqual(one, size)};
}
