// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Length and offset inside a region, from the operands of the attention.
#include "passes/sel/RegionCoordinates.h"

#include "dialects/sel/Sel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace fovea;

/// A tensor whose dim 2 is the number of keys, or null.
static Value keysOf(attn::AttentionOpInterface op) {
  Value source = op.getSource().front();
  if (!isa<kv::PyramidType>(source.getType()))
    return source;
  auto pool = source.getDefiningOp<sel::PoolOp>();
  return pool ? pool.getKey() : Value();
}

FailureOr<sel::Coordinates>
fovea::createRegionCoordinates(OpBuilder &b, attn::AttentionOpInterface op,
                               Region &region, bool takesValue) {
  Location loc = op->getLoc();
  if (op.getCache())
    return op->emitOpError("expected a source of tensors: over a cache lengths "
                           "and offsets are those of the batch, which no op of "
                           "a region can name");
  Value keys = keysOf(op);
  if (!keys)
    return op->emitOpError("expected the pyramid to be made by a sel.pool of "
                           "the same function, whose keys can be counted");
  b.setInsertionPoint(op);
  Value rows = b.create<tensor::DimOp>(loc, op.getQuery(), 2);
  Value columns = b.create<tensor::DimOp>(loc, keys, 2);

  SmallVector<Type> types;
  if (takesValue)
    types.push_back(b.getF32Type());
  types.append(4, b.getIndexType());
  SmallVector<Location> locs(types.size(), loc);
  Block *block = b.createBlock(&region, region.end(), types, locs);
  ValueRange at = block->getArguments().take_back(4);

  auto perBatch = [&](Value table) -> Value {
    Value entry = b.create<tensor::ExtractOp>(loc, table, at[0]);
    return b.create<arith::IndexCastOp>(loc, b.getIndexType(), entry);
  };
  sel::Coordinates result;
  result.batch = at[0];
  result.head = at[1];
  result.query = at[2];
  result.key = at[3];
  result.queryHeads = op.getQueryHeads();
  result.length = op.getLengths() ? perBatch(op.getLengths()) : columns;
  result.offset =
      op.getOffset()
          ? perBatch(op.getOffset())
          : b.create<arith::SubIOp>(loc, result.length, rows).getResult();
  return result;
}

/// Erases dead ops of `block` from `last` backwards to `first`.
static void eraseDead(Operation *last, Operation *first) {
  while (last) {
    Operation *previous = last == first ? nullptr : last->getPrevNode();
    if (isOpTriviallyDead(last))
      last->erase();
    last = previous;
  }
}

void fovea::eraseUnusedCoordinates(Block &block, Operation *op) {
  eraseDead(block.getTerminator()->getPrevNode(), &block.front());
  // tensor.dim and its index constant, twice.
  Operation *first = op;
  for (int i = 0; i < 4 && first->getPrevNode(); ++i)
    first = first->getPrevNode();
  if (first != op)
    eraseDead(op->getPrevNode(), first);
}
