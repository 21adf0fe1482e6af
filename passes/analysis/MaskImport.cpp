// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Imports a mask predicate; see the header. One case per op family; what has
// no case but is plain arith becomes an opaque node, everything else is
// refused.
#include "passes/analysis/MaskImport.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/ADT/bit.h"

#include <limits>
#include <optional>

using namespace mlir;

namespace fovea {
namespace {

class Importer {
public:
  Importer(func::FuncOp func, ImportedMask &mask)
      : func(func), mask(mask), g(mask.graph) {}
  LogicalResult run();

private:
  LogicalResult checkArguments();
  LogicalResult importOp(Operation *op);
  LogicalResult importLoad(memref::LoadOp op);
  LogicalResult importDim(memref::DimOp op);
  LogicalResult finish(func::ReturnOp op);

  /// The node of an op with one integer result, -1 if there is none.
  MaskId build(Operation *op);
  MaskId buildCompare(arith::CmpIOp op);
  MaskId compare(arith::CmpIPredicate p, Value l, Value r);
  MaskId buildBool(Operation *op);
  MaskId buildSelect(arith::SelectOp op);
  MaskId buildDivision(Operation *op);
  MaskId divideWithoutSign(MaskId a, int64_t d, bool isRem);
  MaskId buildBits(Operation *op);
  LogicalResult makeOpaque(Operation *op);
  void bitRange(Operation *op, int64_t &lo, int64_t &hi) const;

  MaskId at(Value v) const { return mask.nodes.lookup(v); }
  static unsigned width(Value v) {
    return v.getType().isIndex() ? 64 : v.getType().getIntOrFloatBitWidth();
  }
  /// `id` as an integer of `width` bits, sign-extended.
  MaskId wrap(MaskId id, unsigned width);
  /// The bits of `v` read without sign; -1 where 64 bits do not hold it.
  MaskId withoutSign(Value v);
  void typeRange(Type type, int64_t &lo, int64_t &hi) const;
  void guard(MaskId id) {
    if (id >= 0)
      guards.push_back(id);
  }

