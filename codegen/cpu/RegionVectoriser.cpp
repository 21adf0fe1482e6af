// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Clones elementwise ops of a scalar region onto lanes, narrowing `index`
// arithmetic where its interval allows.
#include "codegen/cpu/RegionVectoriser.h"

#include "passes/analysis/MaskImport.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace fovea::cpu {

LaneValue LaneValue::index(Value v, int64_t lo, int64_t hi) {
  return {v, ConstantIntRanges::fromSigned(APInt(64, lo, true),
                                           APInt(64, hi, true))};
}

static ConstantIntRanges anyRange(Type type) {
  return ConstantIntRanges::maxRange(
      ConstantIntRanges::getStorageBitwidth(type));
}

LaneValue LaneValue::any(Value v) {
  return {v, anyRange(getElementTypeOrSelf(v.getType()))};
}

void RegionVectoriser::bind(Value outer, LaneValue emitted) {
  map.insert_or_assign(outer, emitted);
}

FailureOr<LaneValue> RegionVectoriser::lookup(Value v) {
  auto it = map.find(v);
  if (it != map.end())
    return it->second;
  // A constant may sit outside the region.
  Operation *def = v.getDefiningOp();
  if (def && def->hasTrait<OpTrait::ConstantLike>())
    return emitOp(def);
  reason = "expected values captured by the region to be constants or "
           "operands, got one that is neither";
  return failure();
}

FailureOr<SmallVector<LaneValue>>
RegionVectoriser::emit(Block &body, ArrayRef<LaneValue> args) {
  for (auto [formal, actual] : llvm::zip_equal(body.getArguments(), args))
    bind(formal, actual);
  for (Operation &op : body.without_terminator())
    if (failed(emitOp(&op)))
      return failure();
  SmallVector<LaneValue> results;
  for (Value v : body.getTerminator()->getOperands()) {
    auto result = lookup(v);
    if (failed(result))
      return failure();
    results.push_back(*result);
  }
  return results;
}

FailureOr<LaneValue> RegionVectoriser::emitOp(Operation *op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    TypedAttr attr = constant.getValue();
    auto integer = dyn_cast<IntegerAttr>(attr);
    if (!integer && !llvm::isa<FloatAttr>(attr)) {
      reason = "expected constants of the region to be scalars, got one of "
               "another type";
      return failure();
    }
    LaneValue result = LaneValue::any(integer && attr.getType().isIndex()
                                          ? e.cI64(integer.getInt())
                                          : e.constant(attr));
    if (integer)
      result.range = ConstantIntRanges::constant(integer.getValue());
    bind(op->getResult(0), result);
    return result;
  }
  SmallVector<LaneValue> args;
  for (Value v : op->getOperands()) {
    auto arg = lookup(v);
    if (failed(arg))
      return failure();
    args.push_back(*arg);
  }
  if (isMaskDivision(op) || isMaskShift(op))
    args[1] = guardSecond(op, args[1]);
  bool looped = llvm::any_of(args, [](const LaneValue &x) { return x.looped; });
  OpBuilder::InsertionGuard guard(e.b);
  if (outside && !looped)
    e.b.restoreInsertionPoint(*outside);
  auto result = emitPlaced(op, args);
  if (failed(result))
    return failure();
  result->looped = looped;
  bind(op->getResult(0), *result);
  return result;
}

/// An op at the builder's insertion point.
FailureOr<LaneValue> RegionVectoriser::emitPlaced(Operation *op,
                                                  ArrayRef<LaneValue> args) {
  FailureOr<LaneValue> result = failure();
  if (OpTrait::hasElementwiseMappableTraits(op) && op->getNumResults() == 1 &&
      op->getNumRegions() == 0)
    result = emitElementwise(op, args);
  else if (hook)
    result = hook(e, op, args);
  if (failed(result)) {
    if (reason.empty())
      reason = "expected ops of the region to have CPU code, got " +
               op->getName().getStringRef().str();
  }
  return result;
}

void RegionVectoriser::require(Value condition, bool looped) {
  Value &all = required[looped][Emitter::lanesOf(condition) != 0];
  OpBuilder::InsertionGuard guard(e.b);
  if (outside && !looped)
    e.b.restoreInsertionPoint(*outside);
  all = all ? e.andI(all, condition) : condition;
}

Value RegionVectoriser::valid() {
  Value all;
  for (bool looped : {false, true})
    for (bool vector : {false, true}) {
      Value condition = required[looped][vector];
      if (!condition)
        continue;
      OpBuilder::InsertionGuard guard(e.b);
      if (outside && !looped)
        e.b.restoreInsertionPoint(*outside);
      if (!vector && lanes)
        condition = e.splat(condition, lanes);
      all = all ? e.andI(all, condition) : condition;
    }
  return all;
}

