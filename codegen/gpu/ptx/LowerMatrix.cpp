// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix fragments and products. mma is LLVM's intrinsic, not nvvm's op, which
// makes f16 of bf16; wgmma, its fence and its wait are inline PTX with the
// accumulators tied, so that a use of a result stays behind the wait.
#include "codegen/gpu/ptx/Asm.h"
#include "dialects/hw/Hw.h"

using namespace mlir;
using namespace fovea::hw;

namespace fovea::gpu {

static SmallVector<Value> emitLdmatrix(OpBuilder &b, LdmatrixOp op,
                                       LdmatrixOp::Adaptor in) {
  unsigned count = op.getNumResults();
  StringRef trans = op.getTrans() ? ".trans" : "";
  return emitAsm(b, op.getLoc(), op.getResultTypes(),
                 "ldmatrix.sync.aligned.m8n8.x" + Twine(count) + trans +
                     ".shared.b16 " + registerList(0, count) + ", [$" +
                     Twine(count) + "];",
                 in.getShared(), Effects::Memory);
}

static SmallVector<Value> emitStmatrix(OpBuilder &b, StmatrixOp op,
                                       StmatrixOp::Adaptor in) {
  unsigned count = in.getValues().size();
  SmallVector<Value> operands = {in.getShared()};
  llvm::append_range(operands, in.getValues());
  StringRef trans = op.getTrans() ? ".trans" : "";
  return emitAsm(b, op.getLoc(), {},
                 "stmatrix.sync.aligned.m8n8.x" + Twine(count) + trans +
                     ".shared.b16 [$0], " + registerList(1, count) + ";",
                 operands, Effects::Memory);
}

static SmallVector<Value> emitMma(OpBuilder &b, MmaOp op, MmaOp::Adaptor in) {
  static constexpr StringLiteral kNames[] = {
      "llvm.nvvm.mma.m16n8k16.row.col.f32.f32",
      "llvm.nvvm.mma.m16n8k16.row.col.bf16",
      "llvm.nvvm.mma.m16n8k32.row.col.s8", "llvm.nvvm.mma.m16n8k64.row.col.s4"};
  Location loc = op.getLoc();
  Type pair = VectorType::get(2, b.getF16Type());
  SmallVector<Value> operands;
  for (ValueRange range : {in.getA(), in.getB()})
    for (Value value : range)
      operands.push_back(
          op.getKind() == Mma::F16
              ? b.create<LLVM::BitcastOp>(loc, pair, value).getResult()
              : value);
  llvm::append_range(operands, in.getAccumulators());
  Type result = LLVM::LLVMStructType::getLiteral(
      b.getContext(), llvm::to_vector(op.getResultTypes()));
  return unpackStruct(b, loc,
                      emitIntrinsic(b, loc, result,
                                    kNames[static_cast<int>(op.getKind())],
                                    operands));
}

/// The instruction's name and its types.
static std::string wgmmaName(WgmmaOp op) {
  bool half = op.getKind() == Wgmma::F16 || op.getKind() == Wgmma::BF16;
  std::string kind = stringifyWgmma(op.getKind()).str();
  return ("wgmma.mma_async.sync.aligned.m64n" + Twine(op.getN()) +
          (half ? "k16" : "k32") +
          (op.getKind() == Wgmma::S8 ? ".s32." : ".f32.") + kind + "." + kind)
      .str();
}

static SmallVector<Value> emitWgmma(OpBuilder &b, WgmmaOp op,
                                    WgmmaOp::Adaptor in) {
  unsigned count = op.getNumResults();
  unsigned registers = in.getA().size();
  bool inRegisters = registers == 4;
  bool half = op.getKind() == Wgmma::F16 || op.getKind() == Wgmma::BF16;
  std::string a = inRegisters ? registerList(count, registers)
                              : "$" + std::to_string(count);
  // Scale of d, signs of a and b, and for 16 bits whether they are transposed:
  // a only where it is in memory.
  std::string modifiers = "useOld";
  if (op.getKind() != Wgmma::S8)
    modifiers += ", 1, 1";
  if (half)
    modifiers += (inRegisters ? ", " : ", 0, ") +
                 std::to_string(static_cast<int>(op.getTransB()));
  std::string text = "{ .reg .pred useOld; setp.ne.b32 useOld, " +
                     std::to_string(static_cast<int>(!op.getZero())) + ", 0; " +
                     wgmmaName(op) + " " + registerList(0, count) + ", " + a +
                     ", $" + std::to_string(count + registers) + ", " +
                     modifiers + "; }";
  SmallVector<Value> operands = llvm::to_vector(in.getA());
  operands.push_back(in.getB());
  return emitAsm(b, op.getLoc(), op.getResultTypes(), text, operands,
                 Effects::Memory, in.getAccumulators());
}

void populateMatrixPatterns(const LLVMTypeConverter &converter,
                            RewritePatternSet &patterns) {
  addEmit<LdmatrixOp>(converter, patterns, emitLdmatrix);
  addEmit<StmatrixOp>(converter, patterns, emitStmatrix);
  addEmit<MmaOp>(converter, patterns, emitMma);
  addEmit<WgmmaOp>(converter, patterns, emitWgmma);
  addEmit<WgmmaFenceOp>(
      converter, patterns,
      [](OpBuilder &b, WgmmaFenceOp op, WgmmaFenceOp::Adaptor in) {
        return emitAsm(b, op.getLoc(), op.getResultTypes(),
                       "wgmma.fence.sync.aligned;", {}, Effects::Memory,
                       in.getAccumulators());
      });
  addEmit<WgmmaCommitOp>(
      converter, patterns, [](OpBuilder &b, WgmmaCommitOp op, auto) {
        return emitAsm(b, op.getLoc(), {}, "wgmma.commit_group.sync.aligned;",
                       {}, Effects::Memory);
      });
  addEmit<WgmmaWaitOp>(
      converter, patterns,
      [](OpBuilder &b, WgmmaWaitOp op, WgmmaWaitOp::Adaptor in) {
        return emitAsm(b, op.getLoc(), op.getResultTypes(),
                       "wgmma.wait_group.sync.aligned " +
                           Twine(op.getGroups()) + ";",
                       {}, Effects::Memory, in.getAccumulators());
      });
}

} // namespace fovea::gpu
