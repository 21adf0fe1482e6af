// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How long the JIT takes: spec text -> bundle that can be called, cold (nothing
// cached, libraries loaded, every call with a context of its own) and from the
// disk cache, and what the cold time is made of. For whoever changes a pass.
//
//   jit_time [SPEC.mlir [KEY=VALUE...]]     default: bench/specs/causal.mlir
#include "codegen/jit/Compiler.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <fovea/jit.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

using namespace fovea;

static constexpr int repetitions = 20;

static double nowMs() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch())
      .count();
}

/// Of all threads: what is left of a time when others use the machine.
static double cpuMs() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return double(t.tv_sec) * 1e3 + double(t.tv_nsec) * 1e-6;
}

static void print(const char *what, std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  std::printf("%-42s min %7.2f  median %7.2f ms\n", what, ms.front(),
              ms[ms.size() / 2]);
}

static void check(fovea_status status) {
  if (!status)
    return;
  std::fprintf(stderr, "%s: %s\n", fovea_status_name(status), fovea_message());
  std::exit(1);
}

/// Through the compiler's own interface, which tells the phases.
static void timePhases(const std::string &text, CompileOptions options,
                       const char *what) {
  std::vector<double> total, cpu;
  CompileTimes best;
  for (int i = 0; i <= repetitions; ++i) {
    double start = nowMs(), startCpu = cpuMs();
    CompileResult result =
        compileSpec(text, "spec", options, [](const Diagnostic &d) {
          if (d.severity == FOVEA_SEVERITY_ERROR)
            std::fprintf(stderr, "%s\n", toString(d).c_str());
        });
    if (result.status != CompileStatus::Ok)
      std::exit(1);
    double ms = nowMs() - start;
    if (i == 0)
      continue; // warms up
    cpu.push_back(cpuMs() - startCpu);
    if (total.empty() || ms < *std::min_element(total.begin(), total.end()))
      best = result.times;
    total.push_back(ms);
  }
  print(what, total);
  print("    CPU time", cpu);
  std::printf("    of the fastest:");
  for (auto [name, seconds] :
       {std::pair("context", best.context), std::pair("parse", best.parse),
        std::pair("passes", best.passes), std::pair("emit", best.emit),
        std::pair("machine", best.machine), std::pair("write", best.write)})
    std::printf(" %s %.2f", name, seconds * 1e3);
  std::printf("\n");
}

/// Through the runtime, as an engine does it.
static void timeApi(const std::string &text,
                    const std::vector<const char *> &defines, const char *cache,
                    const char *what) {
  fovea_options open{};
  open.size = sizeof open;
  check(fovea_executor_serial(&open.exec));
  fovea_ctx *ctx = nullptr;
  check(fovea_open(FOVEA_API, &open, &ctx));
  fovea_jit_info info{};
  info.size = sizeof info;
  fovea_jit_options jit{};
  jit.size = sizeof jit;
  jit.n_defines = int32_t(defines.size());
  jit.defines = defines.data();
  jit.cache_dir = cache;
  jit.info = &info;
  std::vector<double> total;
  for (int i = 0; i <= repetitions; ++i) {
    fovea_bundle *bundle = nullptr;
    fovea_kernel *kernel = nullptr;
    double start = nowMs();
    check(fovea_jit_compile(ctx, "spec", text.data(), text.size(), &jit,
                            &bundle));
    check(fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel));
    double ms = nowMs() - start;
    fovea_kernel_release(kernel);
    fovea_bundle_close(bundle);
    if (i == 0)
      continue; // loads the libraries, fills the cache
    if (bool(info.cache_hit) != (*cache != 0)) {
      std::fprintf(stderr, "expected the cache to %s\n",
                   *cache ? "hit" : "be off");
      std::exit(1);
    }
    total.push_back(ms);
  }
  print(what, total);
  fovea_close(ctx);
}

int main(int argc, char **argv) {
  const char *path =
      argc > 1 ? argv[1] : FOVEA_SOURCE_DIR "/bench/specs/causal.mlir";
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file) {
    std::fprintf(stderr, "cannot read '%s'\n", path);
    return 1;
  }
  std::string text = (*file)->getBuffer().str();
  std::vector<const char *> defines(argv + std::min(argc, 2), argv + argc);

  CompileOptions options;
  auto targets = resolveTargets("host");
  if (!targets) {
    std::fprintf(stderr, "%s\n", toString(targets.takeError()).c_str());
    return 1;
  }
  options.targets = *targets;
  options.defines.assign(defines.begin(), defines.end());
  options.threads = 1;
  timePhases(text, options, "all variants, 1 thread");
  options.threads = 2;
  timePhases(text, options, "all variants, 2 threads");
  timeApi(text, defines, "", "fovea_jit_compile, cold");
  llvm::SmallString<128> cache;
  if (llvm::sys::fs::createUniqueDirectory("fovea-jit-time", cache))
    return 1;
  timeApi(text, defines, cache.c_str(),
          "fovea_jit_compile, from the disk cache");
  return bool(llvm::sys::fs::remove_directories(cache));
}