/// Dividends that f64 divides exactly.
static constexpr int64_t largestDividend = (int64_t(1) << 51) - 1;

static bool fitsI32(const ConstantIntRanges &range) {
  return range.smin().getBitWidth() == 64 && range.smin().sge(INT32_MIN) &&
         range.smax().sle(INT32_MAX);
}

/// Whether the op reads its operands as unsigned: then i32 lanes do only for
/// values that are not negative.
static bool readsUnsigned(Operation *op) {
  if (auto cmp = dyn_cast<arith::CmpIOp>(op))
    return cmp.getPredicate() >= arith::CmpIPredicate::ult;
  return isa<arith::DivUIOp, arith::RemUIOp, arith::CeilDivUIOp, arith::ShRUIOp,
             arith::MinUIOp, arith::MaxUIOp, arith::IndexCastUIOp,
             arith::UIToFPOp, arith::ExtUIOp>(op);
}

Type RegionVectoriser::elementFor(Type type, bool narrow) const {
  return type.isIndex() ? (narrow ? e.i32 : e.i64) : type;
}

Value RegionVectoriser::shape(Value v, Type elem, bool varying) {
  if (llvm::isa<IntegerType>(elem) &&
      llvm::isa<IntegerType>(getElementTypeOrSelf(v.getType())) &&
      !elem.isInteger(1))
    v = e.toInt(v, elem);
  if (varying && !Emitter::lanesOf(v))
    v = e.splat(v, lanes);
  return v;
}

/// Quotients of integers below 2^51 are exact in f64: what is no integer lies
/// at least 1 / y from one, and half a unit in the last place is less. A vector
/// division of 64 bits would be taken apart lane by lane, for every key again.
Value RegionVectoriser::divide(Operation *op, Value x, Value y) {
  Type wide = e.vec(lanes, e.b.getF64Type());
  Type bits = e.vec(lanes, e.i64);
  Location loc = e.loc;
  bool large = getElementTypeOrSelf(x.getType()) == e.i64;
  // 1.5 * 2^52 has a last place of 1: an integer added to its bits is the
  // integer added to it. AVX2 has no other way.
  constexpr int64_t magicBits = 0x4338000000000000;
  Value magic, offset;
  if (large) {
    magic = e.constant(
        DenseElementsAttr::get(cast<VectorType>(wide), 6755399441055744.0));
    offset = e.splatInt(lanes, e.i64, magicBits);
  }
  auto toWide = [&](Value v) -> Value {
    if (!large)
      return e.b.create<arith::SIToFPOp>(loc, wide, v);
    return e.b.create<arith::SubFOp>(loc, e.bitcast(e.add(v, offset), wide),
                                     magic);
  };
  // A divisor beyond every dividend gives the same quotient as a larger one.
  Value divisor = y;
  if (large)
    divisor = e.minS(y, e.splatInt(lanes, e.i64, largestDividend));
  Value q = e.b.create<arith::DivFOp>(loc, toWide(x), toWide(divisor));
  if (isa<arith::FloorDivSIOp>(op))
    q = e.b.create<LLVM::FFloorOp>(loc, wide, q);
  else if (isa<arith::CeilDivSIOp, arith::CeilDivUIOp>(op))
    q = e.b.create<LLVM::FCeilOp>(loc, wide, q);
  else if (large)
    q = e.b.create<LLVM::FTruncOp>(loc, wide, q);
  Value result;
  if (large)
    result = e.sub(e.bitcast(e.b.create<arith::AddFOp>(loc, q, magic), bits),
                   offset);
  else
    result = e.b.create<arith::FPToSIOp>(loc, x.getType(), q);
  if (isa<arith::RemSIOp, arith::RemUIOp>(op))
    return e.sub(x, e.b.create<arith::MulIOp>(loc, result, y));
  return result;
}

