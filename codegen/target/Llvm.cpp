// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The parts of code generation that no target changes.
#include "codegen/target/Llvm.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"

using namespace mlir;

namespace fovea {

void populateScalarToLLVM(mlir::LLVMTypeConverter &converter,
                          mlir::RewritePatternSet &patterns) {
  mlir::populateSCFToControlFlowConversionPatterns(patterns);
  mlir::cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  mlir::arith::populateArithToLLVMConversionPatterns(converter, patterns);
  mlir::arith::populateCeilFloorDivExpandOpsPatterns(patterns);
  mlir::populateFuncToLLVMConversionPatterns(converter, patterns);
}

void populateStageToLLVM(mlir::LLVMTypeConverter &converter,
                         mlir::RewritePatternSet &patterns) {
  populateScalarToLLVM(converter, patterns);
  mlir::populateMathToLLVMConversionPatterns(converter, patterns);
  mlir::populateVectorToLLVMConversionPatterns(converter, patterns);
  mlir::populateFinalizeMemRefToLLVMConversionPatterns(converter, patterns);
}

/// MLIR 19 does not convert the result of an absolute value of `index`.
static LogicalResult expandAbsolute(math::AbsIOp op,
                                    PatternRewriter &rewriter) {
  if (!op.getType().isIndex())
    return failure();
  Value zero = rewriter.create<arith::ConstantIndexOp>(op.getLoc(), 0);
  Value less =
      rewriter.create<arith::SubIOp>(op.getLoc(), zero, op.getOperand());
  rewriter.replaceOpWithNewOp<arith::MaxSIOp>(op, op.getOperand(), less);
  return success();
}

LogicalResult expandMath(ModuleOp module) {
  bool found = false;
  module.walk([&](Operation *op) {
    found |= isa_and_nonnull<math::MathDialect>(op->getDialect());
    return found ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (!found)
    return success();
  RewritePatternSet patterns(module.getContext());
  patterns.add(expandAbsolute);
  populateExpandExp2FPattern(patterns);
  populateExpandPowFPattern(patterns);
  populateExpandFPowIPattern(patterns);
  populateExpandTanPattern(patterns);
  populateExpandSinhPattern(patterns);
  populateExpandCoshPattern(patterns);
  populateExpandRoundFPattern(patterns);
  populateMathPolynomialApproximationPatterns(patterns);
  return applyPatternsAndFoldGreedily(module, std::move(patterns));
}

LogicalResult cancelCasts(ModuleOp module) {
  SmallVector<UnrealizedConversionCastOp> casts;
  module.walk([&](UnrealizedConversionCastOp op) { casts.push_back(op); });
  for (UnrealizedConversionCastOp op : llvm::reverse(casts)) {
    SmallVector<OpFoldResult> folded;
    if (!op->use_empty() && succeeded(op->fold(folded)))
      op->replaceAllUsesWith(llvm::map_to_vector(
          folded, [](OpFoldResult r) { return cast<Value>(r); }));
  }
  for (UnrealizedConversionCastOp op : llvm::reverse(casts)) {
    if (!op->use_empty())
      return op.emitOpError("expected a cast that another one cancels, got ")
             << op.getOperandTypes() << " to " << op.getResultTypes();
    op->erase();
  }
  return success();
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>> createMachine(
    llvm::StringRef triple, llvm::StringRef cpu, llvm::StringRef features,
    std::optional<llvm::Reloc::Model> relocation,
    std::optional<llvm::CodeModel::Model> model, llvm::CodeGenOptLevel level) {
  std::string error;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple.str(), error);
  if (!target)
    return llvm::createStringError("expected LLVM to know the target " +
                                   triple + ": " + error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, cpu, features, options, relocation, model, level));
  if (!machine)
    return llvm::createStringError("expected LLVM to make code for the "
                                   "processor " +
                                   cpu);
  return machine;
}

llvm::Error runPasses(llvm::Module &module, llvm::TargetMachine &machine,
                      llvm::StringRef pipeline,
                      const llvm::TargetLibraryInfoImpl *library) {
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cgam;
  llvm::ModuleAnalysisManager mam;
  if (library)
    fam.registerPass([&] { return llvm::TargetLibraryAnalysis(*library); });
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  llvm::ModulePassManager passes;
  if (llvm::Error error = builder.parsePassPipeline(passes, pipeline))
    return error;
  passes.run(module, mam);
  return llvm::Error::success();
}

} // namespace fovea
