// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ancestors as intervals, positions of tree rows; see the header. What the
// tables hold is stated at fovea_bundle_table_rule.
#include "passes/attn_to_tile/TreeMask.h"

using namespace mlir;
using namespace fovea;

static constexpr int64_t kCommitted = 0, kBase = 1;            // of a sequence
static constexpr int64_t kEnterBits = 20, kSizeBits = 8;       // of a lineage
static constexpr int64_t kEnter = 0, kExit = 1, kPosition = 2; // of a row

Value TreeMask::index(int64_t value) {
  return b.create<arith::ConstantIndexOp>(loc, value);
}

Value TreeMask::entry(Value table, ValueRange row, int64_t column) {
  SmallVector<Value> place(row);
  place.push_back(index(column));
  return load(table, place);
}

Value TreeMask::node(Value token) {
  auto number = [&](int64_t column) -> Value {
    return b.create<arith::IndexCastOp>(loc, b.getIndexType(),
                                        entry(batchTree, at.batch, column));
  };
  Value behind = b.create<arith::SubIOp>(loc, token, number(kCommitted));
  behind = b.create<arith::AddIOp>(loc, behind, index(1));
  behind = b.create<arith::MaxSIOp>(loc, behind, index(0));
  return b.create<arith::AddIOp>(loc, number(kBase), behind);
}

Value TreeMask::positionOf(Value token) {
  Value committed = b.create<arith::IndexCastOp>(
      loc, b.getIndexType(), entry(batchTree, at.batch, kCommitted));
  Value isCommitted =
      b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::slt, token, committed);
  Value position = b.create<arith::IndexCastOp>(
      loc, b.getIndexType(), entry(batchTree, node(token), kPosition));
  return b.create<arith::SelectOp>(loc, isCommitted, token, position);
}

sel::Coordinates TreeMask::positions() {
  sel::Coordinates result = at;
  if (!batchTree)
    return result;
  Block *block = b.getInsertionBlock();
  Operation *before = block->empty() ? nullptr : &block->back();
  result.query = positionOf(at.query);
  result.key = positionOf(at.key);
  Value row = b.create<arith::SubIOp>(loc, at.query, at.offset);
  result.offset = b.create<arith::SubIOp>(loc, result.query, row);
  first = before ? before->getNextNode() : &block->front();
  last = &block->back();
  return result;
}

Value TreeMask::between(Value enterKey, Value exitKey, Value enterQuery,
                        Value key, Value query) {
  auto compare = [&](arith::CmpIPredicate p, Value x, Value y) -> Value {
    return b.create<arith::CmpIOp>(loc, p, x, y);
  };
  auto both = [&](Value x, Value y) -> Value {
    return b.create<arith::AndIOp>(loc, x, y);
  };
  // Parents precede children; of tokens with the same leaves this decides. It
  // also bounds the keys.
  Value past = compare(arith::CmpIPredicate::sle, key, query);
  Value from = compare(arith::CmpIPredicate::sle, enterKey, enterQuery);
  Value below = compare(arith::CmpIPredicate::slt, enterQuery, exitKey);
  return both(past, both(from, below));
}

Value TreeMask::ancestor(Lineage lineage, ValueRange indices) {
  SmallVector<Value> keyRow(indices.drop_back());
  SmallVector<Value> queryRow(indices.drop_back(2));
  queryRow.push_back(indices.back());
  auto constant = [&](int64_t value) -> Value {
    return b.create<arith::ConstantOp>(loc, b.getI32IntegerAttr(value));
  };
  auto enterOf = [&](Value word) -> Value {
    return b.create<arith::AndIOp>(loc, word, constant((1 << kEnterBits) - 1));
  };
  Value key = load(lineage.words, keyRow), enter = enterOf(key);
  Value low = b.create<arith::ExtSIOp>(loc, b.getI32Type(),
                                       load(lineage.sizes, keyRow));
  Value high = b.create<arith::ShLIOp>(
      loc, b.create<arith::ShRUIOp>(loc, key, constant(kEnterBits)),
      constant(kSizeBits));
  Value exit = b.create<arith::AddIOp>(
      loc, b.create<arith::AddIOp>(loc, enter, high),
      b.create<arith::AddIOp>(loc, low, constant(1 << (kSizeBits - 1))));
  return between(enter, exit, enterOf(load(lineage.words, queryRow)),
                 keyRow.back(), queryRow.back());
}

Value TreeMask::inTree() {
  Value key = node(at.key), query = node(at.query);
  return between(entry(batchTree, key, kEnter), entry(batchTree, key, kExit),
                 entry(batchTree, query, kEnter), at.key, at.query);
}

void TreeMask::eraseUnused() {
  for (Operation *op = last; op;) {
    Operation *previous = op == first ? nullptr : op->getPrevNode();
    if (op->use_empty())
      op->erase();
    op = previous;
  }
  first = last = nullptr;
}
