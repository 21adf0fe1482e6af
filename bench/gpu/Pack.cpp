// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// gpu_pack FOLDER [NAME...]: writes the conformance kernels, or those of these
// names, as gpu_runner reads them: machine code, inputs, and the outputs that
// the emulator gives. Needs ptxas.
//
// FOLDER/index.txt has a line for each kernel: name, 1 if it needs sm_90a,
// threads, shared bytes, tolerance, and the tensor map or "-". Beside it lie
// NAME.in, NAME.expected, NAME.sm_90a.cubin, and for what sm_80 runs
// NAME.sm_80.cubin and NAME.sm_80.ptx, the latter for later GPUs.
#include "bench/gpu/conformance/Case.h"
#include "bench/gpu/conformance/Emulate.h"
#include "codegen/gpu/ptx/Ptx.h"
#include "codegen/gpu/ptx/Ptxas.h"
#include "dialects/hw/Hw.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace fovea::gpu;
using namespace fovea::gpu::conformance;

static llvm::Error write(const std::string &path, llvm::StringRef bytes) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (!error) {
    stream << bytes;
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  return error ? llvm::createStringError("expected to write " + path + ": " +
                                         error.message())
               : llvm::Error::success();
}

static llvm::StringRef bytesOf(const Words &words) {
  return {reinterpret_cast<const char *>(words.data()), words.size() * 4};
}

// in|out, bytes of an element, swizzle, rank, then dims, box and strides.
static std::string describe(const Map &map) {
  std::string text = map.onOutput ? "out" : "in";
  auto add = [&](uint64_t number) { text += "," + std::to_string(number); };
  add(map.map.element_bytes);
  add(map.map.swizzle);
  add(map.map.rank);
  for (uint32_t d = 0; d < map.map.rank; ++d)
    add(map.map.dims[d]);
  for (uint32_t d = 0; d < map.map.rank; ++d)
    add(map.map.box[d]);
  for (uint32_t d = 0; d < map.map.rank; ++d)
    add(map.map.strides[d]);
  return text;
}

static llvm::Error pack(const Case &one, const std::string &folder,
                        std::string &index) {
  Words out(one.expected.size(), untouched);
  Outcome outcome =
      emulate(one.text, one.in, out, one.map ? &*one.map : nullptr);
  if (outcome.error)
    return llvm::createStringError(one.name + ": " + outcome.message);
  mlir::DialectRegistry registry;
  registerPtxDialects(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  for (llvm::StringRef name : {"sm_80", "sm_90a"}) {
    if (one.hopper && name == "sm_80")
      continue;
    auto arch = findArchitecture(name);
    if (!arch)
      return arch.takeError();
    auto module = mlir::parseSourceString<mlir::ModuleOp>(one.text, &context);
    if (!module)
      return llvm::createStringError(one.name + ": expected valid IR");
    if (name == "sm_90a")
      module->walk([&](fovea::hw::KernelOp kernel) {
        index += one.name + " " + (one.hopper ? "1 " : "0 ") +
                 std::to_string(kernel.getThreads()) + " " +
                 std::to_string(kernel.getSharedBytes()) + " " +
                 std::to_string(one.tolerance) + " " +
                 (one.map ? describe(*one.map) : "-") + "\n";
      });
    auto ptx = generatePtx(*module, **arch);
    if (!ptx)
      return ptx.takeError();
    auto code = assemble(*ptx, **arch);
    if (!code)
      return llvm::createStringError(one.name + ": " +
                                     llvm::toString(code.takeError()));
    std::string path = folder + "/" + one.name + "." + name.str();
    if (auto error = write(path + ".cubin", code->cubin))
      return error;
    if (name == "sm_80")
      if (auto error = write(path + ".ptx", *ptx))
        return error;
  }
  if (auto error = write(folder + "/" + one.name + ".in", bytesOf(one.in)))
    return error;
  return write(folder + "/" + one.name + ".expected", bytesOf(out));
}

static int fail(const std::string &what) {
  llvm::errs() << "gpu_pack: error: " << what << "\n";
  return 1;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  if (argc < 2)
    return fail("expected a folder, got none: gpu_pack FOLDER [NAME...]");
  std::string folder = argv[1], index;
  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return fail("expected to make " + folder + ": " + error.message());
  std::vector<std::string> names(argv + 2, argv + argc);
  size_t packed = 0;
  for (const Case &one : cases()) {
    if (!names.empty() && !llvm::is_contained(names, one.name))
      continue;
    if (auto error = pack(one, folder, index))
      return fail(llvm::toString(std::move(error)));
    ++packed;
  }
  if (packed < names.size())
    return fail("expected names of conformance kernels, got " +
                llvm::join(names, " "));
  if (auto error = write(folder + "/index.txt", index))
    return fail(llvm::toString(std::move(error)));
  llvm::outs() << packed << " kernels in " << folder << "\n";
  return 0;
}
