// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The guards are ops of the mask itself, comparisons and a select, so that the
// solver and every back end see nothing new.
#include "passes/attn_to_tile/CastGuards.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace fovea;

/// 2^exponent, negative or not, as `type` has it; its largest number where that
/// is less: `exact` says which.
static APFloat power(FloatType type, unsigned exponent, bool negative,
                     bool &exact) {
  APFloat number(APFloat::IEEEquad(), 1);
  number = scalbn(number, int(exponent), APFloat::rmNearestTiesToEven);
  bool inexact;
  number.convert(type.getFloatSemantics(), APFloat::rmTowardZero, &inexact);
  exact = !inexact && number.isFinite();
  if (!exact)
    number = APFloat::getLargest(type.getFloatSemantics());
  if (negative)
    number.changeSign();
  return number;
}

/// Whether `x`, without its fraction, is a number of `bits` bits. NaN is none.
static Value fits(OpBuilder &b, Location loc, Value x, unsigned bits,
                  bool isSigned) {
  auto type = cast<FloatType>(x.getType());
  auto compare = [&](arith::CmpFPredicate p, const APFloat &limit) -> Value {
    Value c = b.create<arith::ConstantOp>(loc, b.getFloatAttr(type, limit));
    return b.create<arith::CmpFOp>(loc, p, x, c);
  };
  using P = arith::CmpFPredicate;
  bool exact;
  APFloat above = power(type, isSigned ? bits - 1 : bits, false, exact);
  Value below = compare(exact ? P::OLT : P::OLE, above);
  // What lies between the least number and the one before it is cut to the
  // least; `type` may have no number there, nor the one before.
  APFloat least = APFloat::getZero(type.getFloatSemantics());
  if (isSigned)
    least = power(type, bits - 1, true, exact);
  APFloat before = least;
  bool apart = before.subtract(APFloat::getOne(type.getFloatSemantics()),
                               APFloat::rmNearestTiesToEven) == APFloat::opOK;
  return b.create<arith::AndIOp>(
      loc, below, compare(apart ? P::OGT : P::OGE, apart ? before : least));
}

Value fovea::guardCasts(OpBuilder &b, Block &block) {
  Value all;
  for (Operation &op : block) {
    if (!isa<arith::FPToSIOp, arith::FPToUIOp>(op) || op.use_empty())
      continue;
    OpBuilder before(&op);
    Value x = op.getOperand(0);
    Value good = fits(before, op.getLoc(), x,
                      op.getResult(0).getType().getIntOrFloatBitWidth(),
                      isa<arith::FPToSIOp>(op));
    Value zero = before.create<arith::ConstantOp>(
        op.getLoc(), before.getZeroAttr(x.getType()));
    op.setOperand(0,
                  before.create<arith::SelectOp>(op.getLoc(), good, x, zero));
    all = all ? b.create<arith::AndIOp>(op.getLoc(), all, good) : good;
  }
  return all;
}
