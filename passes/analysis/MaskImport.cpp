// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Imports a mask predicate; see the header. What has no meaning as exact
// integers but is plain arith becomes an opaque node, everything else is
// refused.
#include "passes/analysis/MaskImporter.h"

#include "passes/analysis/MaskScan.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/ADT/bit.h"

#include <fovea/bundle.h>

#include <limits>

using namespace mlir;

namespace fovea {

void MaskImporter::typeRange(Type type, int64_t &lo, int64_t &hi) const {
  unsigned w = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  if (w == 1) {
    lo = 0;
    hi = 1;
    return;
  }
  hi = std::numeric_limits<int64_t>::max() >> (64 - w);
  lo = -hi - 1;
}

LogicalResult MaskImporter::checkArguments() {
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
    else if (isMaskInteger(type)) {
      int64_t lo, hi;
      typeRange(type, lo, hi);
      MaskId id = g.var(scalarVar(i), lo, hi);
      mask.nodes[arg] = type.isInteger(1) ? g.negate(g.eq0(id)) : id;
    } else if (isa<FloatType>(type)) {
      floatInputs[arg];
    }
    if (!isMaskInteger(type) && !isa<FloatType>(type))
      return func.emitOpError("expected the operands of a mask to be tables "
                              "and scalars of integers or floats, got ")
             << arg.getType() << " for argument " << i;
  }
  return success();
}

LogicalResult MaskImporter::run() {
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

LogicalResult MaskImporter::finish(func::ReturnOp op) {
  if (op.getNumOperands() != 1 || !(op.getOperand(0).getType().isInteger(1) ||
                                    op.getOperand(0).getType().isInteger(32)))
    return op.emitOpError("expected a mask to return one i1 or i32 (a level), "
                          "got ")
           << op.getOperandTypes();
  Value result = op.getOperand(0);
  mask.value = at(result);
  mask.isLevel = !result.getType().isInteger(1);
  mask.valid = g.conj(guards);
  mask.exact = g.conj(exact);
  MaskId shown = mask.isLevel ? g.negate(g.eq0(mask.value)) : mask.value;
  mask.live = g.conj({shown, mask.valid});
  findSummaries();
  return success();
}

/// What is asked of the entries of a table.
struct TableUse {
  bool more = false;      ///< than whether they are 0
  bool stretches = false; ///< of several at once, not by opaque ops alone
};

static std::map<unsigned, TableUse> tableUses(const MaskGraph &g) {
  std::map<unsigned, TableUse> uses;
  for (MaskId id = 0, end = int(g.size()); id < end; ++id)
    for (MaskId arg : g[id].args) {
      if (g[arg].op != MaskOp::Load)
        continue;
      TableUse &use = uses[g[arg].imm];
      use.more |= g[id].op != MaskOp::Eq0;
      use.stretches |=
          g[id].op != MaskOp::Opaque && g[id].op != MaskOp::OpaqueBool;
    }
  return uses;
}

void MaskImporter::findSummaries() {
  llvm::append_range(mask.inputs,
                     func.getArgumentTypes().take_front(mask.numOperands));
  std::map<unsigned, TableUse> uses = tableUses(g);
  for (MaskId id = 0, end = int(g.size()); id < end; ++id) {
    const MaskNode &n = g[id];
    // The last axis that moves with the key.
    auto varies = [&](MaskId arg) { return g[arg].onK; };
    auto last = llvm::find_if(llvm::reverse(n.args), varies);
    if (n.op != MaskOp::Load || last == n.args.rend())
      continue;
    unsigned operand = n.imm, axis = n.args.rend() - last - 1;
    auto table = cast<MemRefType>(mask.inputs[operand]);
    bool known = llvm::any_of(mask.summaries, [&](ImportedMask::Summary s) {
      return s.operand == operand;
    });
    if (known || operand >= mask.numOperands - mask.planTables ||
        !canSummarise(table) || !uses[operand].stretches)
      continue;
    bool byRow = llvm::any_of(llvm::enumerate(n.args), [&](auto arg) {
      return arg.index() != axis && g[arg.value()].onQ;
    });
    if (byRow && !uses[operand].more) {
      if (!llvm::is_contained(mask.flags, operand))
        mask.flags.push_back(operand);
      continue;
    }
    if (mask.summaries.size() == FOVEA_MASK_MAX_SUMMARIES)
      continue;
    mask.summaries.push_back({operand, axis});
    mask.inputs.push_back(maskSummaryType(table));
  }
}

int ImportedMask::summaryOf(unsigned operand, unsigned axis) const {
  for (auto [i, s] : llvm::enumerate(summaries))
    if (s.operand == operand && s.axis == axis)
      return numOperands + i;
  return -1;
}

/// Whether x86-64 without extensions calls a library for the op: plan code has
/// none.
static bool needsLibrary(Operation *op) {
  auto isSmall = [](Type type) {
    return isa<FloatType>(type) && type.getIntOrFloatBitWidth() < 32;
  };
  // A bf16 is the upper half of an f32.
  bool widens = isa<arith::ExtFOp>(op) && op->getOperand(0).getType().isBF16();
  return isa<arith::RemFOp>(op) ||
         llvm::any_of(op->getResultTypes(), isSmall) ||
         (!widens && llvm::any_of(op->getOperandTypes(), isSmall));
}

/// What a spec may write in the place of an op that masks do not have.
static StringRef insteadOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case<math::FloorOp, math::CeilOp, math::TruncOp, math::RoundOp,
            math::RoundEvenOp>([](auto) {
        return "cast to an integer and back (arith.fptosi, arith.sitofp)";
      })
      .Case<math::FmaOp>([](auto) {
        return "write the product and the sum (arith.mulf, arith.addf)";
      })
      .Case<math::SqrtOp, math::RsqrtOp>(
          [](auto) { return "compare squares (arith.mulf)"; })
      .Case<math::IPowIOp, math::PowFOp, math::FPowIOp>([](auto) {
        return "write products (arith.muli, arith.mulf) or a shift "
               "(arith.shli)";
      })
      .Default([](Operation *) {
        return "put the numbers into a table, an argument of the kernel, and "
               "read it (tensor.extract)";
      });
}

