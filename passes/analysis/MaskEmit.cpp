// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Interval evaluation of the integers and the terms of a mask as emitted code;
// see the header. Predicates are in MaskEmitTruth.cpp, tables in
// MaskEmitTables.cpp.
#include "passes/analysis/MaskEmit.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace fovea {

//===--- scalar arithmetic ------------------------------------------------===//

Value MaskEmitter::i64(int64_t value) {
  return b.create<arith::ConstantOp>(loc, b.getI64IntegerAttr(value));
}
Value MaskEmitter::i1(bool value) {
  return b.create<arith::ConstantOp>(loc, b.getBoolAttr(value));
}
Value MaskEmitter::add(Value x, Value y) {
  return b.createOrFold<arith::AddIOp>(loc, x, y);
}
Value MaskEmitter::sub(Value x, Value y) {
  return b.createOrFold<arith::SubIOp>(loc, x, y);
}
Value MaskEmitter::mul(Value x, Value y) {
  return b.createOrFold<arith::MulIOp>(loc, x, y);
}
Value MaskEmitter::min(Value x, Value y) {
  return b.createOrFold<arith::MinSIOp>(loc, x, y);
}
Value MaskEmitter::max(Value x, Value y) {
  return b.createOrFold<arith::MaxSIOp>(loc, x, y);
}
Value MaskEmitter::both(Value x, Value y) {
  return b.createOrFold<arith::AndIOp>(loc, x, y);
}
Value MaskEmitter::either(Value x, Value y) {
  return b.createOrFold<arith::OrIOp>(loc, x, y);
}
Value MaskEmitter::no(Value x) {
  return b.createOrFold<arith::XOrIOp>(loc, x, i1(true));
}
Value MaskEmitter::select(Value c, Value x, Value y) {
  return b.createOrFold<arith::SelectOp>(loc, c, x, y);
}
Value MaskEmitter::le(Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::sle, x, y);
}
Value MaskEmitter::lt(Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::slt, x, y);
}
Value MaskEmitter::equal(Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, x, y);
}
Value MaskEmitter::toIndex(Value x) {
  return b.createOrFold<arith::IndexCastOp>(loc, b.getIndexType(), x);
}
Value MaskEmitter::toI64(Value x) {
  if (x.getType().isInteger(64))
    return x;
  if (x.getType().isIndex())
    return b.createOrFold<arith::IndexCastOp>(loc, b.getI64Type(), x);
  if (x.getType().isInteger(1))
    return b.createOrFold<arith::ExtUIOp>(loc, b.getI64Type(), x);
  return b.createOrFold<arith::ExtSIOp>(loc, b.getI64Type(), x);
}

Value MaskEmitter::floorDiv(Value x, Value d, bool nonNegative) {
  APInt c;
  if (matchPattern(d, m_ConstantInt(&c)) && c.isPowerOf2())
    return b.createOrFold<arith::ShRSIOp>(loc, x, i64(c.logBase2()));
  if (nonNegative)
    return b.createOrFold<arith::DivUIOp>(loc, x, d);
  Value q = b.createOrFold<arith::DivSIOp>(loc, x, d);
  Value r = sub(x, mul(q, d));
  return sub(q, toI64(lt(r, i64(0))));
}

//===--- integers ---------------------------------------------------------===//

void MaskEmitter::inside(Block *block, function_ref<void()> body) {
  auto keptRanges = ranges;
  auto keptTruths = truths;
  auto keptCopies = copies;
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(block);
    body();
  }
  ranges = std::move(keptRanges);
  truths = std::move(keptTruths);
  copies = std::move(keptCopies);
}

MaskEmitter::Range MaskEmitter::range(MaskId id) {
  if (auto it = ranges.find(id); it != ranges.end())
    return it->second;
  Range r = computeRange(mask.graph[id]);
  ranges[id] = r;
  return r;
}

bool MaskEmitter::arePoints(ArrayRef<MaskId> ids) const {
  auto moves = [&](MaskVar var) {
    auto it = vars.find(var);
    return it != vars.end() && !it->second.isPoint();
  };
  bool q = moves(VarQ), k = moves(VarK);
  return llvm::none_of(ids, [&](MaskId id) {
    return (q && mask.graph[id].onQ) || (k && mask.graph[id].onK);
  });
}

MaskEmitter::Range MaskEmitter::linear(const MaskNode &n) {
  Value lo, hi;
  bool point = true;
  auto accumulate = [&](Value &sum, Value term) {
    sum = sum ? add(sum, term) : term;
  };
  for (auto [arg, coef] : llvm::zip_equal(n.args, n.coefs)) {
    Range r = range(arg);
    point &= r.isPoint();
    Value c = i64(coef);
    accumulate(lo, mul(coef > 0 ? r.lo : r.hi, c));
    if (!point)
      accumulate(hi, mul(coef > 0 ? r.hi : r.lo, c));
    else
      hi = lo;
  }
  if (n.imm != 0) {
    Value c = i64(n.imm);
    lo = add(lo, c);
    hi = point ? lo : add(hi, c);
  }
  return {lo, hi};
}

