// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Interval evaluation of a mask graph as emitted code; see the header.
#include "passes/analysis/MaskEmit.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;

namespace fovea {

//===--- scalar arithmetic
//-------------------------------------------------===//

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

//===--- integers
//----------------------------------------------------------===//

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
    if (!d.isPoint())
      return {zero, top};
    bool nonNegative = mask.graph[n.args[0]].lo >= 0;
    Value q0 = floorDiv(x.lo, d.lo, nonNegative);
    Value r0 = sub(x.lo, mul(q0, d.lo));
    if (x.isPoint())
      return {r0, r0};
    Value q1 = floorDiv(x.hi, d.lo, nonNegative);
    Value r1 = sub(x.hi, mul(q1, d.lo));
    Value onePeriod = equal(q0, q1);
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
  case MaskOp::Opaque: {
    if (llvm::all_of(n.args, [&](MaskId arg) {
          return mask.graph[arg].isPredicate() ? truth(arg).isPoint()
                                               : range(arg).isPoint();
        })) {
      Value v = toI64(copy(n.value));
      return {v, v};
    }
    return {i64(n.lo), i64(n.hi)};
  }
  default:
    llvm_unreachable("a predicate has no range");
  }
}

Value MaskEmitter::extent(unsigned table, unsigned axis) {
  Value memref = operands[table];
  auto type = cast<MemRefType>(memref.getType());
  if (!type.isDynamicDim(axis))
    return i64(type.getDimSize(axis));
  Value at = b.create<arith::ConstantIndexOp>(loc, axis);
  return toI64(b.create<memref::DimOp>(loc, memref, at));
}