LogicalResult MaskImporter::importOp(Operation *op) {
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return importLoad(load);
  if (auto dim = dyn_cast<memref::DimOp>(op))
    return importDim(dim);
  if (auto search = dyn_cast<tile::SearchOp>(op)) {
    importSearch(search);
    return success();
  }
  // Ops of bits, which need no library; floats stay what they are.
  bool isMath = isa<math::AbsIOp, math::AbsFOp, math::CopySignOp>(op);
  if (!isMath && !isa<arith::ArithDialect>(op->getDialect()))
    return op->emitOpError(
               "expected an op that a mask can evaluate (arith, "
               "math.absi, math.absf, math.copysign, memref.load of "
               "an operand), got '")
           << op->getName()
           << "': a plan runs on any x86-64 and calls no library; "
           << insteadOf(op);
  for (Value v : op->getResults())
    if (!isMaskInteger(v.getType()) && !isa<FloatType>(v.getType()))
      return op->emitOpError("expected the values of a mask to be integers, "
                             "index or floats, got ")
             << v.getType();
  if (needsLibrary(op))
    return op->emitOpError("expected the floats of a mask to be f32 or f64 and "
                           "without remf, got ")
           << op->getResult(0).getType()
           << ": the plan, which runs on any x86-64, has no code for it";
  if ((isMaskDivision(op) || isMaskShift(op)) && failed(guardSecond(op)))
    return failure();
  if (op->getNumResults() == 1 && isMaskInteger(op->getResult(0).getType())) {
    MaskId id = build(op);
    if (id >= 0) {
      needExactOperands(op);
      mask.nodes[op->getResult(0)] = id;
      return success();
    }
  }
  return makeOpaque(op);
}

LogicalResult MaskImporter::guardSecond(Operation *op) {
  Value second = op->getOperand(1);
  if (second.getType().isInteger(1))
    return op->emitOpError("expected a mask to divide and shift integers of 2 "
                           "bits or more, got i1");
  MaskId id = at(second);
  int64_t bits = width(second), c;
  MaskId good = isMaskShift(op)
                    ? g.conj({g.ge0(id), g.lt(id, g.constant(bits))})
                : dividesBits(op) ? g.negate(g.eq0(id))
                                  : g.ge(id, g.constant(1));
  if (!g.isConst(id, c) || good != g.boolean(false)) {
    guard(good);
    return success();
  }
  if (isMaskShift(op))
    return op->emitOpError("expected a shift by less than ")
           << bits << " bits, got " << c;
  return op->emitOpError("expected a divisor of 1 or more, got ") << c;
}

