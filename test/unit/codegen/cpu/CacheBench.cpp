// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Development bench of the stages that write a cache: append and commit of one
// token over 32 layers of 8 heads of 128, best of N, one thread by its CPU
// time. `all`: int8 in pages of 16, new rows bf16; `recent`: those first stay
// in a ring of 64.
//
//   codegen_cpu_cache_bench [isa=4|3] [object=FILE]
#include "codegen/cpu/CacheStages.h"
#include "test/unit/codegen/cpu/LoadObject.h"
#include "test/unit/codegen/cpu/StageRunner.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include <time.h>

using namespace mlir;
using namespace fovea::cpu;

namespace {

constexpr int64_t kLayers = 32, kHeads = 8, kDim = 128;

double now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

/// One layer's pools: int8, ring, new.
struct Layer {
  Stored codes[2], scales[2], ring[2], fresh[2], rows[2];
  StageRunner runner;
};

} // namespace

int main(int argc, char **argv) {
  Isa isa = Isa::AVX512;
  std::string object;
  for (int i = 1; i < argc; ++i) {
    std::string option = argv[i];
    if (option == "isa=3")
      isa = Isa::AVX2;
    if (option.rfind("object=", 0) == 0)
      object = option.substr(7);
  }
  int64_t pages = 64, page = 16;
  std::vector<Layer> layers(kLayers);
  Stored table({1}, 4, 0), ranges({1, 8}, 8, 0);
  ranges.as<fovea_abi_range>()[0] = {0, 1, 0, 0, 0, {}};
  CacheSource all, recent, fresh;
  for (Layer &l : layers) {
    auto pool = [&](Stored &part, int64_t n, int64_t slots, int64_t dim,
                    unsigned bytes) {
      part = dim ? Stored({n, kHeads, slots, dim}, bytes, 1)
                 : Stored({n, kHeads, slots}, bytes, 1);
      return l.runner.add(part);
    };
    for (int i : {0, 1}) {
      unsigned codes = pool(l.codes[i], pages, page, kDim, 1);
      unsigned scales = pool(l.scales[i], pages, page, 0, 4);
      unsigned ring = pool(l.ring[i], 1, 64, kDim, 2);
      unsigned rows = pool(l.fresh[i], pages, page, kDim, 2);
      (i ? all.v : all.k) = codes;
      (i ? all.vScale : all.kScale) = int(scales);
      (i ? recent.v : recent.k) = ring;
      (i ? fresh.v : fresh.k) = rows;
      l.rows[i] = Stored({1, kHeads, kDim}, 2, 0x3f);
      for (int64_t j = 0; j < l.rows[i].size(); ++j)
        l.rows[i].put(Elem::BF16, j, float(j % 100) * 0.01f);
    }
    fresh.pages = all.pages = recent.pages = l.runner.add(table);
    fresh.ranges = all.ranges = recent.ranges = l.runner.add(ranges);
    l.runner.add(l.rows[0]);
    l.runner.add(l.rows[1]);
    l.runner.rowOffsets = {0, 1};
    l.runner.items.push_back({0, 0, 0, 0, 0, 1, 1, 0});
  }
  all.kElem = all.vElem = Elem::I8;
  recent.kElem = recent.vElem = fresh.kElem = fresh.vElem = Elem::BF16;
  all.pageTokens = fresh.pageTokens = page;
  recent.ring = 64;

  auto module = ModuleOp::create(UnknownLoc::get(&testContext()));
  OwningOpRef<ModuleOp> owner(module);
  AppendParams a;
  a.name = "append";
  MovesParams m;
  m.name = "moves";
  a.isa = m.isa = isa;
  a.heads = m.heads = kHeads;
  a.keyDim = a.valueDim = m.keyDim = m.valueDim = kDim;
  a.k = a.v = Elem::BF16;
  a.ragged = true;
  a.kSlot = unsigned(layers[0].runner.views.size()) - 2;
  a.vSlot = a.kSlot + 1;
  a.target = fresh;
  m.segments = {all, recent, fresh};
  BuiltStage append = buildAppend(module, a), moves = buildMoves(module, m);
  LoadedModule loaded(module, machineFor(isa));
  if (!object.empty())
    std::ofstream(object) << loaded.object;
  auto *appendFn = loaded.get<StageFn>("append");
  auto *movesFn = loaded.get<StageFn>("moves");
  std::vector<char> scratch(
      std::max(append.scratchBytes, moves.scratchBytes) + 64, 0);
  void *memory = reinterpret_cast<void *>(
      (reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64);

  auto time = [&](const char *name, std::vector<fovea_abi_move> list) {
    double best[2] = {1, 1};
    for (int rep = 0; rep < 2000; ++rep) {
      double spent[2] = {};
      for (int part : {0, 1}) {
        double t = now();
        for (Layer &l : layers) {
          fovea_abi_args args = {sizeof args, uint32_t(l.runner.views.size()),
                                 l.runner.views.data(), nullptr};
          fovea_abi_plan plan = {};
          plan.size = sizeof plan;
          plan.items = l.runner.items.data();
          plan.row_off = l.runner.rowOffsets.data();
          plan.moves = list.data();
          if (part == 0)
            appendFn(&args, &plan, 0, 1, memory);
          else
            movesFn(&args, &plan, 0, int64_t(list.size()), memory);
        }
        spent[part] = now() - t;
      }
      for (int part : {0, 1})
        best[part] = std::min(best[part], spent[part]);
    }
    printf("%s: append %.1f us, commit %.1f us, together %.1f us\n", name,
           best[0] * 1e6, best[1] * 1e6, (best[0] + best[1]) * 1e6);
  };
  time("all", {{2, 0, 0, 0, 5, 3}});
  time("recent", {{1, 0, 0, 9, 5, 3}, {2, 1, 0, 0, 0, 9}});
}