MaskEmitter::Range MaskEmitter::computeRange(const MaskNode &n) {
  auto pointOr = [](bool point, Value lo, Value hi) -> Range {
    return {lo, point ? lo : hi};
  };
  switch (n.op) {
  case MaskOp::Const: {
    Value c = i64(n.imm);
    return {c, c};
  }
  case MaskOp::Var: {
    if (auto it = vars.find(n.imm); it != vars.end())
      return it->second;
    Value v;
    if (n.imm >= extentVar(0, 0)) {
      int64_t which = n.imm - extentVar(0, 0);
      v = extent(which >> 8, which & 255);
    } else {
      v = toI64(operands[n.imm - VarFirstScalar]);
    }
    return {v, v};
  }
  case MaskOp::Linear:
    return linear(n);
  case MaskOp::Mul: {
    Range x = range(n.args[0]), y = range(n.args[1]);
    if (x.isPoint() && y.isPoint()) {
      Value p = mul(x.lo, y.lo);
      return {p, p};
    }
    Value p[] = {mul(x.lo, y.lo), mul(x.lo, y.hi), mul(x.hi, y.lo),
                 mul(x.hi, y.hi)};
    return {min(min(p[0], p[1]), min(p[2], p[3])),
            max(max(p[0], p[1]), max(p[2], p[3]))};
  }
  case MaskOp::Div: {
    Range x = range(n.args[0]), d = range(n.args[1]);
    bool nonNegative = mask.graph[n.args[0]].lo >= 0;
    Value lo = floorDiv(x.lo, d.lo, nonNegative);
    if (d.isPoint())
      return x.isPoint() ? Range{lo, lo}
                         : Range{lo, floorDiv(x.hi, d.lo, nonNegative)};
    // Monotone in each operand while the sign of the other stands.
    Value p[] = {lo, floorDiv(x.lo, d.hi), floorDiv(x.hi, d.lo),
                 floorDiv(x.hi, d.hi)};
    return {min(min(p[0], p[1]), min(p[2], p[3])),
            max(max(p[0], p[1]), max(p[2], p[3]))};
  }
  case MaskOp::Mod: {
    Range x = range(n.args[0]), d = range(n.args[1]);
    Value zero = i64(0), top = sub(d.hi, i64(1));
    bool nonNegative = mask.graph[n.args[0]].lo >= 0;
    Value q0 = floorDiv(x.lo, d.lo, nonNegative);
    Value r0 = sub(x.lo, mul(q0, d.lo));
    if (x.isPoint() && d.isPoint())
      return {r0, r0};
    Value q1 = floorDiv(x.hi, d.lo, nonNegative);
    Value r1 = sub(x.hi, mul(q1, d.lo));
    Value onePeriod = equal(q0, q1);
    // A divisor that moves over the box may still be one number in it.
    if (!d.isPoint())
      onePeriod = both(onePeriod, equal(d.lo, d.hi));
    return {select(onePeriod, r0, zero), select(onePeriod, r1, top)};
  }
  case MaskOp::Min:
  case MaskOp::Max: {
    Range x = range(n.args[0]), y = range(n.args[1]);
    bool isMin = n.op == MaskOp::Min;
    Value lo = isMin ? min(x.lo, y.lo) : max(x.lo, y.lo);
    if (x.isPoint() && y.isPoint())
      return {lo, lo};
    return {lo, isMin ? min(x.hi, y.hi) : max(x.hi, y.hi)};
  }
  case MaskOp::Select: {
    Truth c = truth(n.args[0]);
    Range x = range(n.args[1]), y = range(n.args[2]);
    Value lo = select(c.all, x.lo, y.lo), hi = select(c.all, x.hi, y.hi);
    if (c.isPoint())
      return pointOr(x.isPoint() && y.isPoint(), lo, hi);
    Value mixed = both(c.any, no(c.all));
    return {select(mixed, min(x.lo, y.lo), lo),
            select(mixed, max(x.hi, y.hi), hi)};
  }
  case MaskOp::Load:
    return load(n);
  case MaskOp::Segment:
    return segment(n);
  case MaskOp::Opaque: {
    if (arePoints(n.args)) {
      Value v = toI64(copy(n.value));
      return {v, v};
    }
    return {i64(n.lo), i64(n.hi)};
  }
  default:
    llvm_unreachable("a predicate has no range");
  }
}

//===--- terms ------------------------------------------------------------===//

MaskEmitter::Section MaskEmitter::section(const MaskTerm &term) {
  Section s;
  s.guard = {i1(true), i1(true)};
  for (MaskId id : term.guards) {
    Truth t = truth(id);
    s.guard = {both(s.guard.all, t.all), both(s.guard.any, t.any)};
  }
  Value first = i64(0), last = sub(vars.at(VarLen).lo, i64(1));
  s.lo = {first, first};
  s.hi = {last, last};
  for (MaskId id : term.lo) {
    Range r = range(id);
    s.lo = {max(s.lo.lo, r.lo), max(s.lo.hi, r.hi)};
  }
  for (MaskId id : term.hi) {
    Range r = range(id);
    s.hi = {min(s.hi.lo, r.lo), min(s.hi.hi, r.hi)};
  }
  for (MaskId id : term.room)
    s.guard.any = both(s.guard.any, le(first, range(id).hi));
  if (term.period >= 0) {
    s.period = range(term.period).lo;
    s.phase = range(term.phase);
    s.width = range(term.width);
  }
  return s;
}

void MaskEmitter::hoist(MaskId id) {
  const MaskNode &n = mask.graph[id];
  if (!n.onK) {
    if (n.isPredicate())
      truth(id);
    else
      range(id);
    return;
  }
  if (hoisted.insert(id).second)
    for (MaskId arg : n.args)
      hoist(arg);
}

} // namespace fovea
