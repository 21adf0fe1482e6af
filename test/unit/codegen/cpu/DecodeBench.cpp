// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Development bench of the decode stage alone: keys and values larger than
// the caches, one item per KV head, as a share of the read bandwidth that a
// plain sum reaches on the same memory in the same run, best of N, one thread
// by its CPU time. `fovea bench` is the one to quote.
//
//   codegen_cpu_decode_bench [format=bf16] [d=128] [group=4] [mb=1024]
//              [layout=plain|head|token|paged16|ring] [kvheads=8]
//              [isa=4|3] [keys=16] [prefetch=7] [dot=1] [vnni=0] [reps=7]
//              [asm=FILE]
//
// plain: tensors; the others: sequences of a cache, in pages in a random order,
// or a ring that has wrapped.
#include "codegen/cpu/DecodeStream.h"
#include "codegen/cpu/LowerToLLVM.h"

#include <fovea/abi.h>

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <time.h>

using namespace fovea::cpu;

static double clockNow(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static char *allocate(size_t bytes) {
  void *p = mmap(nullptr, bytes + (2 << 20), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    abort();
  auto at = (reinterpret_cast<uintptr_t>(p) + (2 << 20) - 1) & -(2l << 20);
  madvise(reinterpret_cast<void *>(at), bytes, MADV_HUGEPAGE);
  return reinterpret_cast<char *>(at);
}

/// Sums the memory with as many independent chains as hide the latency, and
/// with prefetches, without which some processors reach less.
__attribute__((target("avx2"))) static uint64_t readAll(const char *p,
                                                        size_t bytes) {
  typedef uint64_t Lane __attribute__((vector_size(32), aligned(8)));
  Lane sum[8] = {};
  for (size_t i = 0; i + 256 <= bytes; i += 256)
    for (int j = 0; j < 8; ++j) {
      if (j % 2 == 0)
        __builtin_prefetch(p + i + 32 * j + 4096);
      sum[j] += *reinterpret_cast<const Lane *>(p + i + 32 * j);
    }
  uint64_t total = 0;
  for (Lane &lane : sum)
    total += lane[0] + lane[1] + lane[2] + lane[3];
  return total;
}

int main(int argc, char **argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i < argc; ++i) {
    std::string s = argv[i];
    size_t at = s.find('=');
    if (at != std::string::npos)
      options[s.substr(0, at)] = s.substr(at + 1);
  }
  auto number = [&](const char *name, long fallback) {
    return options.count(name) ? atol(options[name].c_str()) : fallback;
  };
  std::string format = options.count("format") ? options["format"] : "bf16";
  Elem elem = format == "f32"    ? Elem::F32
              : format == "f16"  ? Elem::F16
              : format == "bf16" ? Elem::BF16
                                 : Elem::I8;
  int64_t d = number("d", 128), group = number("group", 4);
  int64_t tokens = number("tokens", 4096);
  std::string layout = options.count("layout") ? options["layout"] : "plain";
  bool plain = layout == "plain", tokenMajor = layout == "token";
  int64_t kvHeads = number("kvheads", 8);
  int64_t page = layout.rfind("paged", 0) == 0 ? atol(layout.c_str() + 5) : 0;
  int64_t pageTokens = page ? page : tokens;
  int64_t ring = layout == "ring" ? tokens : 0;
  // The parts of a page: keys, their scales, values, their scales; as apart as
  // a cache puts them.
  bool coded = elem == Elem::I8;
  size_t codeBytes = kvHeads * pageTokens * d * sizeOf(elem);
  size_t scaleBytes = coded ? (kvHeads * pageTokens * 4 + 63) / 64 * 64 : 0;
  size_t gap =
      tokenMajor ? std::min<size_t>(kvHeads * d * sizeOf(elem) / 2, 2048) : 0;
  size_t pageBytes = 2 * (codeBytes + scaleBytes) + 2 * gap;
  size_t place[] = {0, codeBytes, codeBytes + scaleBytes + gap,
                    2 * codeBytes + scaleBytes + gap};
  int64_t perSequence = tokens / pageTokens;
  int64_t batch =
      (size_t(number("mb", 1024)) << 20) / (perSequence * pageBytes);
  int64_t heads = batch * kvHeads, pages = batch * perSequence;
  size_t bytes = pages * pageBytes;

  char *pool = allocate(bytes);
  uint32_t seed = 1;
  auto random = [&] {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
  };
  for (size_t i = 0; i < bytes; i += 4) {
    uint32_t word = random() << 8 ^ random();
    if (elem == Elem::F16)
      word = (word & 0x83ff83ff) | 0x34003400; // +-0.25 .. 0.5
    else if (elem == Elem::BF16)
      word = (word & 0x807f807f) | 0x3e803e80;
    else if (elem == Elem::F32)
      word = (word & 0x807fffff) | 0x3e800000;
    memcpy(pool + i, &word, 4);
  }
  for (int64_t i = 0; coded && i < pages; ++i)
    for (int part : {1, 3})
      for (int64_t j = 0; j < kvHeads * pageTokens; ++j)
        reinterpret_cast<float *>(pool + i * pageBytes + place[part])[j] =
            0.004f;
  std::vector<int32_t> table(pages);
  for (int64_t i = 0; i < pages; ++i)
    table[i] = int32_t(i);
  for (int64_t i = pages - 1; page && i > 0; --i)
    std::swap(table[i], table[random() % (i + 1)]);
  int64_t first = ring ? tokens / 2 + 3 : 0;
  std::vector<fovea_abi_range> ranges;
  for (int64_t b = 0; b < batch; ++b)
    ranges.push_back({first, first + tokens, 0, b * perSequence, 0, {}});
  std::vector<uint16_t> q(heads * group * d, 0x3e80), o(heads * group * d);

  DecodeParams p;
  p.name = "decode";
  p.isa = number("isa", 4) == 4 ? Isa::AVX512 : Isa::AVX2;
  p.vnni = number("vnni", 0);
  p.keyDim = p.valueDim = d;
  p.q = p.o = Elem::BF16;
  p.k = p.v = elem;
  p.scale = 1 / std::sqrt(float(d));
  p.group = p.kvGroup = p.rows = group;
  p.keys = number("keys", 16);
  p.prefetchV = number("prefetch", 7) & 1;
  p.prefetchNext = number("prefetch", 7) & 2;
  p.prefetchFar = number("prefetch", 7) & 4;
  p.integerDot = elem == Elem::I8 && number("dot", 1);
  p.qSlot = 0;
  p.oSlot = 1;
  if (plain) {
    KeySource source;
    source.k = 2;
    source.v = 4;
    if (coded) {
      source.kScale = 3;
      source.vScale = 5;
    }
    p.sources.push_back(source);
  } else {
    CacheSource source;
    source.k = 2;
    source.v = 4;
    source.kElem = source.vElem = elem;
    if (coded) {
      source.kScale = 3;
      source.vScale = 5;
    }
    source.pages = 6;
    source.ranges = 7;
    source.pageTokens = page;
    source.ring = ring;
    p.segments = {source};
    p.ragged = true;
  }

  mlir::DialectRegistry registry;
  registerCPUDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  MachineTarget target{p.isa == Isa::AVX512 ? "x86-64-v4" : "x86-64-v3",
                       p.vnni ? "+avx512vnni" : ""};
  auto build = [&](MachineOutput output, BuiltStage &stage) {
    auto begin = std::chrono::steady_clock::now();
    auto module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
    stage = buildDecodeStream(module, p);
    if (failed(mlir::verify(module)))
      exit(1);
    auto code = cantFail(compileModule(module, target, output));
    std::chrono::duration<double> t = std::chrono::steady_clock::now() - begin;
    fprintf(stderr, "built in %.0f ms\n", t.count() * 1e3);
    return std::string(code.begin(), code.end());
  };
  BuiltStage stage;
  if (options.count("asm"))
    std::ofstream(options["asm"]) << build(MachineOutput::Assembly, stage);
  std::string object = build(MachineOutput::Object, stage);
  auto jit = cantFail(llvm::orc::LLJITBuilder().create());
  cantFail(jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(object)));
  auto fn = cantFail(jit->lookup("decode")).toPtr<fovea_stage_fn>();

  fovea_abi_view views[8] = {};
  auto part = [&](int i, int64_t row, int64_t size) {
    fovea_abi_view w = {pool + place[i], {pages, kvHeads, pageTokens, row}, {}};
    w.stride[0] = int64_t(pageBytes) / size;
    w.stride[1] = tokenMajor ? row : pageTokens * row;
    w.stride[2] = tokenMajor ? kvHeads * row : row;
    w.stride[3] = 1;
    return w;
  };
  int64_t all = kvHeads * group;
  for (int i : {0, 1})
    views[i] = {i ? o.data() : q.data(), {batch, all, d}, {all * d, d, 1}};
  if (plain)
    for (int i : {0, 1})
      views[i] = {
          i ? o.data() : q.data(), {batch, all, 1, d}, {all * d, d, d, 1}};
  for (int i : {0, 2})
    views[2 + i] = part(i, d, sizeOf(elem));
  for (int i : {1, 3})
    views[2 + i] = part(i, 1, 4);
  views[6] = {table.data(), {pages}, {1}};
  views[7] = {ranges.data(), {batch, 8}, {8, 1}};
  fovea_abi_args args = {sizeof args, 8, views, nullptr};
  std::vector<fovea_abi_item> items;
  for (int32_t b = 0; b < batch; ++b)
    for (int32_t h = 0; h < kvHeads; ++h)
      items.push_back({b, h, 0, -1, first, first + tokens, 0, 0});
  int64_t symbols[] = {1};
  std::vector<int64_t> offset(batch, first + tokens - 1),
      length(batch, first + tokens), rows;
  for (int64_t b = 0; b <= batch; ++b)
    rows.push_back(b);
  fovea_abi_plan plan = {};
  plan.size = sizeof plan;
  plan.items = items.data();
  plan.n_items = heads;
  plan.symbols = symbols;
  plan.q_off = offset.data();
  plan.k_len = length.data();
  plan.row_off = rows.data();
  char *scratch[2] = {allocate(stage.scratchBytes),
                      allocate(stage.scratchBytes)};

  double total = bytes;
  volatile uint64_t sink = 0;
  auto run = [&](int i, int threads) {
    fn(&args, &plan, heads * i / threads, heads * (i + 1) / threads,
       scratch[i]);
  };
  auto read = [&](int i, int threads) {
    size_t from = bytes / threads * i, n = bytes / threads;
    sink = sink + readAll(pool + from, n);
  };
  double speed[3] = {}, bandwidth[3] = {};
  auto time = [&](auto &&work, int threads) {
    clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    double t = clockNow(clock);
    if (threads == 1) {
      work(0, 1);
    } else {
      std::thread other([&] { work(1, 2); });
      work(0, 2);
      other.join();
    }
    return clockNow(clock) - t;
  };
  for (int rep = 0; rep < number("reps", 7); ++rep)
    for (int threads = 1; threads <= number("threads", 2); ++threads) {
      speed[threads] = std::max(speed[threads], total / time(run, threads));
      bandwidth[threads] =
          std::max(bandwidth[threads], total / time(read, threads));
    }
  // One head alone, from the caches: what the arithmetic takes.
  double inCache = 1e9;
  for (int rep = 0; rep < 30; ++rep) {
    double t = clockNow(CLOCK_THREAD_CPUTIME_ID);
    fn(&args, &plan, 0, 1, scratch[0]);
    inCache = std::min(inCache, clockNow(CLOCK_THREAD_CPUTIME_ID) - t);
  }
  printf("%s %s d=%ld group=%ld v%ld kv=%.0f MB:", format.c_str(),
         layout.c_str(), long(d), long(group), number("isa", 4), total / 1e6);
  for (int threads = 1; threads <= number("threads", 2); ++threads)
    printf("  %dT %.1f GB/s = %.0f%% of %.1f", threads, speed[threads] / 1e9,
           100 * speed[threads] / bandwidth[threads], bandwidth[threads] / 1e9);
  printf("  ns/token/head 1T %.1f 2T %.1f in cache %.1f\n",
         total / speed[1] * 1e9 / (heads * tokens),
         speed[2] ? total / speed[2] * 1e9 / (heads * tokens) : 0.0,
         inCache * 1e9 / tokens);
}
