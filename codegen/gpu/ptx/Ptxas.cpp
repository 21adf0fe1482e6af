// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds and runs ptxas, and reads what it reports.
#include "codegen/gpu/ptx/Ptxas.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

namespace fovea::gpu {

static constexpr llvm::StringLiteral kUsualFolder = "/usr/local/cuda/bin";

/// A program that somebody named, which must be there.
static llvm::Expected<std::optional<std::string>> named(const char *variable,
                                                        llvm::StringRef path) {
  if (llvm::sys::fs::can_execute(path))
    return path.str();
  return llvm::createStringError("expected ptxas in " + llvm::Twine(variable) +
                                 ", got no " + path + " that can be run");
}

llvm::Expected<std::optional<std::string>> lookForPtxas() {
  if (const char *path = std::getenv("FOVEA_PTXAS")) {
    if (*path)
      return named("FOVEA_PTXAS", path);
    return std::nullopt;
  }
  if (const char *home = std::getenv("CUDA_HOME"); home && *home) {
    llvm::SmallString<128> path(home);
    llvm::sys::path::append(path, "bin", "ptxas");
    return named("CUDA_HOME", path);
  }
  if (auto path = llvm::sys::findProgramByName("ptxas"))
    return *path;
  if (auto path = llvm::sys::findProgramByName("ptxas", {kUsualFolder}))
    return *path;
  return std::nullopt;
}

llvm::Expected<std::string> findPtxas() {
  auto found = lookForPtxas();
  if (!found)
    return found.takeError();
  if (*found)
    return **found;
  return llvm::createStringError(
      "expected ptxas in FOVEA_PTXAS, in CUDA_HOME, on PATH or in " +
      kUsualFolder + ", found none: install a CUDA toolkit");
}

/// The number before a word: "12 bytes spill stores" of " bytes spill stores".
static unsigned numberBefore(llvm::StringRef line, llvm::StringRef word) {
  size_t at = line.find(word);
  if (at == llvm::StringRef::npos)
    return 0;
  llvm::StringRef digits = line.take_front(at);
  digits = digits.drop_front(digits.find_last_not_of("0123456789") + 1);
  unsigned number = 0;
  digits.getAsInteger(10, number);
  return number;
}

llvm::Expected<std::vector<KernelResources>>
readPtxasReport(llvm::StringRef report) {
  std::vector<KernelResources> kernels;
  llvm::SmallVector<llvm::StringRef> lines;
  report.split(lines, '\n');
  for (llvm::StringRef line : lines) {
    if (line.contains("(C75"))
      return llvm::createStringError(
          "expected wgmma and setmaxnreg as they were written, ptxas changed "
          "them: " +
          line.trim());
    if (line.contains("Compiling entry function")) {
      kernels.emplace_back();
      kernels.back().name = line.split('\'').second.split('\'').first.str();
    }
    if (kernels.empty())
      continue;
    KernelResources &kernel = kernels.back();
    if (line.contains("spill stores")) { // of the kernel, and what it calls
      kernel.spillStores += numberBefore(line, " bytes spill stores");
      kernel.spillLoads += numberBefore(line, " bytes spill loads");
    }
    if (line.contains("Used ")) {
      kernel.registers = numberBefore(line, " registers");
      kernel.sharedBytes = numberBefore(line, " bytes smem");
    }
  }
  // A budget that nothing was held against is not met.
  if (kernels.empty())
    return llvm::createStringError(
        "expected ptxas to report on a kernel, got none");
  return kernels;
}

llvm::Expected<AssembledKernels> assemble(llvm::StringRef ptx,
                                          const Architecture &arch) {
  llvm::Expected<std::string> ptxas = findPtxas();
  if (!ptxas)
    return ptxas.takeError();
  llvm::SmallString<128> source, cubin, log;
  auto remove = llvm::make_scope_exit([&] {
    for (llvm::StringRef path : {source.str(), cubin.str(), log.str()})
      if (!path.empty())
        llvm::sys::fs::remove(path);
  });
  int file = -1;
  std::error_code error =
      llvm::sys::fs::createTemporaryFile("fovea", "ptx", file, source);
  if (!error)
    error = llvm::sys::fs::createTemporaryFile("fovea", "cubin", cubin);
  if (!error)
    error = llvm::sys::fs::createTemporaryFile("fovea", "log", log);
  if (error)
    return llvm::createStringError("expected to write a temporary file: " +
                                   error.message());
  {
    llvm::raw_fd_ostream stream(file, /*shouldClose=*/true);
    stream << ptx;
    stream.close();
    if (stream.has_error()) {
      error = stream.error();
      stream.clear_error();
      return llvm::createStringError("expected to write " + source.str() +
                                     ": " + error.message());
    }
  }
  std::string message;
  llvm::StringRef none, report = log;
  std::string archFlag = ("-arch=" + arch.name).str();
  int code = llvm::sys::ExecuteAndWait(
      *ptxas, {*ptxas, archFlag, "-v", source, "-o", cubin}, std::nullopt,
      {none, report, report}, /*SecondsToWait=*/300, /*MemoryLimit=*/0,
      &message);
  auto said = llvm::MemoryBuffer::getFile(log);
  if (!said)
    return llvm::createStringError("expected to read " + log.str() + ": " +
                                   said.getError().message());
  if (code != 0)
    return llvm::createStringError(
        "expected " + *ptxas + " to take the code, got status " +
        llvm::Twine(code) + " " + message + ": " + (*said)->getBuffer().trim());
  auto kernels = readPtxasReport((*said)->getBuffer());
  if (!kernels)
    return kernels.takeError();
  auto bytes = llvm::MemoryBuffer::getFile(cubin);
  if (!bytes)
    return llvm::createStringError("expected to read " + cubin.str() + ": " +
                                   bytes.getError().message());
  return AssembledKernels{(*bytes)->getBuffer().str(), std::move(*kernels)};
}

} // namespace fovea::gpu
