// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Trees by tables of parents: what the plan makes of any table, against walks.
#include "test/e2e/CallTensor.h"
#include "test/e2e/Compiled.h"

#include <fovea/inspect.h>
#include <fovea/runtime.h>
#include <gtest/gtest.h>

#include <random>

using namespace fovea;
using namespace fovea::e2e;

/// Thousands of small tables of parents, most of them with entries that are no
/// parents: the functions that planner and kernels call against walks.
TEST(TreeTable, AgreesWithWalks) {
  auto compiled = Compiled::compile(R"(
    !q = tensor<?x2x?x16xf32>
    func.func @tree(%q: !q, %k: !q, %v: !q, %parents: tensor<?x?xi32>) -> !q
        attributes {attn.kernel} {
      %o = attn.attention %q, %k, %v mask(tree(%parents : tensor<?x?xi32>))
          : (!q, !q, !q) -> !q
      return %o : !q
    })",
                                    "tree", runnableTargets().front());
  ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
  fovea_plan_limits limits = {};
  limits.size = sizeof limits;
  limits.seqs = 2;
  limits.rows = 2 * 48;
  limits.max_len = 48;
  fovea_plan *plan = nullptr;
  ASSERT_FOVEA(fovea_plan_create(compiled->kernel(), &limits, &plan));
  std::mt19937 random(3);
  auto below = [&](int64_t n) { return int64_t(random() % uint64_t(n)); };
  int64_t wrong = 0, full = 0, empty = 0;
  for (int round = 0; round < 3000; ++round) {
    int64_t b = 1 + below(2), n = 1 + below(48);
    HostTensor rows(FOVEA_DTYPE_F32, {b, 2, n, 16});
    std::vector<int32_t> parents(size_t(b * n));
    for (int64_t i = 0; i < b * n; ++i) {
      int64_t own = i % n, pick = below(8);
      parents[size_t(i)] = int32_t(pick < 4   ? own - 1
                                   : pick < 6 ? below(own + 1) - 1
                                   : pick < 7 ? own + below(n)
                                              : int64_t(int32_t(random())));
    }
    int64_t shape[] = {b, n};
    DLTensor table = {parents.data(), {kDLCPU, 0}, 2, {kDLInt, 32, 1},
                      shape,          nullptr,     0};
    DLTensor tensor = rows.view(); // only shapes count
    fovea_value args[5] = {};
    for (fovea_value &arg : args) {
      arg.kind = FOVEA_TENSOR;
      arg.u.tensor = &arg == &args[3] ? &table : &tensor;
    }
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, args, 5));
    fovea_mask_info mask = {};
    mask.size = sizeof mask;
    ASSERT_FOVEA(fovea_plan_mask(plan, 0, &mask));
    std::vector<char> live(size_t(b * n * n));
    auto sees = [&](int64_t s, int64_t i, int64_t j) -> char & {
      return live[size_t((s * n + i) * n + j)];
    };
    for (int64_t s = 0; s < b; ++s)
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t at = i, next; at >= 0; at = next) {
          sees(s, i, at) = 1;
          next = parents[size_t(s * n + at)];
          next = next < at ? next : -1;
        }
        for (int64_t j = 0; j < n; ++j)
          wrong += mask.keep(mask.args, s, 0, i, j, n) != sees(s, i, j);
      }
    for (int64_t s = 0; s < b; ++s)
      for (int64_t i = 0; i < n; i += 6) {
        int64_t i1 = std::min(i + 6, n);
        fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
        int32_t found = mask.bounds(mask.args, s, 0, i, i1, n, runs);
        for (int64_t j = 0; j < n; j += 5) {
          int64_t j1 = std::min(j + 5, n), count = 0;
          for (int64_t x = i; x < i1; ++x)
            for (int64_t y = j; y < j1; ++y) {
              count += sees(s, x, y);
              bool inRun = false;
              for (int32_t r = 0; r < found; ++r)
                inRun |= runs[r].lo <= y && y < runs[r].hi;
              wrong += sees(s, x, y) && !inRun;
            }
          int32_t kind = mask.classify(mask.args, s, 0, i, i1, j, j1, n);
          bool isFull = count == (i1 - i) * (j1 - j);
          wrong += kind == FOVEA_TILE_EMPTY && count;
          wrong += kind == FOVEA_TILE_FULL && !isFull;
          full += kind == FOVEA_TILE_FULL;
          empty += kind == FOVEA_TILE_EMPTY;
        }
      }
    ASSERT_EQ(wrong, 0) << "round " << round;
  }
  EXPECT_GT(full, 300);
  EXPECT_GT(empty, 10000);
  fovea_plan_destroy(plan);
}
