// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles kernels of stages, and lays their code out. Kernels are never linked
// with each other: ptxas then serialises wgmma.
#include "codegen/gpu/ptx/StageCode.h"
#include "codegen/gpu/ptx/Ptx.h"
#include "codegen/gpu/ptx/Ptxas.h"
#include "dialects/hw/Hw.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace fovea::gpu {

/// What an object begins with; the cubin and the PTX with its NUL follow.
namespace {
struct ObjectHead {
  uint64_t magic, cubinBytes, ptxBytes;
  uint32_t threads, sharedBytes, registers, reserved;
};
} // namespace

static constexpr uint64_t kMagic = 0x6567617473757067; // "gpustage"

bool isStageCode(StringRef object) {
  ObjectHead head{};
  if (object.size() < sizeof head)
    return false;
  memcpy(&head, object.data(), sizeof head);
  return head.magic == kMagic;
}

/// A name for PTX, whose names have no dots.
static std::string kernelName(StringRef symbol) {
  std::string name = symbol.str();
  std::replace(name.begin(), name.end(), '.', '$');
  return name;
}

LogicalResult reportAssembler(ModuleOp module) {
  auto ptxas = lookForPtxas();
  if (!ptxas)
    return module.emitError() << llvm::toString(ptxas.takeError());
  if (!*ptxas)
    module.emitRemark() << "ptxas: none in FOVEA_PTXAS, in CUDA_HOME, on PATH "
                           "or in the toolkit's usual folder: the bundle holds "
                           "PTX, which the GPU's driver compiles when it loads "
                           "a kernel";
  return success();
}

LogicalResult readRange(hw::KernelOp kernel) {
  MLIRContext *context = kernel.getContext();
  Location loc = kernel.getLoc();
  auto inputs = llvm::to_vector(kernel.getFunctionType().getInputs());
  Type i64 = IntegerType::get(context, 64);
  if (inputs.size() != 5 || inputs[2] != i64 || inputs[3] != i64)
    return kernel.emitOpError(
        "expected the arguments of a stage: args, plan, begin, end, scratch");
  Block &entry = kernel.getBody().front();
  Value range = entry.insertArgument(2u, inputs[0], loc);
  OpBuilder b = OpBuilder::atBlockBegin(&entry);
  for (int32_t i : {0, 1}) {
    Value at = b.create<LLVM::GEPOp>(loc, range.getType(), i64, range,
                                     ArrayRef<LLVM::GEPArg>{i});
    entry.getArgument(3 + i).replaceAllUsesWith(
        b.create<LLVM::LoadOp>(loc, i64, at));
  }
  entry.eraseArguments(3, 2);
  inputs.erase(inputs.begin() + 3);
  inputs[2] = inputs[0];
  kernel.setFunctionType(FunctionType::get(context, inputs, {}));
  return success();
}

llvm::Expected<llvm::SmallVector<char, 0>>
compileStage(ModuleOp module, StringRef symbol, const Architecture &arch,
             UnitOutput output) {
  auto kernels = llvm::to_vector(module.getOps<hw::KernelOp>());
  if (kernels.size() != 1)
    return llvm::createStringError("expected a stage to be one kernel, got " +
                                   llvm::Twine(kernels.size()));
  hw::KernelOp kernel = kernels[0];
  kernel.setSymName(kernelName(symbol));
  ObjectHead head{};
  head.magic = kMagic;
  head.threads = kernel.getThreads();
  head.sharedBytes = kernel.getSharedBytes();
  if (failed(readRange(kernel)))
    return llvm::createStringError("expected a kernel of a stage");
  auto ptx = generatePtx(module, arch, output == UnitOutput::LLVMIR);
  if (!ptx)
    return ptx.takeError();
  llvm::SmallVector<char, 0> bytes;
  if (output == UnitOutput::LLVMIR) {
    bytes.append(ptx->begin(), ptx->end());
    return bytes;
  }
  if (int64_t(head.sharedBytes) > arch.sharedBytes)
    return llvm::createStringError("expected a CTA to take at most " +
                                   llvm::Twine(arch.sharedBytes) +
                                   " bytes of shared memory of " + arch.name +
                                   ", got " + llvm::Twine(head.sharedBytes));
  auto ptxas = lookForPtxas();
  if (!ptxas)
    return ptxas.takeError();
  AssembledKernels assembled;
  if (*ptxas) {
    auto result = assemble(*ptx, arch);
    if (!result)
      return result.takeError();
    assembled = std::move(*result);
    head.registers = assembled.kernels.front().registers;
  }
  if (output == UnitOutput::Assembly) {
    std::string text = *ptx;
    for (const KernelResources &taken : assembled.kernels)
      text +=
          llvm::formatv("// {0}: {1} registers, {2} bytes spilled, {3} "
                        "bytes of shared memory\n",
                        taken.name, taken.registers,
                        taken.spillStores + taken.spillLoads, head.sharedBytes);
    bytes.append(text.begin(), text.end());
    return bytes;
  }
  head.cubinBytes = assembled.cubin.size();
  head.ptxBytes = ptx->size() + 1;
  const char *start = reinterpret_cast<const char *>(&head);
  bytes.append(start, start + sizeof head);
  bytes.append(assembled.cubin.begin(), assembled.cubin.end());
  bytes.append(ptx->c_str(), ptx->c_str() + ptx->size() + 1);
  return bytes;
}

llvm::Expected<LinkedCode> linkStages(llvm::ArrayRef<StageUnit> units,
                                      llvm::ArrayRef<StringRef> objects) {
  constexpr uint64_t align = 64; // a cubin is an ELF file
  LinkedCode code;
  auto place = [&](StringRef bytes) {
    code.bytes.resize(llvm::alignTo(code.bytes.size(), align));
    uint64_t at = code.bytes.size();
    code.bytes += bytes;
    return at;
  };
  for (auto [unit, object] : llvm::zip(units, objects)) {
    ObjectHead head;
    if (!isStageCode(object))
      return llvm::createStringError("expected code for a GPU of stage " +
                                     unit.symbol);
    memcpy(&head, object.data(), sizeof head);
    StringRef rest = object.drop_front(sizeof head);
    fovea_bundle_launch launch{};
    launch.threads = head.threads;
    launch.shared_bytes = head.sharedBytes;
    launch.registers = head.registers;
    launch.cubin_bytes = head.cubinBytes;
    launch.ptx_bytes = head.ptxBytes;
    if (head.cubinBytes)
      launch.cubin = place(rest.take_front(head.cubinBytes));
    launch.ptx = place(rest.drop_front(head.cubinBytes));
    code.entries.push_back({kernelName(unit.symbol), 0, launch});
  }
  return code;
}

} // namespace fovea::gpu
