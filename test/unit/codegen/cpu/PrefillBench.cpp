// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Development benchmark of the prefill stream: share of the FMA peak, both
// measured in turns on this thread's CPU time. Not part of the tests.
//   codegen_cpu_prefill_bench v4 f32 D SQ SK [dense|causal|window=N]
//       [keys=96] [rows=128] [reg=12] [lanes=32] [heads=1] [convert] [matrix]
//       [asm=FILE]
#include "codegen/target/Target.h"
#include "test/unit/codegen/cpu/PrefillCase.h"

#include <ctime>
#include <immintrin.h>

using namespace fovea::cpu;

static double cpuTime() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

// GCC's vector extension keeps the loop free of the compiler's ideas.
#define PEAK(NAME, TARGET, TYPE, REG, LANES)                                   \
  __attribute__((noinline, target(TARGET))) static double NAME() {             \
    const long n = 200000;                                                     \
    TYPE a[12], x, y;                                                          \
    for (int i = 0; i < 12; ++i)                                               \
      for (int j = 0; j < LANES; ++j)                                          \
        ((float *)&a[i])[j] = 0.1f * i;                                        \
    for (int j = 0; j < LANES; ++j)                                            \
      ((float *)&x)[j] = 0.999f, ((float *)&y)[j] = 0.001f;                    \
    double t = cpuTime();                                                      \
    for (long k = 0; k < n; ++k)                                               \
      for (int i = 0; i < 12; ++i)                                             \
        asm volatile("vfmadd213ps %2, %1, %0"                                  \
                     : "+" REG(a[i])                                           \
                     : REG(x), REG(y));                                        \
    t = cpuTime() - t;                                                         \
    return 2.0 * LANES * 12 * n / t;                                           \
  }
PEAK(peak256, "avx2,fma", __m256, "x", 8)
PEAK(peak512, "avx512f", __m512, "v", 16)

int main(int argc, char **argv) {
  if (argc < 6) {
    fprintf(stderr, "expected: v3|v4 f32|f16|bf16|i8 D SQ SK [options]\n");
    return 2;
  }
  Isa isa = std::string(argv[1]) == "v4" ? Isa::AVX512 : Isa::AVX2;
  std::string format = argv[2];
  Elem elem = format == "f32"    ? Elem::F32
              : format == "f16"  ? Elem::F16
              : format == "bf16" ? Elem::BF16
                                 : Elem::I8;
  PrefillCase c;
  c.params = plainParams(isa, elem, atoi(argv[3]), atoi(argv[3]));
  c.sq = atoi(argv[4]), c.sk = atoi(argv[5]);
  int64_t window = -1;
  std::string asmFile;
  for (int i = 6; i < argc; ++i) {
    std::string s = argv[i];
    size_t eq = s.find('=');
    std::string key = s.substr(0, eq), value = s.substr(eq + 1);
    if (key == "causal")
      window = 0;
    else if (key == "window")
      window = stoi(value);
    else if (key == "keys")
      c.params.schedule.keys = stoi(value);
    else if (key == "rows")
      c.params.schedule.rows = stoi(value);
    else if (key == "reg")
      c.params.schedule.regRows = stoi(value);
    else if (key == "lanes")
      c.params.schedule.lanes = stoi(value);
    else if (key == "heads")
      c.kvHeads = stoi(value);
    else if (key == "convert")
      c.params.schedule.convert = true;
    else if (key == "matrix")
      c.params.schedule.matrix = true;
    else if (key == "tokens")
      c.tokenMajor = true;
    else if (key == "asm")
      asmFile = value;
  }
  if (c.params.schedule.matrix && !fovea::hostFeatures().lookup("amx-tile")) {
    fprintf(stderr, "expected a processor with AMX for 'matrix'\n");
    return 1;
  }
  auto prepare = [&](mlir::OpBuilder &b, StreamParams &p) {
    if (window >= 0)
      addCausal(b, p, window);
  };
  if (!asmFile.empty()) {
    auto module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&testContext()));
    mlir::OpBuilder b(&testContext());
    b.setInsertionPointToEnd(module.getBody());
    prepare(b, c.params);
    std::string reason;
    if (failed(buildPrefillStream(b, module.getLoc(), c.params, reason)))
      return 1;
    auto text = orDie(compileModule(module, machineFor(isa),
                                    asmFile.find(".ll") != std::string::npos
                                        ? MachineOutput::LLVMIR
                                        : MachineOutput::Assembly));
    FILE *f = fopen(asmFile.c_str(), "w");
    fwrite(text.data(), 1, text.size(), f);
    fclose(f);
    return 0;
  }
  std::mt19937 rng(1);
  c.allocate(rng);
  double t0 = cpuTime();
  PrefillKernel kernel(c.params, prepare);
  double build = cpuTime() - t0;
  if (!kernel.fn) {
    fprintf(stderr, "%s%s\n", kernel.reason.c_str(),
            kernel.loaded ? kernel.loaded->undefined.c_str() : "");
    return 1;
  }
  double best = 1e9, peak = 0;
  double total = 0;
  for (int i = 0; i < 200 && (i < 5 || total < 2.0); ++i) {
    peak = std::max(peak, isa == Isa::AVX512 ? peak512() : peak256());
    double t = cpuTime();
    c.run(kernel.fn, kernel.memory->get());
    t = cpuTime() - t;
    total += t;
    best = std::min(best, t);
  }
  std::vector<double> row;
  double err = 0, maxO = 0;
  auto keep = [&](int64_t, int64_t q, int64_t k) {
    return k <= q && (window <= 0 || q - k < window);
  };
  for (int64_t i = 0; i < c.sq; i += 97) {
    c.reference(0, 0, i, window < 0 ? Predicate() : Predicate(keep), {}, row);
    for (int64_t d = 0; d < c.params.valueDim; ++d) {
      err = std::max(err, std::abs(row[d] - c.o.get(0, 0, i, d)));
      maxO = std::max(maxO, std::abs(row[d]));
    }
  }
  double flops = 2.0 * c.counters.pairs * (c.params.keyDim + c.params.valueDim);
  printf("%s %-4s D=%-3s %sx%s: %8.3f ms  %6.1f GF  peak %6.1f  share %.3f  "
         "err/max %.1e  full %ld part %ld  build %.0f ms (cv %.0f tr %.0f opt "
         "%.0f cg %.0f) obj %zu\n",
         argv[1], argv[2], argv[3], argv[4], argv[5], best * 1e3,
         flops / best * 1e-9, peak * 1e-9, flops / best / peak, err / maxO,
         c.counters.tiles_full, c.counters.tiles_partial, build * 1e3,
         kernel.times.convert * 1e3, kernel.times.translate * 1e3,
         kernel.times.optimize * 1e3, kernel.times.codegen * 1e3,
         kernel.loaded->object.size());
  return 0;
}
