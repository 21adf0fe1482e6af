// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The llvm dialect to PTX text, by LLVM's NVPTX back end.
#include "codegen/gpu/ptx/Ptx.h"
#include "codegen/target/Llvm.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>

using namespace mlir;

// LLVM's configuration may not list NVPTX among the targets whose declarations
// Target.def gives; the library has it.
extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

namespace fovea::gpu {

static constexpr const char *kTriple = "nvptx64-nvidia-cuda";

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(const Architecture &arch) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  return createMachine(kTriple, arch.name, arch.ptx, std::nullopt, std::nullopt,
                       llvm::CodeGenOptLevel::Aggressive);
}

/// Functions of more instructions stay functions. The classes and bounds of
/// masks are asked before an item's sums are in registers, so that a call saves
/// few of them; in their callers, several copies of them would take all there
/// are.
static constexpr unsigned kMostInlined = 200;

/// Whether a kernel has products that ptxas would not run asynchronously in a
/// program with calls.
static bool usesWgmma(const llvm::Module &module) {
  for (const llvm::Function &fn : module)
    for (const llvm::Instruction &inst : llvm::instructions(fn))
      if (auto *call = llvm::dyn_cast<llvm::CallInst>(&inst))
        if (auto *code =
                llvm::dyn_cast<llvm::InlineAsm>(call->getCalledOperand()))
          if (llvm::StringRef(code->getAsmString()).contains("wgmma"))
            return true;
  return false;
}

/// All but kernels and long functions go into their callers. Inline PTX in
/// which lanes meet must not be moved into a branch or copied, which the llvm
/// dialect cannot say.
static void setAttributes(llvm::Module &module) {
  bool calls = !usesWgmma(module);
  llvm::SmallPtrSet<llvm::Function *, 4> kernels;
  if (llvm::NamedMDNode *notes = module.getNamedMetadata("nvvm.annotations"))
    for (llvm::MDNode *note : notes->operands())
      if (auto *fn = llvm::mdconst::dyn_extract_or_null<llvm::Function>(
              note->getOperand(0)))
        kernels.insert(fn);
  for (llvm::Function &fn : module) {
    if (fn.isDeclaration())
      continue;
    fn.addFnAttr(llvm::Attribute::NoUnwind);
    if (!kernels.contains(&fn)) {
      fn.setLinkage(llvm::GlobalValue::InternalLinkage);
      bool call = calls && fn.getInstructionCount() > kMostInlined;
      fn.addFnAttr(call ? llvm::Attribute::NoInline
                        : llvm::Attribute::AlwaysInline);
    }
    for (llvm::Instruction &inst : llvm::instructions(fn)) {
      auto *call = llvm::dyn_cast<llvm::CallInst>(&inst);
      if (!call || !call->isInlineAsm())
        continue;
      call->addFnAttr(llvm::Attribute::NoUnwind);
      auto *code = llvm::cast<llvm::InlineAsm>(call->getCalledOperand());
      if (code->hasSideEffects())
        call->addFnAttr(llvm::Attribute::Convergent);
      else
        call->addFnAttr(llvm::Attribute::getWithMemoryEffects(
            module.getContext(), llvm::MemoryEffects::none()));
    }
  }
}

/// Whether NVPTX has instructions for the intrinsic; for others its selection
/// ends the process.
static bool hasInstructions(const llvm::Function &fn) {
  if (fn.getName().starts_with("llvm.nvvm."))
    return true;
  using namespace llvm;
  switch (fn.getIntrinsicID()) {
  case Intrinsic::abs:
  case Intrinsic::bitreverse:
  case Intrinsic::bswap:
  case Intrinsic::ceil:
  case Intrinsic::copysign:
  case Intrinsic::ctlz:
  case Intrinsic::ctpop:
  case Intrinsic::cttz:
  case Intrinsic::fabs:
  case Intrinsic::floor:
  case Intrinsic::fma:
  case Intrinsic::fmuladd:
  case Intrinsic::fshl:
  case Intrinsic::fshr:
  case Intrinsic::lifetime_end:
  case Intrinsic::lifetime_start:
  case Intrinsic::masked_gather:
  case Intrinsic::masked_load:
  case Intrinsic::masked_store:
  case Intrinsic::maximum:
  case Intrinsic::maxnum:
  case Intrinsic::minimum:
  case Intrinsic::memcpy:
  case Intrinsic::memset:
  case Intrinsic::minnum:
  case Intrinsic::nearbyint:
  case Intrinsic::rint:
  case Intrinsic::roundeven:
  case Intrinsic::smax:
  case Intrinsic::smin:
  case Intrinsic::sqrt:
  case Intrinsic::trunc:
  case Intrinsic::umax:
  case Intrinsic::umin:
  // The code generator expands those of vectors.
  case Intrinsic::vector_reduce_add:
  case Intrinsic::vector_reduce_and:
  case Intrinsic::vector_reduce_or:
  case Intrinsic::vector_reduce_smax:
  case Intrinsic::vector_reduce_smin:
  case Intrinsic::vector_reduce_umax:
  case Intrinsic::vector_reduce_umin:
    return true;
  default:
    return false;
  }
}

