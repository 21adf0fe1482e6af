// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows, amounts and forced units of the stages of selection.
#include "codegen/cpu/SelectRows.h"

#include "codegen/cpu/CacheAddress.h"

using namespace mlir;

namespace fovea::cpu {

using arith::CmpIPredicate;

Value rowsEnd(StageFunction &f, const GridParams &p, const Item &item) {
  Value end = p.ragged ? f.rowCount(item.b) : item.k1;
  return f.e.minS(f.e.add(item.row, p.rows), end);
}

Value rowOf(StageFunction &f, const GridParams &p, const View &view,
            const Item &item, Value row, unsigned bytes) {
  return rowAddress(f, view, p.ragged, item.b, item.head, row, bytes);
}

Value amountOf(StageFunction &f, const Amount &amount, bool mass,
               const View &table, Value head) {
  Emitter &e = f.e;
  auto at = [&](unsigned bytes) { return addressOf(e, table, {head}, bytes); };
  switch (amount.kind) {
  case Amount::Literal:
    return mass ? e.cF32(float(amount.literal)) : e.cI64(amount.literal);
  case Amount::ScalarInt:
    return f.scalarInt(amount.slot);
  case Amount::ScalarFloat:
    return f.scalarF32(amount.slot);
  case Amount::ViewI32:
    return e.toInt(e.load(e.i32, at(4)), e.i64);
  case Amount::ViewI64:
    return e.load(e.i64, at(8));
  case Amount::ViewF32:
    return e.load(e.f32, at(4));
  }
  llvm_unreachable("covered switch");
}

void ForcedTest::begin(const Item &item, Value row, bool ragged) {
  Value zero = e.cI64(0);
  Value unit = e.cI64(forced.unit);
  auto roundUp = [&](Value tokens) {
    return e.divU(e.add(tokens, forced.unit - 1), unit);
  };
  firstEnd = e.cI64(forced.first);
  // Units of a segment count from its first token.
  Value length = f.kLength(item.b), base = zero;
  if (forced.rangesSlot >= 0) {
    RangeValues range =
        loadRange(e, f.view(unsigned(forced.rangesSlot), 2), item.b);
    base = range.base;
    length = e.maxS(e.sub(e.minS(length, range.end), base), zero);
  }
  lastEnd = roundUp(length);
  lastBegin = e.sub(lastEnd, forced.last);
  if (!forced.diagonal)
    return;
  Value offset = e.sub(f.qOffset(item.b), base);
  Value queries = ragged ? f.rowCount(item.b) : f.symbol(forced.querySymbol);
  Value q0 = e.mul(row, forced.queryBlock);
  Value q1 = e.minS(e.add(q0, forced.queryBlock), queries);
  diagonalBegin = e.divU(e.maxS(e.add(q0, offset), zero), unit);
  diagonalEnd = roundUp(e.maxS(e.add(q1, offset), zero));
}

Value ForcedTest::isForced(Value unit) {
  auto bound = [&](Value v) {
    int64_t width = Emitter::lanesOf(unit);
    return width ? e.splat(e.toInt(v, e.i32), width) : v;
  };
  auto in = [&](Value lo, Value hi) {
    return e.andI(e.cmp(CmpIPredicate::sge, unit, bound(lo)),
                  e.cmp(CmpIPredicate::slt, unit, bound(hi)));
  };
  Value result = e.orI(e.cmp(CmpIPredicate::slt, unit, bound(firstEnd)),
                       in(lastBegin, lastEnd));
  return diagonalBegin ? e.orI(result, in(diagonalBegin, diagonalEnd)) : result;
}

} // namespace fovea::cpu
