// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What arith ops mean as exact integers: one case per op family. No case, or
// none for these operands, is -1 and the op becomes opaque.
#include "passes/analysis/MaskImporter.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace fovea {

MaskId MaskImporter::wrap(MaskId id, unsigned width) {
  if (id < 0 || width == 64)
    return id;
  int64_t half = int64_t(1) << (width - 1);
  if (g[id].lo >= -half && g[id].hi < half)
    return id;
  // The low bits of an unbounded number are lost in a saturating sum.
  if (width > 40 || g[id].lo < -kMaskSumLimit || g[id].hi > kMaskSumLimit)
    return -1;
  return g.plus(g.mod(g.plus(id, half), g.constant(2 * half)), -half);
}

MaskId MaskImporter::withoutSign(Value v) {
  MaskId id = at(v);
  if (g[id].lo >= 0)
    return id;
  unsigned w = width(v);
  return w > 61 ? -1 : g.mod(id, g.constant(int64_t(1) << w));
}

MaskId MaskImporter::build(Operation *op) {
  Value result = op->getResult(0);
  unsigned w = width(result);
  auto operand = [&](unsigned i) { return at(op->getOperand(i)); };
  if (auto c = dyn_cast<arith::ConstantOp>(op)) {
    auto value = cast<IntegerAttr>(c.getValue());
    return w == 1 ? g.boolean(value.getValue().isOne())
                  : g.constant(value.getInt());
  }
  if (auto cmp = dyn_cast<arith::CmpIOp>(op))
    return buildCompare(cmp);
  if (auto sel = dyn_cast<arith::SelectOp>(op))
    return buildSelect(sel);
  if (op->getNumOperands() > 0 && !isMaskInteger(op->getOperand(0).getType()))
    return -1;
  if (w == 1)
    return buildBool(op);
  if (isMaskDivision(op))
    return buildDivision(op);
  return TypeSwitch<Operation *, MaskId>(op)
      .Case<arith::AddIOp>(
          [&](auto) { return wrap(g.add(operand(0), operand(1)), w); })
      .Case<arith::SubIOp>(
          [&](auto) { return wrap(g.sub(operand(0), operand(1)), w); })
      .Case<arith::MulIOp>(
          [&](auto) { return wrap(g.mul(operand(0), operand(1)), w); })
      .Case<arith::MinSIOp>([&](auto) { return g.min(operand(0), operand(1)); })
      .Case<arith::MaxSIOp>([&](auto) { return g.max(operand(0), operand(1)); })
      .Case<arith::MinUIOp, arith::MaxUIOp>([&](auto) {
        MaskId below = compare(arith::CmpIPredicate::ult, op->getOperand(0),
                               op->getOperand(1));
        return isa<arith::MinUIOp>(op)
                   ? g.select(below, operand(0), operand(1))
                   : g.select(below, operand(1), operand(0));
      })
      .Case<math::AbsIOp>(
          [&](auto) { return wrap(g.max(operand(0), g.neg(operand(0))), w); })
      .Case<arith::AndIOp, arith::XOrIOp, arith::ShLIOp, arith::ShRSIOp,
            arith::ShRUIOp>([&](auto) { return buildBits(op); })
      .Case<arith::ExtSIOp, arith::IndexCastOp>([&](auto) -> MaskId {
        if (width(op->getOperand(0)) == 1)
          return g.select(operand(0), g.constant(-1), g.constant(0));
        return wrap(operand(0), w);
      })
      .Case<arith::ExtUIOp, arith::IndexCastUIOp>([&](auto) -> MaskId {
        if (width(op->getOperand(0)) == 1)
          return g.select(operand(0), g.constant(1), g.constant(0));
        return wrap(withoutSign(op->getOperand(0)), w);
      })
      .Case<arith::TruncIOp>([&](auto) { return wrap(operand(0), w); })
      .Default([](Operation *) { return -1; });
}

MaskId MaskImporter::buildBool(Operation *op) {
  auto operand = [&](unsigned i) { return at(op->getOperand(i)); };
  if (isa<arith::TruncIOp, arith::IndexCastOp, arith::IndexCastUIOp>(op)) {
    MaskId low = g.mod(operand(0), g.constant(2));
    return g.negate(g.eq0(low));
  }
  if (isa<arith::AndIOp, arith::MulIOp, arith::MinUIOp, arith::MaxSIOp>(op))
    return g.conj({operand(0), operand(1)});
  if (isa<arith::OrIOp, arith::MaxUIOp, arith::MinSIOp>(op))
    return g.disj({operand(0), operand(1)});
  if (isa<arith::XOrIOp, arith::AddIOp, arith::SubIOp>(op))
    return g.disj({g.conj({operand(0), g.negate(operand(1))}),
                   g.conj({g.negate(operand(0)), operand(1)})});
  return -1;
}

MaskId MaskImporter::buildSelect(arith::SelectOp op) {
  MaskId c = at(op.getCondition());
  if (!isMaskInteger(op.getType()))
    return -1;
  MaskId a = at(op.getTrueValue()), b = at(op.getFalseValue());
  if (!op.getType().isInteger(1))
    return g.select(c, a, b);
  return g.disj({g.conj({c, a}), g.conj({g.negate(c), b})});
}

MaskId MaskImporter::buildCompare(arith::CmpIOp op) {
  return compare(op.getPredicate(), op.getLhs(), op.getRhs());
}