/// Gives every array of a fixed size its place for the whole kernel: a function
/// that went into a loop of its caller would allocate its arrays in the loop,
/// and a GPU has no stack that grows.
static void hoistAllocas(llvm::Module &module) {
  for (llvm::Function &fn : module) {
    if (fn.isDeclaration())
      continue;
    llvm::SmallVector<llvm::AllocaInst *> allocas;
    llvm::SmallVector<llvm::Instruction *> stack;
    for (llvm::Instruction &inst : llvm::instructions(fn)) {
      auto *alloca = llvm::dyn_cast<llvm::AllocaInst>(&inst);
      if (alloca && llvm::isa<llvm::ConstantInt>(alloca->getArraySize()))
        allocas.push_back(alloca);
      if (auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&inst)) {
        if (call->getIntrinsicID() == llvm::Intrinsic::stackrestore)
          stack.insert(stack.begin(), call);
        else if (call->getIntrinsicID() == llvm::Intrinsic::stacksave)
          stack.push_back(call);
      }
    }
    for (llvm::AllocaInst *alloca : allocas)
      alloca->moveBefore(&*fn.getEntryBlock().getFirstInsertionPt());
    for (llvm::Instruction *call : stack) // restores come first
      call->eraseFromParent();
  }
}

/// Keeps ptxas from copying the bodies of loops: what is worth it the kernels
/// write out themselves, and copies of a loop over a mask's table take all
/// registers there are.
static void keepLoops(llvm::Module &module) {
  llvm::LLVMContext &context = module.getContext();
  for (llvm::Function &fn : module) {
    if (fn.isDeclaration())
      continue;
    llvm::DominatorTree tree(fn);
    llvm::LoopInfo loops(tree);
    for (llvm::Loop *loop : loops.getLoopsInPreorder()) {
      llvm::MDNode *disable = llvm::MDNode::get(
          context, llvm::MDString::get(context, "llvm.loop.unroll.disable"));
      llvm::MDNode *id = llvm::MDNode::getDistinct(context, {nullptr, disable});
      id->replaceOperandWith(0, id);
      loop->setLoopID(id);
    }
  }
}

/// Kernels are whole programs of instructions: refuses what they call beside.
static llvm::Error checkCalls(const llvm::Module &module) {
  for (const llvm::Function &fn : module)
    if (fn.isDeclaration() && !fn.use_empty() && !hasInstructions(fn))
      return llvm::createStringError("expected kernels to call only what a GPU "
                                     "has instructions for, got " +
                                     fn.getName());
  return llvm::Error::success();
}

/// The module as LLVM IR that NVPTX takes.
static llvm::Expected<std::unique_ptr<llvm::Module>>
generateLlvm(ModuleOp module, const Architecture &arch,
             llvm::TargetMachine &machine, llvm::LLVMContext &context) {
  // Parsing loads only the dialects that it meets.
  module.getContext()
      ->loadDialect<NVVM::NVVMDialect, LLVM::LLVMDialect,
                    cf::ControlFlowDialect>();
  if (failed(lowerToNvvm(module, arch)))
    return llvm::createStringError(
        "expected every op of the kernels to have a lowering for " + arch.name);
  // Translation writes the alignments of loads down: by another layout an i64
  // would be two loads.
  llvm::DataLayout layout = machine.createDataLayout();
  module->setAttr(
      LLVM::LLVMDialect::getDataLayoutAttrName(),
      StringAttr::get(module.getContext(), layout.getStringRepresentation()));
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context);
  if (!code)
    return llvm::createStringError(
        "expected the llvm dialect to translate to LLVM IR");
  code->setTargetTriple(kTriple);
  code->setDataLayout(layout);
  setAttributes(*code);
  if (llvm::Error error = runPasses(*code, machine, "always-inline"))
    return error;
  hoistAllocas(*code);
  // ptxas does the rest, better.
  if (llvm::Error error =
          runPasses(*code, machine,
                    "function(sroa,early-cse<memssa>,simplifycfg,"
                    "instcombine<max-iterations=1;no-verify-fixpoint>,"
                    "early-cse<memssa>,simplifycfg),globaldce"))
    return error;
  if (llvm::Error error = checkCalls(*code))
    return error;
  keepLoops(*code);
  return code;
}

llvm::Expected<std::string> generatePtx(ModuleOp module,
                                        const Architecture &arch, bool asLlvm) {
  auto machine = createTargetMachine(arch);
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  auto code = generateLlvm(module, arch, **machine, context);
  if (!code)
    return code.takeError();
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  if (asLlvm) {
    (*code)->print(stream, nullptr);
    return text.str().str();
  }
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr,
                                      llvm::CodeGenFileType::AssemblyFile))
    return llvm::createStringError("expected LLVM to write PTX");
  passes.run(**code);
  return text.str().str();
}

} // namespace fovea::gpu