Value MaskEmitter::guardedLoad(Value table, ArrayRef<Value> at) {
  Value inTable = i1(true);
  SmallVector<Value> indices;
  for (auto [axis, index] : llvm::enumerate(at)) {
    auto type = cast<MemRefType>(table.getType());
    Value size =
        type.isDynamicDim(axis)
            ? toI64(b.create<memref::DimOp>(
                  loc, table, b.create<arith::ConstantIndexOp>(loc, axis)))
            : i64(type.getDimSize(axis));
    inTable = both(inTable, both(le(i64(0), index), lt(index, size)));
    indices.push_back(toIndex(index));
  }
  if (matchPattern(inTable, m_One()))
    return b.create<memref::LoadOp>(loc, table, indices);
  Type element = cast<MemRefType>(table.getType()).getElementType();
  auto choice = b.create<scf::IfOp>(loc, TypeRange{element}, inTable, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(&choice.getThenRegion().front());
  b.create<scf::YieldOp>(
      loc, b.create<memref::LoadOp>(loc, table, indices).getResult());
  b.setInsertionPointToEnd(&choice.getElseRegion().front());
  b.create<scf::YieldOp>(
      loc,
      b.create<arith::ConstantOp>(loc, b.getZeroAttr(element)).getResult());
  return choice.getResult(0);
}

MaskEmitter::Range MaskEmitter::load(const MaskNode &n) {
  SmallVector<Range> indices;
  for (MaskId arg : n.args)
    indices.push_back(range(arg));
  if (!llvm::all_of(indices, [](Range r) { return r.isPoint(); }))
    return scan(n, indices);
  SmallVector<Value> at;
  for (Range r : indices)
    at.push_back(r.lo);
  Value v = toI64(guardedLoad(operands[n.imm], at));
  return {v, v};
}

/// The least and greatest entry of a box of a table. A box that is empty or
/// too large gets the range of the type; entries outside the table do not
/// count, as the pairs that read them are masked.
MaskEmitter::Range MaskEmitter::scan(const MaskNode &n,
                                     ArrayRef<Range> indices) {
  Value table = operands[n.imm];
  Value zero = i64(0), one = i64(1), limit = i64(kMaskScanLimit);
  SmallVector<Range> clipped;
  Value total = one, sane = i1(true);
  for (auto [axis, r] : llvm::enumerate(indices)) {
    Value last = sub(extent(n.imm, axis), one);
    Value lo = max(r.lo, zero), hi = min(r.hi, last);
    clipped.push_back({lo, hi});
    sane = both(sane, le(lo, hi));
    total = mul(total, min(add(sub(hi, lo), one), add(limit, one)));
  }
  sane = both(sane, le(total, limit));
  Type type = b.getI64Type();
  auto choice = b.create<scf::IfOp>(loc, TypeRange{type, type}, sane, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(&choice.getElseRegion().front());
  b.create<scf::YieldOp>(loc, ValueRange{i64(n.lo), i64(n.hi)});
  b.setInsertionPointToEnd(&choice.getThenRegion().front());
  Value step = b.create<arith::ConstantIndexOp>(loc, 1);
  SmallVector<Value> at;
  Value least = i64(std::numeric_limits<int64_t>::max());
  Value most = i64(std::numeric_limits<int64_t>::min());
  scf::ForOp outer;
  for (auto [axis, r] : llvm::enumerate(clipped)) {
    if (indices[axis].isPoint()) {
      at.push_back(toIndex(r.lo));
      continue;
    }
    auto loop =
        b.create<scf::ForOp>(loc, toIndex(r.lo), toIndex(add(r.hi, one)), step,
                             ValueRange{least, most});
    if (outer)
      b.create<scf::YieldOp>(loc, loop.getResults());
    else
      outer = loop;
    at.push_back(loop.getInductionVar());
    least = loop.getRegionIterArg(0);
    most = loop.getRegionIterArg(1);
    b.setInsertionPointToStart(loop.getBody());
  }
  Value v = toI64(b.create<memref::LoadOp>(loc, table, at));
  b.create<scf::YieldOp>(loc, ValueRange{min(least, v), max(most, v)});
  b.setInsertionPointAfter(outer);
  b.create<scf::YieldOp>(loc, outer.getResults());
  return {choice.getResult(0), choice.getResult(1)};
}

/// A copied division must not trap: not for the pairs that the importer
/// masks, and not for the least number by -1, which has no meaning.
void MaskEmitter::makeSafe(Operation *op, IRMapping &map) {
  Value dividend = op->getOperand(0), divisor = op->getOperand(1);
  auto constant = [&](int64_t c) -> Value {
    auto attr = b.getIntegerAttr(divisor.getType(), c);
    return b.create<arith::ConstantOp>(loc, attr);
  };
  Value x = map.lookup(dividend), d = map.lookup(divisor);
  APInt c;
  if (isUnsignedMaskDivision(op)) {
    d = b.createOrFold<arith::MaxUIOp>(loc, d, constant(1));
  } else if (!matchPattern(divisor, m_ConstantInt(&c))) {
    d = b.createOrFold<arith::MaxSIOp>(loc, d, constant(1));
  } else if (c.isAllOnes()) {
    int64_t least = APInt::getSignedMinValue(c.getBitWidth()).getSExtValue();
    x = b.createOrFold<arith::MaxSIOp>(loc, x, constant(least + 1));
  }
  map.map(dividend, x);
  map.map(divisor, d);
}

Value MaskEmitter::copy(Value v) {
  if (Value done = copies.lookup(v))
    return done;
  auto asType = [&](Value x, Type type) -> Value {
    if (type.isIndex())
      return toIndex(x);
    return type.isInteger(64) ? x
                              : b.createOrFold<arith::TruncIOp>(loc, type, x);
  };
  // What the graph knows comes from the graph.
  auto input = [&](Value operand) -> Value {
    auto it = mask.nodes.find(operand);
    if (it == mask.nodes.end())
      return copy(operand);
    if (mask.graph[it->second].isPredicate())
      return truth(it->second).any;
    return asType(range(it->second).lo, operand.getType());
  };
  if (auto arg = dyn_cast<BlockArgument>(v))
    return operands[arg.getArgNumber()];
  Operation *op = v.getDefiningOp();
  if (auto load = dyn_cast<memref::LoadOp>(op)) {
    SmallVector<Value> at;
    for (Value index : load.getIndices())
      at.push_back(toI64(input(index)));
    auto table = cast<BlockArgument>(load.getMemRef());
    return copies[v] = guardedLoad(operands[table.getArgNumber()], at);
  }
  IRMapping map;
  for (Value operand : op->getOperands())
    if (!map.contains(operand))
      map.map(operand, input(operand));
  if (isMaskDivision(op))
    makeSafe(op, map);
  Operation *clone = b.clone(*op, map);
  for (auto [from, to] : llvm::zip_equal(op->getResults(), clone->getResults()))
    copies[from] = to;
  return copies[v];
}

//===--- predicates
//--------------------------------------------------------===//

MaskEmitter::Truth MaskEmitter::truth(MaskId id) {
  if (auto it = truths.find(id); it != truths.end())
    return it->second;
  Truth t = computeTruth(mask.graph[id]);
  truths[id] = t;
  return t;
}

MaskEmitter::Truth MaskEmitter::computeTruth(const MaskNode &n) {
  switch (n.op) {
  case MaskOp::Bool: {
    Value v = i1(n.imm);
    return {v, v};
  }
  case MaskOp::Ge0: {
    Range r = range(n.args[0]);
    Value zero = i64(0);
    Value all = le(zero, r.lo);
    return {all, r.isPoint() ? all : le(zero, r.hi)};
  }
  case MaskOp::Eq0:
    return equalsZero(n.args[0]);
  case MaskOp::Less: {
    Range x = range(n.args[0]), y = range(n.args[1]);
    Value all = lt(x.hi, y.lo);
    return {all, x.isPoint() && y.isPoint() ? all : lt(x.lo, y.hi)};
  }
  case MaskOp::Equal: {
    Range x = range(n.args[0]), y = range(n.args[1]);
    if (x.isPoint() && y.isPoint()) {
      Value same = equal(x.lo, y.lo);
      return {same, same};
    }
    Value one = both(equal(x.lo, x.hi), equal(y.lo, y.hi));
    return {both(one, equal(x.lo, y.lo)), both(le(x.lo, y.hi), le(y.lo, x.hi))};
  }
  case MaskOp::And:
  case MaskOp::Or:
    return nary(n.op == MaskOp::And, n.args);
  case MaskOp::Not: {
    Truth t = truth(n.args[0]);
    Value all = no(t.any);
    return {all, t.isPoint() ? all : no(t.all)};
  }
  case MaskOp::OpaqueBool: {
    if (llvm::all_of(n.args, [&](MaskId arg) {
          return mask.graph[arg].isPredicate() ? truth(arg).isPoint()
                                               : range(arg).isPoint();
        })) {
      Value v = copy(n.value);
      return {v, v};
    }
    return {i1(false), i1(true)};
  }
  default:
    llvm_unreachable("an integer has no truth");
  }
}

/// sum == 0. With a remainder in the sum, (x mod d) + rest == 0, it also asks
/// whether a number with the wanted remainder lies in the range of x.
MaskEmitter::Truth MaskEmitter::equalsZero(MaskId id) {
  const MaskGraph &g = mask.graph;
  Range r = range(id);
  Value zero = i64(0), one = i64(1);
  if (r.isPoint()) {
    Value v = equal(r.lo, zero);
    return {v, v};
  }
  Truth t{both(equal(r.lo, zero), equal(r.hi, zero)),
          both(le(r.lo, zero), le(zero, r.hi))};
  MaskSum sum = g.asSum(id);
  for (auto &[arg, coef] : sum.terms) {
    const MaskNode &n = g[arg];
    if (n.op != MaskOp::Mod || (coef != 1 && coef != -1))
      continue;
    // An unbounded dividend has no room for the sums below.
    const MaskNode &dividend = g[n.args[0]];
    if (dividend.lo < -kMaskSumLimit || dividend.hi > kMaskSumLimit)
      continue;
    Range x = range(n.args[0]), d = range(n.args[1]);
    if (x.isPoint() || !d.isPoint())
      continue;
    // The remainder wanted: [least, most].
    Value least = i64(0), most = least;
    for (auto &[other, c] : sum.terms) {
      if (other == arg)
        continue;
      Range o = range(other);
      Value k = i64(-coef * c);
      bool up = -coef * c > 0;
      least = add(least, mul(up ? o.lo : o.hi, k));
      most = add(most, mul(up ? o.hi : o.lo, k));
    }
    Value c = i64(-coef * sum.constant);
    least = max(add(least, c), zero);
    most = min(add(most, c), sub(d.lo, one));
    Value below = floorDiv(sub(sub(x.lo, one), most), d.lo);
    Value upTo = floorDiv(sub(x.hi, least), d.lo);
    t.any = both(t.any, both(le(least, most), lt(below, upTo)));
    break;
  }
  return t;
}

MaskEmitter::Truth MaskEmitter::nary(bool isAnd, ArrayRef<MaskId> args) {
  auto merge = [&](Truth x, Truth y) -> Truth {
    Value all = isAnd ? both(x.all, y.all) : either(x.all, y.all);
    if (x.isPoint() && y.isPoint())
      return {all, all};
    return {all, isAnd ? both(x.any, y.any) : either(x.any, y.any)};
  };
  Truth t;
  for (MaskId arg : args) {
    Truth next = truth(arg);
    t = t.all ? merge(t, next) : next;
  }
  return t;
}

/// The scans of a conjunction run only if what costs nothing has not decided.
/// Only where asked for, not at every level: values found in a branch are
/// lost after it, and nested branches would find them again and again.
MaskEmitter::Truth MaskEmitter::truthScanningLast(MaskId id) {
  const MaskNode &n = mask.graph[id];
  auto isCostly = [&](MaskId arg) { return mask.graph[arg].scans; };
  ArrayRef<MaskId> args = n.args;
  const MaskId *firstCostly = llvm::find_if(args, isCostly);
  if (n.op != MaskOp::And || firstCostly == args.begin() ||
      firstCostly == args.end())
    return truth(id);
  size_t cheap = firstCostly - args.begin();
  Truth t = nary(/*isAnd=*/true, args.take_front(cheap));
  Type type = b.getI1Type();
  auto choice = b.create<scf::IfOp>(loc, TypeRange{type, type}, t.any, true);
  inside(&choice.getThenRegion().front(), [&] {
    Truth rest = nary(/*isAnd=*/true, args.drop_front(cheap));
    b.create<scf::YieldOp>(
        loc, ValueRange{both(t.all, rest.all), both(t.any, rest.any)});
  });
  inside(&choice.getElseRegion().front(), [&] {
    b.create<scf::YieldOp>(loc, ValueRange{i1(false), i1(false)});
  });
  return {choice.getResult(0), choice.getResult(1)};
}

//===--- terms
//-------------------------------------------------------------===//

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