/// What the graph makes of a number beyond its limits is not what the op does.
void MaskImporter::needExactOperands(Operation *op) {
  int64_t c;
  auto operand = [&](unsigned i) { return at(op->getOperand(i)); };
  if (isa<arith::AddIOp, arith::SubIOp, math::AbsIOp>(op)) {
    for (Value v : op->getOperands())
      needExact(at(v), kMaskTermLimit);
  } else if (isa<arith::MulIOp>(op)) {
    bool scales = g.isConst(operand(0), c) || g.isConst(operand(1), c);
    for (Value v : op->getOperands())
      needExact(at(v), scales ? kMaskTermLimit : kMaskFactorLimit);
  } else if (isMaskDivision(op)) {
    // The quotient of a small number by one beyond the limit is 0 or -1 as by
    // the limit, and the remainder towards zero is the number itself.
    const MaskNode &dividend = g[operand(0)];
    if (dividend.lo <= -kMaskFactorLimit || dividend.hi >= kMaskFactorLimit)
      needExact(operand(1), kMaskFactorLimit);
    needExact(operand(0), kMaskTermLimit);
  }
}

/// Bitwise ops stay within the bits of their operands, and `and` with a
/// non-negative number below it.
void MaskImporter::bitRange(Operation *op, int64_t &lo, int64_t &hi) const {
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

LogicalResult MaskImporter::makeOpaque(Operation *op) {
  SmallVector<MaskId> inputs;
  for (Value v : op->getOperands()) {
    if (isMaskInteger(v.getType()))
      inputs.push_back(at(v));
    else
      llvm::append_range(inputs, floatInputs[v]);
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

LogicalResult MaskImporter::importLoad(memref::LoadOp op) {
  auto table = dyn_cast<BlockArgument>(op.getMemRef());
  if (!table || table.getOwner()->getParentOp() != func)
    return op.emitOpError("expected a mask to load from one of its operands, "
                          "got another value");
  MemRefType type = op.getMemRefType();
  SmallVector<MaskId> indices;
  for (auto [axis, index] : llvm::enumerate(op.getIndices())) {
    MaskId id = at(index);
    indices.push_back(id);
    guard(g.ge0(id));
    guard(g.lt(id, extentOf(table, axis)));
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

LogicalResult MaskImporter::importDim(memref::DimOp op) {
  auto table = dyn_cast<BlockArgument>(op.getSource());
  auto type = dyn_cast<MemRefType>(op.getSource().getType());
  int64_t axis;
  if (!table || table.getOwner()->getParentOp() != func || !type ||
      !g.isConst(at(op.getIndex()), axis) || axis < 0 || axis >= type.getRank())
    return op.emitOpError("expected a mask to take a constant dimension of one "
                          "of its operands, got another value");
  mask.nodes[op.getResult()] = extentOf(table, axis);
  return success();
}

void MaskImporter::importSearch(tile::SearchOp op) {
  // No op of a mask gives a table.
  auto table = cast<BlockArgument>(op.getBoundaries());
  unsigned operand = table.getArgNumber();
  mask.ascending.insert(operand);
  SmallVector<MaskId, 2> place;
  if (Value row = op.getRow()) {
    place.push_back(at(row));
    guard(g.ge0(place[0]));
    guard(g.lt(place[0], extentOf(table, 0)));
  }
  place.push_back(at(op.getToken()));
  mask.nodes[op.getIndex()] = g.segment(operand, MaskPart::Index, place);
  mask.nodes[op.getBegin()] = g.segment(operand, MaskPart::Begin, place);
  mask.nodes[op.getEnd()] = g.segment(operand, MaskPart::End, place);
}

MaskId MaskImporter::extentOf(BlockArgument table, unsigned axis) {
  auto type = cast<MemRefType>(table.getType());
  return type.isDynamicDim(axis)
             ? g.var(extentVar(table.getArgNumber(), axis), 0, kMaskTermLimit)
             : g.constant(type.getDimSize(axis));
}

bool isMaskDivision(Operation *op) {
  return isa<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp,
             arith::CeilDivSIOp, arith::CeilDivUIOp, arith::RemSIOp,
             arith::RemUIOp>(op);
}

bool dividesBits(Operation *op) {
  Type type = op->getOperand(1).getType();
  return isa<arith::DivUIOp, arith::RemUIOp, arith::CeilDivUIOp>(op) &&
         !type.isIndex() && !type.isInteger(64);
}

bool isMaskShift(Operation *op) {
  return isa<arith::ShLIOp, arith::ShRSIOp, arith::ShRUIOp>(op);
}

FailureOr<ImportedMask> importMask(func::FuncOp keep, unsigned numOperands,
                                   unsigned planTables) {
  ImportedMask mask;
  mask.numOperands = numOperands;
  mask.planTables = planTables;
  if (failed(MaskImporter(keep, mask).run()))
    return failure();
  return mask;
}

} // namespace fovea