MaskId MaskImporter::compare(arith::CmpIPredicate p, Value l, Value r) {
  using P = arith::CmpIPredicate;
  MaskId a = at(l), b = at(r);
  bool isBool = l.getType().isInteger(1);
  // Everything is eq or "less than", negated or swapped.
  switch (p) {
  case P::ne:
    return g.negate(compare(P::eq, l, r));
  case P::sge:
    return g.negate(compare(P::slt, l, r));
  case P::uge:
    return g.negate(compare(P::ult, l, r));
  case P::sgt:
    return compare(P::slt, r, l);
  case P::ugt:
    return compare(P::ult, r, l);
  case P::sle:
    return g.negate(compare(P::slt, r, l));
  case P::ule:
    return g.negate(compare(P::ult, r, l));
  case P::eq:
    return isBool ? g.disj({g.conj({a, b}), g.conj({g.negate(a), g.negate(b)})})
                  : g.eq(a, b);
  case P::slt: // as an i1, true is -1
    return isBool ? g.conj({a, g.negate(b)}) : g.lt(a, b);
  case P::ult: {
    if (isBool)
      return g.conj({g.negate(a), b});
    // Without sign, every negative number is above every other one.
    MaskId negA = g.negate(g.ge0(a)), negB = g.negate(g.ge0(b));
    MaskId less = g.lt(a, b);
    return g.disj({g.conj({g.negate(negA), negB}),
                   g.conj({g.negate(negA), g.negate(negB), less}),
                   g.conj({negA, negB, less})});
  }
  }
  return -1;
}

/// a / d or a % d for a constant d > 0, `a` read as 64 bits without sign:
/// below 0 it stands for a + 2^64. With 2^64 = whole * d + rest that has the
/// quotient of a + rest and `whole` more, and its remainder.
MaskId MaskImporter::divideWithoutSign(MaskId a, int64_t d, bool isRem) {
  MaskId by = g.constant(d);
  if (g[a].lo >= 0)
    return isRem ? g.mod(a, by) : g.div(a, by);
  if (g[a].lo < -kMaskSumLimit || g[a].hi > kMaskSumLimit)
    return -1;
  auto most = (unsigned __int128)1 << 64;
  int64_t rest = int64_t(most % d);
  if (isRem)
    return g.select(g.ge0(a), g.mod(a, by), g.mod(g.plus(a, rest), by));
  if (most / d > kMaskSumLimit)
    return -1;
  // The max and min keep the sign out of the ranges.
  MaskId below = g.div(g.plus(g.min(a, g.constant(-1)), rest), by);
  return g.select(g.ge0(a), g.div(g.max(a, g.constant(0)), by),
                  g.plus(below, int64_t(most / d)));
}

/// Everything in terms of floor division by a positive divisor.
MaskId MaskImporter::buildDivision(Operation *op) {
  unsigned w = width(op->getResult(0));
  bool isUnsigned = isa<arith::DivUIOp, arith::RemUIOp, arith::CeilDivUIOp>(op);
  bool isRem = isa<arith::RemSIOp, arith::RemUIOp>(op);
  MaskId a = at(op->getOperand(0)), b = at(op->getOperand(1));
  int64_t d;
  if (isUnsigned) {
    MaskId ua = withoutSign(op->getOperand(0));
    MaskId ub = withoutSign(op->getOperand(1));
    if (ub < 0 && dividesBits(op))
      return -1;
    b = ub >= 0 ? ub : b;
    if (ua < 0)
      return g.isConst(b, d) && !isa<arith::CeilDivUIOp>(op)
                 ? divideWithoutSign(a, d, isRem)
                 : -1;
    a = ua;
  }
  MaskId floor = isRem ? g.mod(a, b) : g.div(a, b);
  MaskId mirrored = g.neg(isRem ? g.mod(g.neg(a), b) : g.div(g.neg(a), b));
  if (isa<arith::FloorDivSIOp>(op))
    return floor;
  MaskId result = isa<arith::CeilDivSIOp, arith::CeilDivUIOp>(op)
                      ? mirrored
                      : g.select(g.ge0(a), floor, mirrored);
  // Without sign a quotient may need the bit of the sign.
  return wrap(result, w);
}

MaskId MaskImporter::buildBits(Operation *op) {
  unsigned w = width(op->getResult(0));
  MaskId a = at(op->getOperand(0)), b = at(op->getOperand(1));
  int64_t c;
  if (isa<arith::AndIOp, arith::XOrIOp>(op) && g.isConst(a, c))
    std::swap(a, b);
  if (!g.isConst(b, c))
    return -1;
  if (isa<arith::AndIOp>(op)) {
    if (c == 0 || c == -1)
      return c ? a : g.constant(0);
    bool lowBits = c > 0 && ((c + 1) & c) == 0 && c < kMaskTermLimit;
    return lowBits ? g.mod(a, g.constant(c + 1)) : -1;
  }
  // Saturation would change the bits of an unbounded number.
  bool bounded = g[a].lo >= -kMaskSumLimit && g[a].hi <= kMaskSumLimit;
  if (isa<arith::XOrIOp>(op))
    return c == -1 && bounded ? g.plus(g.neg(a), -1) : -1;
  if (c < 0 || c >= std::min(w, 40u))
    return -1;
  int64_t factor = int64_t(1) << c;
  if (isa<arith::ShLIOp>(op))
    return bounded ? wrap(g.scale(a, factor), w) : -1;
  if (isa<arith::ShRSIOp>(op))
    return g.div(a, g.constant(factor));
  MaskId ua = withoutSign(op->getOperand(0));
  return divideWithoutSign(ua >= 0 ? ua : a, factor, /*isRem=*/false);
}

} // namespace fovea