  func::FuncOp func;
  ImportedMask &mask;
  MaskGraph &g;
  SmallVector<MaskId> guards;
  /// Integer nodes that a float value is computed from.
  DenseMap<Value, SmallVector<MaskId, 4>> floatInputs;
};

bool isInteger(Type type) {
  return type.isIndex() ||
         (type.isSignlessInteger() && type.getIntOrFloatBitWidth() <= 64);
}

void Importer::typeRange(Type type, int64_t &lo, int64_t &hi) const {
  unsigned w = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  if (w == 1) {
    lo = 0;
    hi = 1;
    return;
  }
  hi = std::numeric_limits<int64_t>::max() >> (64 - w);
  lo = -hi - 1;
}

LogicalResult Importer::checkArguments() {
  Block &body = func.getBody().front();
  unsigned n = mask.numOperands, total = body.getNumArguments();
  if (total < n + 4 || total > n + 5)
    return func.emitOpError("expected a mask to take its ")
           << n << " operands, b, h, q, k and optionally len, got " << total
           << " arguments";
  mask.hasLen = total == n + 5;
  for (unsigned i = n; i < total; ++i)
    if (!body.getArgument(i).getType().isIndex())
      return func.emitOpError("expected b, h, q, k and len of a mask to be of "
                              "type index, got ")
             << body.getArgument(i).getType() << " for argument " << i;
  int64_t tokens = kMaskTokenLimit;
  struct {
    int64_t var, lo, hi;
  } const vars[] = {{VarB, 0, tokens - 1},
                    {VarH, 0, tokens - 1},
                    {VarQ, -tokens, tokens - 1},
                    {VarK, 0, tokens - 1},
                    {VarLen, 0, tokens}};
  for (unsigned i = n; i < total; ++i) {
    auto &v = vars[i - n];
    mask.nodes[body.getArgument(i)] = g.var(v.var, v.lo, v.hi);
  }
  for (unsigned i = 0; i < n; ++i) {
    BlockArgument arg = body.getArgument(i);
    Type type = arg.getType();
    if (auto table = dyn_cast<MemRefType>(type))
      type = table.getElementType();
    else if (isInteger(type)) {
      int64_t lo, hi;
      typeRange(type, lo, hi);
      MaskId id = g.var(scalarVar(i), lo, hi);
      mask.nodes[arg] = type.isInteger(1) ? g.negate(g.eq0(id)) : id;
    } else if (isa<FloatType>(type)) {
      floatInputs[arg];
    }
    if (!isInteger(type) && !isa<FloatType>(type))
      return func.emitOpError("expected the operands of a mask to be tables "
                              "and scalars of integers or floats, got ")
             << arg.getType() << " for argument " << i;
  }
  return success();
}

LogicalResult Importer::run() {
  if (!func.getBody().hasOneBlock())
    return func.emitOpError("expected a mask to have one block, got ")
           << func.getBody().getBlocks().size();
  if (failed(checkArguments()))
    return failure();
  for (Operation &op : func.getBody().front()) {
    if (auto ret = dyn_cast<func::ReturnOp>(op))
      return finish(ret);
    if (failed(importOp(&op)))
      return failure();
  }
  return func.emitOpError("expected a mask to end in func.return");
}

LogicalResult Importer::finish(func::ReturnOp op) {
  if (op.getNumOperands() != 1 || !(op.getOperand(0).getType().isInteger(1) ||
                                    op.getOperand(0).getType().isInteger(32)))
    return op.emitOpError("expected a mask to return one i1 or i32 (a level), "
                          "got ")
           << op.getOperandTypes();
  Value result = op.getOperand(0);
  mask.value = at(result);
  mask.isLevel = !result.getType().isInteger(1);
  mask.valid = g.conj(guards);
  MaskId shown = mask.isLevel ? g.negate(g.eq0(mask.value)) : mask.value;
  mask.live = g.conj({shown, mask.valid});
  return success();
}

LogicalResult Importer::importOp(Operation *op) {
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return importLoad(load);
  if (auto dim = dyn_cast<memref::DimOp>(op))
    return importDim(dim);
  bool isAbs = isa<math::AbsIOp>(op);
  if (!isAbs && !isa<arith::ArithDialect>(op->getDialect()))
    return op->emitOpError("expected an op that a mask can evaluate (arith, "
                           "math.absi, memref.load of an operand), got '")
           << op->getName() << "'";
  for (Value v : op->getResults())
    if (!isInteger(v.getType()) && !isa<FloatType>(v.getType()))
      return op->emitOpError("expected the values of a mask to be integers, "
                             "index or floats, got ")
             << v.getType();
  if (isMaskDivision(op)) {
    int64_t d;
    if (g.isConst(at(op->getOperand(1)), d) && d == 0)
      return op->emitOpError("expected a divisor other than 0, got 0");
  }
  if (op->getNumResults() == 1 && isInteger(op->getResult(0).getType())) {
    MaskId id = build(op);
    if (id >= 0) {
      mask.nodes[op->getResult(0)] = id;
      return success();
    }
  }
  return makeOpaque(op);
}

/// Bitwise ops stay within the bits of their operands, and `and` with a
/// non-negative number below it.
void Importer::bitRange(Operation *op, int64_t &lo, int64_t &hi) const {
  const MaskNode &a = g[at(op->getOperand(0))], &b = g[at(op->getOperand(1))];
  int bits = 0;
  for (int64_t end : {a.lo, a.hi, b.lo, b.hi})
    bits = std::max(bits, llvm::bit_width(uint64_t(end < 0 ? ~end : end)));
  if (bits < 63) {
    hi = std::min(hi, (int64_t(1) << bits) - 1);
    lo = std::max(lo, -hi - 1);
  }
  if (a.lo >= 0 && b.lo >= 0)
    lo = 0;
  if (!isa<arith::AndIOp>(op))
    return;
  for (const MaskNode *n : {&a, &b})
    if (n->lo >= 0) {
      lo = 0;
      hi = std::min(hi, n->hi);
    }
}

LogicalResult Importer::makeOpaque(Operation *op) {
  SmallVector<MaskId> inputs;
  for (Value v : op->getOperands()) {
    if (isInteger(v.getType()))
      inputs.push_back(at(v));
    else
      llvm::append_range(inputs, floatInputs[v]);
  }
  if (isMaskDivision(op)) {
    MaskId d = at(op->getOperand(1)), bits = withoutSign(op->getOperand(1));
    if (isUnsignedMaskDivision(op) && bits >= 0)
      d = bits;
    if (int64_t c; !g.isConst(d, c))
      guard(g.ge(d, g.constant(1)));
  }
  llvm::sort(inputs);
  inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
  for (Value v : op->getResults()) {
    if (isa<FloatType>(v.getType())) {
      floatInputs[v].assign(inputs.begin(), inputs.end());
      continue;
    }
    if (mask.opaqueOp.empty())
      mask.opaqueOp = op->getName().getStringRef().str();
    if (v.getType().isInteger(1)) {
      mask.nodes[v] = g.opaqueBool(v, inputs);
      continue;
    }
    int64_t lo, hi, c;
    typeRange(v.getType(), lo, hi);
    if (isa<arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op)) {
      bitRange(op, lo, hi);
    } else if (isa<arith::ShRUIOp>(op) && g.isConst(at(op->getOperand(1)), c) &&
               c > 0 && c < 64) {
      lo = 0;
      hi = hi >> (c - 1);
    }
    mask.nodes[v] = g.opaque(v, inputs, lo, hi);
  }
  return success();
}

LogicalResult Importer::importLoad(memref::LoadOp op) {
  auto table = dyn_cast<BlockArgument>(op.getMemRef());
  if (!table || table.getOwner()->getParentOp() != func)
    return op.emitOpError("expected a mask to load from one of its operands, "
                          "got another value");
  MemRefType type = op.getMemRefType();
  SmallVector<MaskId> indices;
  for (auto [axis, index] : llvm::enumerate(op.getIndices())) {
    MaskId id = at(index);
    indices.push_back(id);
    MaskId extent =
        type.isDynamicDim(axis)
            ? g.var(extentVar(table.getArgNumber(), axis), 0, kMaskTermLimit)
            : g.constant(type.getDimSize(axis));
    guard(g.ge0(id));
    guard(g.lt(id, extent));
  }
  Type element = type.getElementType();
  if (isa<FloatType>(element)) {
    floatInputs[op.getResult()].assign(indices.begin(), indices.end());
    return success();
  }
  int64_t lo, hi;
  typeRange(element, lo, hi);
  MaskId id = g.load(table.getArgNumber(), indices, lo, hi, op.getResult());
  mask.nodes[op.getResult()] = element.isInteger(1) ? g.negate(g.eq0(id)) : id;
  return success();
}

LogicalResult Importer::importDim(memref::DimOp op) {
  auto table = dyn_cast<BlockArgument>(op.getSource());
  auto type = dyn_cast<MemRefType>(op.getSource().getType());
  int64_t axis;
  if (!table || table.getOwner()->getParentOp() != func || !type ||
      !g.isConst(at(op.getIndex()), axis) || axis < 0 || axis >= type.getRank())
    return op.emitOpError("expected a mask to take a constant dimension of one "
                          "of its operands, got another value");
  mask.nodes[op.getResult()] =
      type.isDynamicDim(axis)
          ? g.var(extentVar(table.getArgNumber(), axis), 0, kMaskTermLimit)
          : g.constant(type.getDimSize(axis));
  return success();
}

MaskId Importer::wrap(MaskId id, unsigned width) {
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

MaskId Importer::withoutSign(Value v) {
  MaskId id = at(v);
  if (g[id].lo >= 0)
    return id;
  unsigned w = width(v);
  return w > 40 ? -1 : g.mod(id, g.constant(int64_t(1) << w));
}

MaskId Importer::build(Operation *op) {
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
  if (op->getNumOperands() > 0 && !isInteger(op->getOperand(0).getType()))
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

MaskId Importer::buildBool(Operation *op) {
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

MaskId Importer::buildSelect(arith::SelectOp op) {
  MaskId c = at(op.getCondition());
  if (!isInteger(op.getType()))
    return -1;
  MaskId a = at(op.getTrueValue()), b = at(op.getFalseValue());
  if (!op.getType().isInteger(1))
    return g.select(c, a, b);
  return g.disj({g.conj({c, a}), g.conj({g.negate(c), b})});
}

MaskId Importer::buildCompare(arith::CmpIOp op) {
  return compare(op.getPredicate(), op.getLhs(), op.getRhs());
}

MaskId Importer::compare(arith::CmpIPredicate p, Value l, Value r) {
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
/// below 0 it stands for a + 2^64. Its remainder is that of a + 2^64 mod d;
/// its quotient is beyond every token and saturates.
MaskId Importer::divideWithoutSign(MaskId a, int64_t d, bool isRem) {
  MaskId by = g.constant(d);
  if (g[a].lo >= 0)
    return isRem ? g.mod(a, by) : g.div(a, by);
  if (g[a].lo < -kMaskSumLimit || g[a].hi > kMaskSumLimit)
    return -1;
  if (isRem) {
    int64_t rest = int64_t(((unsigned __int128)1 << 64) % d);
    return g.select(g.ge0(a), g.mod(a, by), g.mod(g.plus(a, rest), by));
  }
  // At least (2^64 - 2^62) / d. The max keeps the sign out of the range.
  MaskId quotient = g.div(g.max(a, g.constant(0)), by);
  return d <= (1 << 20)
             ? g.select(g.ge0(a), quotient, g.constant(kMaskTermLimit))
             : -1;
}

/// Everything in terms of floor division by a positive divisor.
MaskId Importer::buildDivision(Operation *op) {
  unsigned w = width(op->getResult(0));
  bool isUnsigned = isUnsignedMaskDivision(op);
  bool isRem = isa<arith::RemSIOp, arith::RemUIOp>(op);
  MaskId a = at(op->getOperand(0)), b = at(op->getOperand(1));
  int64_t d;
  if (isUnsigned) {
    MaskId ua = withoutSign(op->getOperand(0));
    MaskId ub = withoutSign(op->getOperand(1));
    b = ub >= 0 ? ub : b;
    bool known = g.isConst(b, d);
    if (known && d < 0)
      return -1;
    if (ua < 0)
      return known && !isa<arith::CeilDivUIOp>(op)
                 ? divideWithoutSign(a, d, isRem)
                 : -1;
    a = ua;
  }
  bool flip = false;
  if (g.isConst(b, d)) {
    if (d == std::numeric_limits<int64_t>::min())
      return -1;
    flip = d < 0;
    if (flip)
      b = g.constant(-d);
  } else if (g[b].lo < 1) {
    guard(g.ge(b, g.constant(1)));
  }
  MaskId floor = isRem ? g.mod(a, b) : g.div(a, b);
  MaskId mirrored = g.neg(isRem ? g.mod(g.neg(a), b) : g.div(g.neg(a), b));
  MaskId result;
  if (isa<arith::FloorDivSIOp>(op))
    result = flip ? g.neg(mirrored) : floor;
  else if (isa<arith::CeilDivSIOp, arith::CeilDivUIOp>(op))
    result = flip ? g.neg(floor) : mirrored;
  else
    result = g.select(g.ge0(a), floor, mirrored);
  if (flip && isa<arith::DivSIOp>(op))
    result = g.neg(result);
  // -2^(w-1) / -1 does not fit.
  return wrap(result, w);
}

MaskId Importer::buildBits(Operation *op) {
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

} // namespace

bool isMaskDivision(Operation *op) {
  return isa<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp,
             arith::CeilDivSIOp, arith::CeilDivUIOp, arith::RemSIOp,
             arith::RemUIOp>(op);
}

bool isUnsignedMaskDivision(Operation *op) {
  return isa<arith::DivUIOp, arith::RemUIOp, arith::CeilDivUIOp>(op);
}

FailureOr<ImportedMask> importMask(func::FuncOp keep, unsigned numOperands) {
  ImportedMask mask;
  mask.numOperands = numOperands;
  if (failed(Importer(keep, mask).run()))
    return failure();
  return mask;
}

} // namespace fovea
