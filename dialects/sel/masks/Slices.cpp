// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mask `slices`: a list of boxes of rows and keys, with diagonals.
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/masks/Masks.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

/// More of them are more code for every pair than a table by token is.
static constexpr int64_t kMostSlices = 64;

LogicalResult SlicesAttr::verifyMask(EmitError emitError,
                                     TypeRange operandTypes, int64_t) const {
  // slices_c1
  auto argument = llvm::dyn_cast<ArgAttr>(getTable());
  if (!argument || argument.getIndex() >= operandTypes.size())
    return emitError() << "expected the list of slices to be an operand, got "
                       << getTable() << " [slices_c1]";
  Type type = operandTypes[argument.getIndex()];
  auto table = llvm::dyn_cast<RankedTensorType>(type);
  bool ranked = table && !table.getEncoding() &&
                (table.getRank() == 2 || table.getRank() == 3) &&
                table.getElementType().isInteger(32);
  if (ranked) {
    ArrayRef<int64_t> shape = table.getShape().take_back(2);
    if (shape[1] == 5 && shape[0] >= 1 && shape[0] <= kMostSlices)
      return success();
  }
  return emitError() << "expected the list of slices to be i32 [n, 5] or "
                        "[batch or 1, n, 5] with n from 1 to "
                     << kMostSlices << ", got " << type << " [slices_c1]";
}

Value SlicesAttr::expand(MaskBuilder &builder) const {
  unsigned operand = llvm::cast<ArgAttr>(getTable()).getIndex();
  auto type = llvm::cast<ShapedType>(builder.operandType(operand));
  SmallVector<Value> at;
  if (type.getRank() == 3)
    at.push_back(type.getDimSize(0) == 1 ? builder.constant(0) : builder.batch);
  Value query = builder.query, key = builder.key, keep;
  Value one = builder.constant(1), two = builder.constant(2);
  for (int64_t i = 0, n = type.getShape().take_back(2)[0]; i < n; ++i) {
    auto column = [&](int64_t c) {
      SmallVector<Value> indices(at);
      indices.push_back(builder.constant(i));
      indices.push_back(builder.constant(c));
      return builder.asIndex(builder.load(operand, indices));
    };
    Value q0 = column(0), q1 = column(1), k0 = column(2), k1 = column(3);
    Value kind = column(4);
    Value causal = builder.equal(builder.remainder(kind, two), one);
    Value inverse = builder.lessEqual(two, kind);
    // Ends of the keys of a row, so that the solver has two comparisons.
    Value end = builder.sub(k1, builder.sub(builder.sub(q1, one), query));
    Value begin = builder.add(k0, builder.sub(query, q0));
    auto select = [&](Value condition, Value x, Value y) -> Value {
      return builder.b.create<arith::SelectOp>(builder.loc, condition, x, y);
    };
    Value rows =
        builder.both(builder.lessEqual(q0, query), builder.lessThan(query, q1));
    Value known = builder.both(builder.lessEqual(builder.constant(0), kind),
                               builder.lessEqual(kind, builder.constant(3)));
    Value keys =
        builder.both(builder.lessEqual(select(inverse, begin, k0), key),
                     builder.lessThan(key, select(causal, end, k1)));
    Value here = builder.both(builder.both(known, rows), keys);
    keep = keep ? builder.either(keep, here) : here;
  }
  return keep;
}

SmallVector<Attribute> SlicesAttr::getArguments() const { return {getTable()}; }

Attribute sel::buildSlices(MLIRContext *context, ArrayRef<Attribute> arguments,
                           EmitError emitError) {
  if (arguments.size() == 1 && llvm::isa<ArgAttr>(arguments[0]))
    return SlicesAttr::get(context, arguments[0]);
  emitError() << "expected slices(%list : tensor<8x5xi32>) [slices_c1]";
  return {};
}

bool sel::isSlices(Attribute sugar, unsigned operand) {
  bool found = false;
  auto argument = ArgAttr::get(sugar.getContext(), operand);
  sugar.walk(
      [&](SlicesAttr slices) { found |= slices.getTable() == argument; });
  return found;
}
