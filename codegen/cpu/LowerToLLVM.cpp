// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MLIR -> llvm dialect -> LLVM IR -> object or assembly, for every CPU stage.
// The code arrives vectorised, unrolled and blocked, so few passes run: what
// they cost is paid at every cold start of the JIT.
#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/target/Llvm.h"

#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/DialectConversion.h"

#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/PassInfo.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

#include <chrono>
#include <mutex>

using namespace mlir;

namespace fovea::cpu {

static double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

void registerCPUDialects(DialectRegistry &registry) {
  registry
      .insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
              LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect,
              scf::SCFDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

LogicalResult convertToLLVMDialect(ModuleOp module) {
  if (failed(expandMath(module)))
    return failure();
  MLIRContext *ctx = module.getContext();
  LowerToLLVMOptions options(ctx);
  LLVMTypeConverter converter(ctx, options);
  RewritePatternSet patterns(ctx);
  populateStageToLLVM(converter, patterns);
  LLVMConversionTarget target(*ctx);
  target.addLegalOp<ModuleOp, UnrealizedConversionCastOp>();
  if (failed(applyFullConversion(module, target, std::move(patterns))) ||
      failed(cancelCasts(module)))
    return failure();
  // A symbol that is private in MLIR has no business in the symbol table of
  // the object.
  for (auto fn : module.getOps<LLVM::LLVMFuncOp>())
    if (fn.isPrivate() && !fn.isExternal())
      fn.setLinkage(LLVM::Linkage::Internal);
  return success();
}

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(const MachineTarget &target) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  return createMachine("x86_64-unknown-linux-gnu", target.cpu, target.features,
                       llvm::Reloc::PIC_, llvm::CodeModel::Small,
                       llvm::CodeGenOptLevel::Default);
}

/// Stages read through pointers of their own: argument tables and scratch
/// never overlap (the runtime allocates them).
static void setAttributes(llvm::Module &module, llvm::TargetMachine &machine) {
  for (llvm::Function &fn : module) {
    if (fn.isDeclaration())
      continue;
    fn.addFnAttr("target-cpu", machine.getTargetCPU());
    if (!machine.getTargetFeatureString().empty())
      fn.addFnAttr("target-features", machine.getTargetFeatureString());
    fn.addFnAttr("prefer-vector-width", "512");
    fn.addFnAttr("min-legal-vector-width", "512");
    fn.addFnAttr("no-builtins");
    fn.addFnAttr(llvm::Attribute::NoUnwind);
    for (llvm::Argument &arg : fn.args())
      if (arg.getType()->isPointerTy())
        arg.addAttr(llvm::Attribute::NoAlias);
  }
}

/// Cleans up what the builders leave: constants to fold, address arithmetic
/// to share and hoist. No vectoriser, no unrolling, no inliner, no idiom
/// recognition.
static llvm::Error optimize(llvm::Module &module, llvm::TargetMachine &machine,
                            const llvm::TargetLibraryInfoImpl &library) {
  return runPasses(module, machine,
                   "function(early-cse<memssa>,simplifycfg,"
                   "instcombine<max-iterations=1;no-verify-fixpoint>,"
                   "loop-mssa(loop-rotate,licm<allowspeculation>),"
                   "early-cse<memssa>,simplifycfg),globaldce",
                   &library);
}

namespace {

/// LLVM's code generation without its loop strength reduction, which searches
/// the formulas of all addresses of a loop together: that was a quarter of the
/// whole time. Builders carry addresses themselves where a loop is hot.
class CodegenPasses final : public llvm::legacy::PassManager {
public:
  void add(llvm::Pass *pass) override {
    const llvm::PassInfo *info = llvm::Pass::lookupPassInfo(pass->getPassID());
    llvm::StringRef name = info ? info->getPassArgument() : "";
    if (name == "loop-reduce" || name == "canon-freeze") // serves the other
      delete pass;
    else
      llvm::legacy::PassManager::add(pass);
  }
};

} // namespace

llvm::Expected<llvm::SmallVector<char, 0>>
compileModule(ModuleOp module, const MachineTarget &target,
              MachineOutput output, LoweringTimes *times) {
  double t0 = now();
  if (failed(convertToLLVMDialect(module)))
    return llvm::createStringError(
        "expected every op of the stage to convert to the llvm dialect");
  double t1 = now();
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> llvmModule =
      translateModuleToLLVMIR(module, llvmContext);
  if (!llvmModule)
    return llvm::createStringError(
        "expected the llvm dialect to translate to LLVM IR");
  double t2 = now();
  auto machine = createTargetMachine(target);
  if (!machine)
    return machine.takeError();
  llvmModule->setTargetTriple((*machine)->getTargetTriple().str());
  llvmModule->setDataLayout((*machine)->createDataLayout());
  setAttributes(*llvmModule, **machine);
  llvm::TargetLibraryInfoImpl library((*machine)->getTargetTriple());
  library.disableAllFunctions();
  if (llvm::Error error = optimize(*llvmModule, **machine, library))
    return error;
  double t3 = now();
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream os(bytes);
  if (output == MachineOutput::LLVMIR) {
    llvmModule->print(os, nullptr);
  } else {
    CodegenPasses codegen;
    codegen.add(new llvm::TargetLibraryInfoWrapperPass(library));
    if ((*machine)->addPassesToEmitFile(
            codegen, os, nullptr,
            output == MachineOutput::Object
                ? llvm::CodeGenFileType::ObjectFile
                : llvm::CodeGenFileType::AssemblyFile,
            /*DisableVerify=*/true))
      return llvm::createStringError("expected LLVM to emit the object");
    codegen.run(*llvmModule);
  }
  if (times) {
    times->convert += t1 - t0;
    times->translate += t2 - t1;
    times->optimize += t3 - t2;
    times->codegen += now() - t3;
  }
  return bytes;
}

} // namespace fovea::cpu
