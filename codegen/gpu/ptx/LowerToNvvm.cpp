// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The conversion of a module of kernels to the llvm dialect, and its pass.
#include "codegen/gpu/ptx/Asm.h"
#include "codegen/gpu/ptx/Ptx.h"
#include "codegen/target/ConvertKernels.h"
#include "codegen/target/Llvm.h"
#include "dialects/hw/Hw.h"

#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;

namespace fovea::gpu {

void registerPtxDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect,
                  func::FuncDialect, hw::HwDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, NVVM::NVVMDialect,
                  scf::SCFDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

LogicalResult lowerToNvvm(ModuleOp module, const Architecture &arch) {
  if (failed(checkArchitecture(module, arch)))
    return failure();
  if (failed(expandMath(module)))
    return failure();
  MLIRContext *context = module.getContext();
  LLVMTypeConverter converter(context);
  RewritePatternSet patterns(context);
  populateThreadPatterns(converter, patterns);
  populateMemoryPatterns(converter, patterns);
  populateAsyncPatterns(converter, patterns);
  populateMatrixPatterns(converter, patterns);
  populateMathPatterns(converter, patterns);
  populateStageToLLVM(converter, patterns);
  LLVMConversionTarget target(*context);
  target.addLegalDialect<NVVM::NVVMDialect>();
  target.addLegalOp<ModuleOp, UnrealizedConversionCastOp>();
  if (failed(convertKernels(module, target, std::move(patterns))))
    return failure();
  return cancelCasts(module);
}

namespace {

/// Lowers a module for the architecture of its option.
struct LowerToNvvmPass : PassWrapper<LowerToNvvmPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerToNvvmPass)
  LowerToNvvmPass() = default;
  LowerToNvvmPass(const LowerToNvvmPass &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "hw-lower-to-nvvm"; }
  StringRef getDescription() const final {
    return "Turn kernels of the hw dialect into llvm and nvvm";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registerPtxDialects(registry);
  }
  void runOnOperation() override {
    llvm::Expected<const Architecture *> found = findArchitecture(arch);
    if (!found) {
      getOperation().emitError() << llvm::toString(found.takeError());
      return signalPassFailure();
    }
    if (failed(lowerToNvvm(getOperation(), **found)))
      signalPassFailure();
  }

  Pass::Option<std::string> arch{*this, "arch",
                                 llvm::cl::desc("sm_80 or sm_90a"),
                                 llvm::cl::init("sm_80")};
};

} // namespace

void registerPtxPasses() { PassRegistration<LowerToNvvmPass>(); }

} // namespace fovea::gpu
