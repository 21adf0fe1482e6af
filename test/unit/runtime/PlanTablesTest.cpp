// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans: the tables that an update reads, makes and summarises.
#include "test/unit/runtime/Fixture.h"

#include <algorithm>

using namespace fovea::test;

namespace {

TEST(Plan, ReadsLengthsAndOffsets) {
  KernelOptions options;
  options.lengths = options.offsets = true;
  Loaded k(sumKernel(options), 2);
  Plan plan(k.kernel, 256, 4, 512);
  SumStep s(3, 20, 200, 31);
  Tensor lengths({3}, FOVEA_DTYPE_I32), offsets({3}, FOVEA_DTYPE_I32);
  int64_t len[3] = {200, 0, 17}, off[3] = {100, 0, -3};
  for (int i = 0; i < 3; ++i) {
    lengths.intAt(i) = int32_t(len[i]);
    offsets.intAt(i) = int32_t(off[i]);
  }
  s.table(lengths);
  s.table(offsets);
  auto update = [&] {
    return fovea_plan_update(plan, nullptr, s.data(), s.size());
  };
  ASSERT_FOVEA(update());
  // A snapshot: later changes are not seen.
  lengths.intAt(0) = 3;
  ASSERT_FOVEA(fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
  EXPECT_EQ(s.wrong(len, off), 0);
  lengths.intAt(0) = 201;
  EXPECT_REFUSED(FOVEA_INVALID,
                 "'lengths': expected lengths between 0 and 200 (the number of "
                 "keys), got 201 at 0",
                 update());
  lengths.intAt(0) = -1;
  EXPECT_REFUSED(FOVEA_INVALID, "got -1 at 0", update());
  lengths.intAt(0) = 200;
  offsets.intAt(1) = -21;
  EXPECT_REFUSED(FOVEA_INVALID, "'offsets': expected query offsets", update());
  offsets.intAt(1) = FOVEA_ABI_MAX_TOKENS - 19;
  EXPECT_REFUSED(
      FOVEA_INVALID,
      "'offsets': expected query offsets between -20 and 1073741804, "
      "got 1073741805 at 1",
      update());
  offsets.intAt(1) = 0;
  lengths.dl.data = nullptr;
  EXPECT_REFUSED(FOVEA_INVALID, "'lengths': expected data, got NULL", update());
}

TEST(Plan, RefusesTablesOutOfRange) {
  KernelOptions options;
  options.bounds = Function::BoundsEnds;
  Loaded k(sumKernel(options));
  Plan plan(k.kernel, 64, 1, 64);
  SumStep s(1, 16, 16, 16);
  Tensor ends({16}, FOVEA_DTYPE_I32, 16);
  s.table(ends);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  ends.intAt(3) = 17;
  EXPECT_REFUSED(FOVEA_INVALID,
                 "expected the tables of mask 'causal and window(%w)' to be in "
                 "range",
                 fovea_plan_update(plan, nullptr, s.data(), s.size()));
}

// Least and greatest of each block of entries, then of each block of blocks;
// the last ones are short. A later update sees what has changed.
TEST(Plan, SummarisesTheTablesThatMasksRead) {
  constexpr int64_t block = FOVEA_SUMMARY_BLOCK, n = block * block + 70;
  constexpr int64_t blocks = block + 2;
  KernelOptions options;
  options.bounds = Function::BoundsEnds;
  Loaded k(sumKernel(options));
  Plan plan(k.kernel, 64, 1, n);
  SumStep s(1, 16, n, 16);
  Tensor ends({n}, FOVEA_DTYPE_I32, 0);
  s.table(ends);
  for (int32_t step : {37, 101}) {
    for (int64_t i = 0; i < n; ++i)
      ends.intAt(i) = int32_t(i * step % n);
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
    fovea_mask_info info{};
    info.size = sizeof info;
    ASSERT_FOVEA(fovea_plan_mask(plan, 0, &info));
    ASSERT_NE(info.args->summaries, nullptr);
    EXPECT_EQ(info.args->summaries[0].data, nullptr); // of the query
    const fovea_abi_view &view = info.args->summaries[4];
    ASSERT_EQ(view.shape[0], blocks + 2);
    ASSERT_EQ(view.shape[1], 2);
    auto *numbers = static_cast<const int64_t *>(view.data);
    for (int64_t at = 0; at < blocks + 2; ++at) {
      int64_t size = at < blocks ? block : block * block;
      int64_t begin = (at < blocks ? at : at - blocks) * size;
      int64_t least = n, most = -1;
      for (int64_t i = begin; i < std::min(n, begin + size); ++i) {
        least = std::min<int64_t>(least, ends.intAt(i));
        most = std::max<int64_t>(most, ends.intAt(i));
      }
      EXPECT_EQ(numbers[at * view.stride[0]], least) << at;
      EXPECT_EQ(numbers[at * view.stride[0] + 1], most) << at;
    }
  }
}

/// A kernel whose plan makes and summarises the lineages of its last argument;
/// the mask takes that for the ends of the keys of each query, which parents
/// up to n can be.
BundleBuilder lineageKernel() {
  KernelOptions options;
  options.bounds = Function::BoundsEnds;
  BundleBuilder b = sumKernel(options);
  for (fovea_bundle_table_rule rule :
       {FOVEA_TABLE_LINEAGE, FOVEA_TABLE_LINEAGE_SIZE}) {
    uint32_t slot = b.kernels[0].n_views++;
    b.tables.push_back({rule, slot, /*source=*/4, -1});
    b.masks[0].summaries[b.masks[0].n_summaries++] = {slot, 0};
  }
  b.kernels[0].tables = {0, 2};
  return b;
}

// What the entries of lineages say of any two tokens is what the parents say.
TEST(Plan, NumbersTheLeavesOfTrees) {
  constexpr int64_t n = 700;
  BundleBuilder b = lineageKernel();
  Loaded k(b);
  Plan plan(k.kernel, 64, 1, n);
  SumStep s(1, 16, n, 16);
  Tensor parents({n}, FOVEA_DTYPE_I32, 0);
  s.table(parents);
  uint32_t random = 1;
  // A chain, leaves of one root, a spine with leaves, anything; at the end only
  // roots. Parents that come later, or are below 0, make roots.
  for (int shape = 0; shape < 5; ++shape) {
    for (int64_t i = 0; i < n; ++i) {
      random = random * 1664525 + 1013904223;
      int64_t any = i ? int64_t(random >> 8) % (i + 1) : 9;
      int64_t of[] = {i - 1, i ? 0 : -1, i % 2 ? i - 1 : i - 2, any, n - 1};
      parents.intAt(i) = int32_t(i == 300 ? -7 : of[shape]);
    }
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
    fovea_mask_info info{};
    info.size = sizeof info;
    ASSERT_FOVEA(fovea_plan_mask(plan, 0, &info));
    const fovea_bundle_table *tables = b.tables.data();
    auto *words =
        static_cast<const int32_t *>(info.args->views[tables[0].slot].data);
    auto *sizes =
        static_cast<const int8_t *>(info.args->views[tables[1].slot].data);
    for (int64_t q = 0; q < n; ++q) {
      std::vector<bool> lineage(n, false);
      for (int64_t t = q; t >= 0;) {
        lineage[size_t(t)] = true;
        int64_t parent = parents.intAt(t);
        t = parent < t ? parent : -1;
      }
      for (int64_t t = 0; t <= q; ++t) {
        constexpr int32_t below = (1 << 20) - 1;
        int32_t size = (words[t] >> 20) * 256 + sizes[t] + 128;
        int32_t from = (words[q] & below) - (words[t] & below);
        ASSERT_EQ(from >= 0 && from < size, lineage[size_t(t)])
            << shape << ": " << t << " of " << q;
      }
    }
  }
}

TEST(Plan, RefusesTreesOfTooManyLeaves) {
  constexpr int64_t most = (1 << 19) - 1, n = most + 2;
  Loaded k(lineageKernel());
  Plan plan(k.kernel, 64, 1, n);
  SumStep s(1, 16, n, 16);
  Tensor parents({n}, FOVEA_DTYPE_I32, 0); // of all but the first
  s.table(parents);
  EXPECT_REFUSED(FOVEA_INVALID, "at most 524287 leaves",
                 fovea_plan_update(plan, nullptr, s.data(), s.size()));
  parents.intAt(n - 1) = int32_t(n - 2); // one less
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
}

// A table that the plan makes of an argument is summarised by an update.
TEST(Plan, SummarisesLineages) {
  constexpr int64_t block = FOVEA_SUMMARY_BLOCK, n = 5 * block + 7;
  BundleBuilder b = lineageKernel();
  Loaded k(b);
  Plan plan(k.kernel, 64, 1, n);
  SumStep s(1, 16, n, 16);
  Tensor parents({n}, FOVEA_DTYPE_I32, 0);
  s.table(parents);
  for (int64_t back : {1, 3, 70}) {
    for (int64_t i = 0; i < n; ++i)
      parents.intAt(i) = int32_t(i % 5 ? i - back : i / 2 - 1);
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
    // A run takes those of the update, and leaves them alone.
    ASSERT_FOVEA(
        fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
    fovea_mask_info info{};
    info.size = sizeof info;
    ASSERT_FOVEA(fovea_plan_mask(plan, 0, &info));
    for (const fovea_bundle_table &made : b.tables) {
      const void *data = info.args->views[made.slot].data;
      auto entry = [&](int64_t i) -> int64_t {
        return made.rule == FOVEA_TABLE_LINEAGE
                   ? static_cast<const int32_t *>(data)[i]
                   : static_cast<const int8_t *>(data)[i];
      };
      const fovea_abi_view &view = info.args->summaries[made.slot];
      ASSERT_EQ(view.shape[0], 7); // 6 blocks and one of blocks
      ASSERT_EQ(view.shape[1], 2);
      auto *numbers = static_cast<const int64_t *>(view.data);
      for (int64_t at = 0; at < 7; ++at) {
        int64_t least = INT64_MAX, most = INT64_MIN;
        int64_t begin = at < 6 ? at * block : 0;
        for (int64_t i = begin; i < std::min(n, at < 6 ? begin + block : n);
             ++i) {
          least = std::min(least, entry(i));
          most = std::max(most, entry(i));
        }
        EXPECT_EQ(numbers[at * view.stride[0]], least) << at << made.rule;
        EXPECT_EQ(numbers[at * view.stride[0] + 1], most) << at << made.rule;
      }
    }
  }
}

} // namespace
