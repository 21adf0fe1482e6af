// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans over caches: batches, ragged rows, stale plans, shared prefixes.
#include "test/unit/runtime/Serving.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <set>
#include <thread>

using namespace fovea::test;

namespace {

fovea_stats statsOf(fovea_plan *plan, int phase = -1) {
  fovea_stats stats{};
  stats.size = sizeof stats;
  EXPECT_EQ(fovea_plan_stats(plan, phase, &stats), FOVEA_OK) << fovea_message();
  return stats;
}

fovea_phase_info phaseOf(fovea_plan *plan, int phase) {
  fovea_phase_info info{};
  info.size = sizeof info;
  EXPECT_EQ(fovea_plan_phase(plan, phase, &info), FOVEA_OK) << fovea_message();
  return info;
}

fovea_phase_info partOf(fovea_plan *plan, int phase, int part) {
  fovea_phase_info info{};
  info.size = sizeof info;
  EXPECT_EQ(fovea_plan_part(plan, phase, part, &info), FOVEA_OK)
      << fovea_message();
  return info;
}

enum { Append = 0, Attend = 1, Combine = 2 }; // phases of servingKernel

TEST(Serving, PrefillsChunksAndDecodes) {
  for (CacheKind kind : {CacheKind::Plain, CacheKind::Rich})
    for (int64_t page : {0, 1, 4, 16}) {
      if (kind == CacheKind::Rich && page == 0)
        continue; // it keeps metadata per page
      SCOPED_TRACE(page);
      ServingOptions options;
      options.kind = kind;
      options.shape.page = page;
      Serving s(options);
      s.window = kind == CacheKind::Rich ? 1 << 20 : 100;
      s.begin(7);
      s.begin(3);
      s.begin(11);
      s.step({{7, 37}});
      s.step({{7, 1}, {3, 60}});
      s.step({{3, 1}, {7, 1}, {11, 5}});
      s.step({{11, 2}, {3, 30}, {7, 1}});
      if (kind == CacheKind::Plain) // sums are exact there only
        for (int i = 0; i < 5; ++i) {
          s.commit(3);
          s.step({{3, 1}, {7, 3}, {11, 1}});
        }
    }
}

TEST(Serving, RunsTwoVariantsInOnePhase) {
  Serving s;
  for (uint64_t seq = 0; seq < 6; ++seq) {
    s.begin(seq);
    s.step({{seq, 40}});
  }
  s.prepare({{0, 1}, {1, 1}, {2, 100}, {3, 2}, {4, 1}, {5, 1}});
  ASSERT_FOVEA(s.update());
  fovea_phase_info all = phaseOf(s.plan, Attend);
  ASSERT_EQ(all.n_parts, 2);
  fovea_phase_info many = partOf(s.plan, Attend, 0);
  fovea_phase_info few = partOf(s.plan, Attend, 1);
  // The part with the longest items first.
  EXPECT_STREQ(many.variant, "many");
  EXPECT_STREQ(few.variant, "few");
  EXPECT_EQ(many.n_items, 2 * 13); // heads x ceil(100 x 2 / 16)
  EXPECT_EQ(few.n_items, 2 * 5);
  EXPECT_EQ(many.n_items + few.n_items, all.n_items);
  EXPECT_EQ(many.items, all.items);
  EXPECT_EQ(few.items, all.items + many.n_items);
  EXPECT_GE(many.cost_longest, few.cost_longest);
  EXPECT_REFUSED(FOVEA_INVALID, "a part below 2, got 2",
                 fovea_plan_part(s.plan, Attend, 2, &all));
  for (int64_t i = 0; i < many.n_items; ++i)
    EXPECT_EQ(many.items[i].b, 2);
  fovea_stats stats = statsOf(s.plan, Attend);
  EXPECT_EQ(stats.items, all.n_items);
  ASSERT_FOVEA(fovea_plan_counters(s.plan, nullptr, 1));
  // Any pieces of the index space, also across the parts.
  for (int phase = 0; phase < fovea_plan_phases(s.plan); ++phase)
    for (int64_t n = fovea_plan_items(s.plan, phase), i = 0; i < n; i += 7)
      ASSERT_FOVEA(fovea_run_items(s.plan, 0, phase, i, std::min(i + 7, n), 0,
                                   s.args.data(), int(s.args.size()),
                                   s.workspace));
  EXPECT_EQ(s.wrong(), 0);
  fovea_counters counters{};
  counters.size = sizeof counters;
  ASSERT_FOVEA(fovea_plan_counters(s.plan, &counters, 0));
  EXPECT_EQ(counters.items, all.n_items);
  // With several workers.
  ServingLimits limits;
  limits.workers = 3;
  Serving t({}, limits);
  t.begin(1);
  t.begin(2);
  t.step({{1, 200}});
  t.step({{2, 1}, {1, 300}});
  t.step({{2, 100}, {1, 1}});
}

} // namespace