/// The second operand of a division or shift where it can be what arith gives
/// no meaning (mask_s3): there it becomes 1, or 0, and the pair invalid.
LaneValue RegionVectoriser::guardSecond(Operation *op, LaneValue second) {
  Value operand = op->getOperand(1);
  const ConstantIntRanges &range = second.range;
  unsigned bits = ConstantIntRanges::getStorageBitwidth(operand.getType());
  bool known = range.smin().getBitWidth() == bits;
  bool shifts = isMaskShift(op), isBits = dividesBits(op);
  APInt number;
  if (matchPattern(operand, m_ConstantInt(&number)) &&
      (shifts   ? number.ult(bits)
       : isBits ? !number.isZero()
                : number.isStrictlyPositive()))
    return second;
  if (known &&
      (shifts ? range.umax().ult(bits) : range.smin().isStrictlyPositive()))
    return second;
  OpBuilder::InsertionGuard guard(e.b);
  if (outside && !second.looped)
    e.b.restoreInsertionPoint(*outside);
  int64_t n = Emitter::lanesOf(second.v);
  Type elem = getElementTypeOrSelf(second.v.getType());
  auto constant = [&](int64_t c) -> Value {
    Value one = e.constant(e.b.getIntegerAttr(elem, c));
    return n ? e.splat(one, n) : one;
  };
  using P = arith::CmpIPredicate;
  Value good = shifts   ? e.cmp(P::ult, second.v, constant(bits))
               : isBits ? e.cmp(P::ne, second.v, constant(0))
                        : e.cmp(P::sge, second.v, constant(1));
  LaneValue result =
      LaneValue::any(e.select(good, second.v, constant(shifts ? 0 : 1)));
  result.range = anyRange(operand.getType());
  if (shifts)
    result.range =
        ConstantIntRanges::fromSigned(APInt(bits, 0), APInt(bits, bits - 1));
  else if (known && !isBits)
    result.range = ConstantIntRanges::fromSigned(
        APInt(bits, 1), llvm::APIntOps::smax(range.smax(), APInt(bits, 1)));
  result.looped = second.looped;
  require(good, second.looped);
  return result;
}

FailureOr<LaneValue>
RegionVectoriser::emitElementwise(Operation *op, ArrayRef<LaneValue> args) {
  Type resultType = op->getResult(0).getType();
  // Casts between index and iN are widths only; what is in a register may be
  // narrower than the type says.
  LaneValue result{Value(), anyRange(resultType)};
  if (auto inferable = dyn_cast<InferIntRangeInterface>(op)) {
    SmallVector<ConstantIntRanges> ranges;
    for (auto [arg, operand] : llvm::zip(args, op->getOperands())) {
      unsigned bits = ConstantIntRanges::getStorageBitwidth(operand.getType());
      ranges.push_back(arg.range.smin().getBitWidth() == bits
                           ? arg.range
                           : ConstantIntRanges::maxRange(bits));
    }
    inferable.inferResultRanges(
        ranges, [&](Value, const ConstantIntRanges &r) { result.range = r; });
  }
  bool varying = llvm::any_of(
      args, [](const LaneValue &arg) { return Emitter::lanesOf(arg.v) != 0; });
  // Scalars stay 64 bits wide; lanes become 32 if everything fits.
  bool narrow = varying;
  bool hasIndex = resultType.isIndex();
  for (auto [arg, operand] : llvm::zip(args, op->getOperands()))
    if (operand.getType().isIndex()) {
      hasIndex = true;
      narrow &= fitsI32(arg.range);
      if (readsUnsigned(op))
        narrow &= !arg.range.smin().isNegative();
    }
  if (resultType.isIndex())
    narrow &= fitsI32(result.range);
  if (isMaskShift(op))
    narrow &= args[1].range.smax().slt(32);
  narrow &= hasIndex;

  if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op)) {
    Type to = elementFor(resultType, narrow);
    Type from = getElementTypeOrSelf(args[0].v.getType());
    Value v = args[0].v;
    bool grows = to.getIntOrFloatBitWidth() > from.getIntOrFloatBitWidth();
    if (isa<arith::IndexCastUIOp>(op) && grows &&
        !op->getOperand(0).getType().isIndex())
      v = e.b.create<arith::ExtUIOp>(e.loc, varying ? e.vec(lanes, to) : to, v);
    result.v = e.toInt(v, to);
    return result;
  }
  Values operands;
  for (auto [arg, operand] : llvm::zip(args, op->getOperands()))
    operands.push_back(
        shape(arg.v, elementFor(operand.getType(), narrow), varying));
  APInt divisor;
  bool shifts =
      isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp>(op) &&
      matchPattern(op->getOperand(1), m_ConstantInt(&divisor)) &&
      !divisor.isZero();
  const ConstantIntRanges &dividend = args[0].range;
  bool exact = isMaskDivision(op) && hasIndex &&
               dividend.smin().getBitWidth() == 64 &&
               dividend.smin().sgt(-largestDividend) &&
               dividend.smax().slt(largestDividend) &&
               args[1].range.smin().sgt(-largestDividend) &&
               !(readsUnsigned(op) && dividend.smin().isNegative());
  if (isMaskDivision(op) && varying && !shifts && (narrow || exact)) {
    result.v = divide(op, operands[0], operands[1]);
    return result;
  }
  Type elem = elementFor(resultType, narrow);
  OperationState state(e.loc, op->getName(), operands,
                       varying ? e.vec(lanes, elem) : elem, op->getAttrs());
  result.v = e.b.create(state)->getResult(0);
  return result;
}

} // namespace fovea::cpu
