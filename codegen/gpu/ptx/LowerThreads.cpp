// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels, threads, barriers and exchanges inside a warp.
#include "codegen/gpu/ptx/Asm.h"
#include "dialects/hw/Hw.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace fovea::hw;

namespace fovea::gpu {

namespace {

/// A kernel becomes a function that NVVM's translation marks as an entry.
struct KernelPattern : ConvertOpToLLVMPattern<KernelOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(KernelOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type = LLVM::LLVMFunctionType::get(
        LLVM::LLVMVoidType::get(op.getContext()), op.getArgumentTypes());
    auto fn =
        rewriter.create<LLVM::LLVMFuncOp>(op.getLoc(), op.getSymName(), type);
    fn->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                rewriter.getUnitAttr());
    fn->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(),
                rewriter.getDenseI32ArrayAttr(
                    {static_cast<int32_t>(op.getThreads()), 1, 1}));
    if (op.getMinCtas())
      fn->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                  rewriter.getI32IntegerAttr(*op.getMinCtas()));
    rewriter.inlineRegionBefore(op.getBody(), fn.getBody(), fn.end());
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

static SmallVector<Value> emitShuffle(OpBuilder &b, ShuffleOp op,
                                      ShuffleOp::Adaptor in) {
  static constexpr StringLiteral kModes[] = {"bfly", "idx", "up", "down"};
  std::string name =
      ("llvm.nvvm.shfl.sync." + kModes[static_cast<int>(op.getKind())] +
       (op.getType().isF32() ? ".f32" : ".i32"))
          .str();
  // The least lane that may be read, going up, and else the greatest one.
  int32_t clamp = op.getKind() == Shuffle::Up ? 0 : 31;
  Location loc = op.getLoc();
  Value mask = b.create<LLVM::ConstantOp>(loc, b.getI32Type(), -1);
  Value bound = b.create<LLVM::ConstantOp>(loc, b.getI32Type(), clamp);
  return {emitIntrinsic(b, loc, op.getType(), name,
                        {mask, in.getValue(), in.getLane(), bound})};
}

static SmallVector<Value> emitVote(OpBuilder &b, VoteOp op,
                                   VoteOp::Adaptor in) {
  static constexpr StringLiteral kModes[] = {"any", "all", "ballot"};
  std::string name =
      ("llvm.nvvm.vote." + kModes[static_cast<int>(op.getKind())] + ".sync")
          .str();
  Value mask = b.create<LLVM::ConstantOp>(op.getLoc(), b.getI32Type(), -1);
  return {emitIntrinsic(b, op.getLoc(), op.getType(), name,
                        {mask, in.getPredicate()})};
}

void populateThreadPatterns(const LLVMTypeConverter &converter,
                            RewritePatternSet &patterns) {
  patterns.add<KernelPattern>(converter);
  patterns.add(+[](ReturnOp op, PatternRewriter &rewriter) {
    rewriter.replaceOpWithNewOp<LLVM::ReturnOp>(op, ValueRange());
    return success();
  });
  patterns.add(+[](ThreadIdOp op, PatternRewriter &rewriter) {
    rewriter.replaceOpWithNewOp<NVVM::ThreadIdXOp>(op, op.getType());
    return success();
  });
  patterns.add(+[](CtaIdOp op, PatternRewriter &rewriter) {
    rewriter.replaceOpWithNewOp<NVVM::BlockIdXOp>(op, op.getType());
    return success();
  });
  patterns.add(+[](CtaCountOp op, PatternRewriter &rewriter) {
    rewriter.replaceOpWithNewOp<NVVM::GridDimXOp>(op, op.getType());
    return success();
  });
  addEmit<BarrierOp>(converter, patterns, [](OpBuilder &b, BarrierOp op, auto) {
    return emitAsm(b, op.getLoc(), {},
                   "bar.sync " + Twine(op.getId()) + ", " +
                       Twine(op.getThreads()) + ";",
                   {}, Effects::Memory);
  });
  addEmit<BarrierArriveOp>(
      converter, patterns, [](OpBuilder &b, BarrierArriveOp op, auto) {
        return emitAsm(b, op.getLoc(), {},
                       "bar.arrive " + Twine(op.getId()) + ", " +
                           Twine(op.getThreads()) + ";",
                       {}, Effects::Memory);
      });
  addEmit<WarpBarrierOp>(
      converter, patterns, [](OpBuilder &b, WarpBarrierOp op, auto) {
        return emitAsm(b, op.getLoc(), {}, "bar.warp.sync 0xffffffff;", {},
                       Effects::Memory);
      });
  addEmit<FenceOp>(converter, patterns, [](OpBuilder &b, FenceOp op, auto) {
    return emitAsm(b, op.getLoc(), {},
                   "fence.acq_rel." + stringifyScope(op.getScope()) + ";", {},
                   Effects::Memory);
  });
  addEmit<FenceAsyncProxyOp>(
      converter, patterns, [](OpBuilder &b, FenceAsyncProxyOp op, auto) {
        return emitAsm(b, op.getLoc(), {}, "fence.proxy.async.shared::cta;", {},
                       Effects::Memory);
      });
  addEmit<FenceMbarrierInitOp>(
      converter, patterns, [](OpBuilder &b, FenceMbarrierInitOp op, auto) {
        return emitAsm(b, op.getLoc(), {},
                       "fence.mbarrier_init.release.cluster;", {},
                       Effects::Memory);
      });
  addEmit<SetMaxRegistersOp>(
      converter, patterns, [](OpBuilder &b, SetMaxRegistersOp op, auto) {
        return emitAsm(b, op.getLoc(), {},
                       "setmaxnreg." + stringifyRegisters(op.getKind()) +
                           ".sync.aligned.u32 " + Twine(op.getCount()) + ";",
                       {}, Effects::Warp);
      });
  addEmit<ShuffleOp>(converter, patterns, emitShuffle);
  addEmit<VoteOp>(converter, patterns, emitVote);
}

} // namespace fovea::gpu
