// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Segments by tables of boundaries: what the functions that planner and kernels
// call make of any table, and which tables an update refuses.
#include "test/e2e/CallTensor.h"
#include "test/e2e/Compiled.h"

#include <fovea/inspect.h>
#include <fovea/runtime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

using namespace fovea;
using namespace fovea::e2e;

namespace {

constexpr int64_t kMost = 48;

/// A kernel of documents by batch, planned for two sequences of kMost tokens.
class SegmentTable : public testing::Test {
protected:
  void SetUp() override {
    auto result = Compiled::compile(R"(
      !q = tensor<?x2x?x16xf32>
      func.func @segments(%q: !q, %k: !q, %v: !q, %cu: tensor<?x?xi32>) -> !q
          attributes {attn.kernel} {
        %o = attn.attention %q, %k, %v
            mask(documents(cu_seqlens(%cu : tensor<?x?xi32>)))
            : (!q, !q, !q) -> !q
        return %o : !q
      })",
                                    "segments", runnableTargets().front());
    ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
    compiled.emplace(std::move(*result));
    fovea_plan_limits limits = {};
    limits.size = sizeof limits;
    limits.seqs = 2;
    limits.rows = 2 * kMost;
    limits.max_len = kMost;
    ASSERT_FOVEA(fovea_plan_create(compiled->kernel(), &limits, &plan));
  }
  void TearDown() override { fovea_plan_destroy(plan); }

  /// Plans `b` sequences of `n` tokens with `m` boundaries each.
  fovea_status update(int64_t b, int64_t n, int64_t m,
                      std::vector<int32_t> &cu) {
    HostTensor rows(FOVEA_DTYPE_F32, {b, 2, n, 16});
    int64_t shape[] = {b, m};
    DLTensor table = {cu.data(), {kDLCPU, 0}, 2, {kDLInt, 32, 1},
                      shape,     nullptr,     0};
    DLTensor tensor = rows.view(); // only shapes count
    fovea_value args[5] = {};
    for (fovea_value &arg : args) {
      arg.kind = FOVEA_TENSOR;
      arg.u.tensor = &arg == &args[3] ? &table : &tensor;
    }
    return fovea_plan_update(plan, nullptr, args, 5);
  }

  std::optional<Compiled> compiled;
  fovea_plan *plan = nullptr;
};

} // namespace

/// Thousands of small tables: empty segments, tokens before the first and
/// behind the last boundary, no boundary or one. Nothing live is skipped,
/// nothing hidden is called full, and no tile without a live pair is run.
TEST_F(SegmentTable, AgreesWithCounts) {
  std::mt19937 random(5);
  auto below = [&](int64_t n) { return int64_t(random() % uint64_t(n)); };
  int64_t wrong = 0, full = 0, empty = 0;
  for (int round = 0; round < 3000; ++round) {
    int64_t b = 1 + below(2), n = 1 + below(kMost), m = below(kMost + 2);
    std::vector<int32_t> cu(size_t(b * m));
    bool tight = below(2);
    for (int32_t &boundary : cu)
      boundary = int32_t(tight ? below(n + 1) : below(3 * n + 4) - n);
    for (int64_t s = 0; s < b; ++s)
      std::sort(cu.begin() + s * m, cu.begin() + (s + 1) * m);
    ASSERT_FOVEA(update(b, n, m, cu));
    fovea_mask_info mask = {};
    mask.size = sizeof mask;
    ASSERT_FOVEA(fovea_plan_mask(plan, 0, &mask));
    auto segmentOf = [&](int64_t s, int64_t token) {
      int64_t count = 0;
      for (int64_t i = 0; i < m; ++i)
        count += cu[size_t(s * m + i)] <= token;
      return count == m ? 0 : count; // 0: none
    };
    for (int64_t s = 0; s < b; ++s) {
      auto sees = [&](int64_t i, int64_t j) {
        int64_t own = segmentOf(s, i);
        return own && own == segmentOf(s, j);
      };
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j)
          wrong += mask.keep(mask.args, s, 0, i, j, n) != sees(i, j);
      for (int64_t i = 0; i < n; i += 6) {
        int64_t i1 = std::min(i + 6, n);
        fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
        int32_t found = mask.bounds(mask.args, s, 0, i, i1, n, runs);
        for (int64_t j = 0; j < n; j += 5) {
          int64_t j1 = std::min(j + 5, n), count = 0;
          for (int64_t x = i; x < i1; ++x)
            for (int64_t y = j; y < j1; ++y) {
              count += sees(x, y);
              bool inRun = false;
              for (int32_t r = 0; r < found; ++r)
                inRun |= runs[r].lo <= y && y < runs[r].hi;
              wrong += sees(x, y) && !inRun;
            }
          int32_t kind = mask.classify(mask.args, s, 0, i, i1, j, j1, n);
          wrong += (kind == FOVEA_TILE_EMPTY) != (count == 0);
          wrong += (kind == FOVEA_TILE_FULL) != (count == (i1 - i) * (j1 - j));
          full += kind == FOVEA_TILE_FULL;
          empty += kind == FOVEA_TILE_EMPTY;
        }
      }
    }
    ASSERT_EQ(wrong, 0) << "round " << round;
  }
  EXPECT_GT(full, 300);
  EXPECT_GT(empty, 10000);
}

TEST_F(SegmentTable, RefusesBoundariesThatDescend) {
  std::vector<int32_t> cu = {0, 5, 9, 0, 7, 6};
  EXPECT_EQ(update(2, 9, 3, cu), FOVEA_INVALID);
  EXPECT_STREQ(fovea_message(),
               "kernel 'segments': expected the boundaries in 'cu' to ascend, "
               "got 7 and 6 at 1 and 2 of row 1");
  cu = {0, 5, 9, -2147483647, 7, 2147483647};
  ASSERT_FOVEA(update(2, 9, 3, cu));
}

/// A sequence has at most a boundary more than tokens, if limits say nothing.
TEST_F(SegmentTable, RefusesMoreBoundariesThanLimits) {
  std::vector<int32_t> cu(kMost + 2, 0);
  EXPECT_EQ(update(1, 9, kMost + 2, cu), FOVEA_INVALID);
  EXPECT_STREQ(fovea_message(),
               "kernel 'segments': expected dim 'cu_1' to be at most 49 (the "
               "plan's capacity), got 50");
}
