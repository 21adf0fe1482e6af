// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The part of the mask emitter that evaluates predicates over a box: what is
// true everywhere in it, and what is true anywhere; see MaskEmit.h.
#include "passes/analysis/MaskEmit.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace fovea {

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
    if (arePoints(n.args)) {
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

} // namespace fovea
