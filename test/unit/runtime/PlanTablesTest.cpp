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
  offsets.intAt(1) = INT32_MAX;
  EXPECT_REFUSED(FOVEA_INVALID, "'offsets': expected query offsets", update());
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

// A table that the plan makes of an argument is summarised by an update, each
// of its columns.
TEST(Plan, SummarisesLineages) {
  constexpr int64_t block = FOVEA_SUMMARY_BLOCK, n = 5 * block + 7;
  KernelOptions options;
  options.bounds = Function::BoundsEnds;
  BundleBuilder b = sumKernel(options);
  uint32_t slot = b.kernels[0].n_views++;
  b.tables.push_back({FOVEA_TABLE_LINEAGE, slot, /*source=*/4, -1});
  b.kernels[0].tables = {0, 1};
  b.masks[0].summaries[b.masks[0].n_summaries++] = {slot, 0};
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
    const fovea_abi_view &table = info.args->views[slot];
    const fovea_abi_view &view = info.args->summaries[slot];
    ASSERT_EQ(view.shape[0], 7); // 6 blocks and one of blocks
    ASSERT_EQ(view.shape[1], 2);
    ASSERT_EQ(view.shape[2], 2);
    auto *entries = static_cast<const int32_t *>(table.data);
    auto *numbers = static_cast<const int64_t *>(view.data);
    for (int64_t at = 0; at < 7; ++at)
      for (int64_t column : {0, 1}) {
        int64_t least = n + 1, most = -1, begin = at < 6 ? at * block : 0;
        for (int64_t i = begin; i < std::min(n, at < 6 ? begin + block : n);
             ++i) {
          int64_t x = entries[i * table.stride[0] + column * table.stride[1]];
          least = std::min(least, x);
          most = std::max(most, x);
        }
        const int64_t *pair =
            numbers + at * view.stride[0] + column * view.stride[1];
        EXPECT_EQ(pair[0], least) << at << ' ' << column;
        EXPECT_EQ(pair[1], most) << at << ' ' << column;
      }
  }
}

} // namespace
