// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// fovea-ptx: the PTX of kernels in the hw dialect, and what ptxas makes of it.
// For people who work on kernels, and for tests.
#include "codegen/gpu/ptx/Ptx.h"
#include "codegen/gpu/ptx/Ptxas.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

namespace cl = llvm::cl;

static cl::opt<std::string> input(cl::Positional, cl::desc("FILE"),
                                  cl::init("-"));
static cl::opt<std::string> archName("arch", cl::desc("sm_80 or sm_90a"),
                                     cl::init("sm_80"));
static cl::opt<bool> resources(
    "resources",
    cl::desc("Assemble, and print what each kernel takes instead of the PTX"));
static cl::opt<bool>
    report("report",
           cl::desc("FILE is a report of ptxas -v: print what it says"));

static int fail(llvm::Error error) {
  llvm::errs() << "fovea-ptx: error: " << llvm::toString(std::move(error))
               << "\n";
  return 1;
}

static void print(llvm::ArrayRef<fovea::gpu::KernelResources> kernels) {
  for (const fovea::gpu::KernelResources &kernel : kernels)
    llvm::outs() << kernel.name << ": registers " << kernel.registers
                 << ", spill stores " << kernel.spillStores << ", spill loads "
                 << kernel.spillLoads << ", static shared bytes "
                 << kernel.sharedBytes << "\n";
}

static int run(std::unique_ptr<llvm::MemoryBuffer> text) {
  auto arch = fovea::gpu::findArchitecture(archName);
  if (!arch)
    return fail(arch.takeError());
  mlir::DialectRegistry registry;
  fovea::gpu::registerPtxDialects(registry);
  mlir::MLIRContext context(registry);
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(text), llvm::SMLoc());
  mlir::SourceMgrDiagnosticHandler handler(sources, &context);
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(sources, &context);
  if (!module)
    return 1;
  auto ptx = fovea::gpu::generatePtx(*module, **arch);
  if (!ptx)
    return fail(ptx.takeError());
  if (!resources) {
    llvm::outs() << *ptx;
    return 0;
  }
  auto assembled = fovea::gpu::assemble(*ptx, **arch);
  if (!assembled)
    return fail(assembled.takeError());
  print(assembled->kernels);
  return 0;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ParseCommandLineOptions(argc, argv, "PTX of kernels\n");
  auto text = llvm::MemoryBuffer::getFileOrSTDIN(input);
  if (!text)
    return fail(llvm::createStringError("expected to read " + input + ": " +
                                        text.getError().message()));
  if (!report)
    return run(std::move(*text));
  auto kernels = fovea::gpu::readPtxasReport((*text)->getBuffer());
  if (!kernels)
    return fail(kernels.takeError());
  print(*kernels);
  return 0;
}
