// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How long planning takes at 128K x 128K, and what summaries of tables change:
// the time, and nothing else.
#include "test/support/Times.h"
#include "test/unit/passes/analysis/MaskHarness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <random>

using namespace fovea;
using namespace fovea::masktest;

namespace {

const X q = var(Q), k = var(K);
constexpr int64_t kTokens = 131072, kTile = 64;

/// Cuts the runs of a query tile into classes as explain does: peels tiles
/// off both ends until the rest is of one class, then bisects.
struct Planner {
  const CompiledMask *mask;
  int64_t bounds = 0, classes = 0, partial = 0, full = 0, most = 0;
  bool classify = true;

  int classOf(int64_t q0, int64_t t0, int64_t t1) {
    ++classes;
    return mask->classify(0, q0, q0 + kTile, t0 * kTile,
                          std::min(t1 * kTile, kTokens), kTokens);
  }
  void cut(int64_t q0, int64_t t0, int64_t t1, int64_t peel) {
    if (t0 >= t1)
      return;
    int c = classOf(q0, t0, t1);
    if (c == FOVEA_TILE_FULL)
      full += t1 - t0;
    else if (c == FOVEA_TILE_PARTIAL && t1 - t0 == 1)
      ++partial;
    else if (c == FOVEA_TILE_PARTIAL && peel > 0 && t1 - t0 > 2) {
      cut(q0, t0, t0 + 1, 0);
      cut(q0, t0 + 1, t1 - 1, peel - 1);
      cut(q0, t1 - 1, t1, 0);
    } else if (c == FOVEA_TILE_PARTIAL) {
      int64_t middle = (t0 + t1) / 2;
      cut(q0, t0, middle, 0);
      cut(q0, middle, t1, 0);
    }
  }
  void plan() {
    for (int64_t q0 = 0; q0 < kTokens; q0 += kTile) {
      fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
      int n = mask->bounds(0, q0, q0 + kTile, kTokens, runs);
      ++bounds;
      most = std::max<int64_t>(most, n);
      int64_t from = 0;
      for (int i = 0; i < n && classify; ++i) {
        int64_t t0 = std::max(from, runs[i].lo / kTile);
        int64_t t1 = (runs[i].hi + kTile - 1) / kTile;
        cut(q0, t0, t1, 2);
        from = std::max(from, t1);
      }
    }
  }
};

/// The best of some plans, in ms.
double bestMs(const Planner &planner, int repeats, double wanted,
              Planner &last) {
  return times::fastest(repeats, wanted, [&] {
    last = planner;
    double start = times::threadMs();
    last.plan();
    return times::threadMs() - start;
  });
}

Table tokens(std::function<int64_t(int64_t)> entry) {
  Table t{{kTokens}, {}, 32, 1};
  for (int64_t i = 0; i < kTokens; ++i)
    t.data.push_back(entry(i));
  return t;
}

struct Planned {
  const char *name;
  X mask;
  Operands operands;
  /// Banded: one millisecond, classes included. Else 20 for the plan alone,
  /// which asks for bounds and nothing more.
  bool banded = false;
};

std::vector<Planned> plannedMasks() {
  X causal = q >= k;
  std::mt19937 random(3);
  auto below = [&](int64_t n) { return int64_t(random() % uint64_t(n)); };
  auto inWindow = [](X d, int64_t n) { return (d >= 0) & (d < n); };
  std::vector<Planned> out = {
      {"causal", causal, {}, true},
      {"causal & window(4096)", causal & (q - k < 4096), {}, true},
      {"causal & (sink(4) | window(4096))",
       causal & ((k < 4) | (q - k < 4096)),
       {},
       true},
      {"block causal (24)", fdiv(q, 24) >= fdiv(k, 24), {}, true}};
  out.push_back({"tri-shape",
                 causal & ((k < 4) | (q - k < 1024) | (q >= kTokens - 1024)),
                 {},
                 true});
  out.push_back({"strided 4096",
                 causal & ((q - k < 512) | (fmod(q - k, 4096) == 0)),
                 {}});
  out.push_back(
      {"ladder",
       causal & ((k < 4) | (q - k < 512) | inWindow(umod(k, 2048) - 100, 40)),
       {}});
  X row = fdiv(q, 362), column = fmod(q, 362);
  X kRow = udiv(k, 362), kColumn = umod(k, 362);
  out.push_back(
      {"neighbourhood 13 x 13 of 362 x 362",
       inWindow(row - kRow + 6, 13) & inWindow(column - kColumn + 6, 13),
       {}});
  out.push_back(
      {"the same, dilated by 4",
       inWindow(row - kRow + 24, 49) & inWindow(column - kColumn + 24, 49) &
           (fmod(row - kRow, 4) == 0) & (fmod(column - kColumn, 4) == 0),
       {}});
  X same = load(0, {q}) == load(0, {k});
  out.push_back({"causal & document ids of 4096",
                 causal & same,
                 {{tokens([](int64_t i) { return i / 4096; })}, {}}});
  out.push_back({"causal & document ids of 500",
                 causal & same,
                 {{tokens([](int64_t i) { return i / 500; })}, {}}});
  out.push_back({"causal & interleaved ids, 8",
                 causal & same,
                 {{tokens([&](int64_t) { return below(8); })}, {}}});
  out.push_back({"causal & shuffled ids, 4096 a document",
                 causal & same,
                 {{tokens([](int64_t i) { return i / 256 * 7 % 32; })}, {}}});
  auto evict = tokens([&](int64_t i) { return i + below(3000); });
  out.push_back(
      {"causal & eviction", causal & (q < load(0, {k})), {{evict}, {}}});
  auto ends = tokens([](int64_t i) { return (i / 3000 + 1) * 3000; });
  out.push_back({"FlashMask, causal document",
                 causal & (q < load(0, {k})),
                 {{ends}, {}}});
  Table four{{kTokens, 4}, {}, 32, 1};
  for (int64_t i = 0; i < kTokens; ++i)
    for (int64_t c :
         {i / 3000 * 3000 + 3000, kTokens, int64_t(0), i / 3000 * 3000})
      four.data.push_back(c);
  auto hidden = [&](int from) {
    return (q >= load(0, {k, from})) & (q < load(0, {k, from + 1}));
  };
  out.push_back(
      {"FlashMask, four columns", !(hidden(0) | hidden(2)), {{four}, {}}});
  auto starts = tokens([](int64_t i) { return i / 700 * 700; });
  out.push_back({"document starts by query",
                 causal & (k >= load(0, {q})),
                 {{starts}, {}}});
  Table blocks{{kTokens / 64, kTokens / 64}, {}, 8, 1};
  for (int64_t i = 0; i < blocks.shape[0] * blocks.shape[1]; ++i)
    blocks.data.push_back(below(10) == 0);
  out.push_back({"random blocks, 10 %",
                 load(0, {udiv(q, 64), udiv(k, 64)}) != 0,
                 {{blocks}, {}}});
  return out;
}

} // namespace

TEST(MaskSpeed, PlansOneHeadOf128K) {
  for (const Planned &p : plannedMasks()) {
    CompiledMask compiled(p.mask, p.operands);
    Planner planner{&compiled}, alone = planner, all = planner;
    planner.classify = false;
    constexpr double never = std::numeric_limits<double>::infinity();
    double bounds = bestMs(planner, 5, p.banded ? never : 20, alone);
    planner.classify = true;
    double classes =
        bestMs(planner, p.banded ? 7 : 1, p.banded ? 1 : never, all);
    printf("%-38s bounds %7.3f ms  with classes %8.3f ms  runs <= %ld  class "
           "%8ld  partial %7ld  full %ld\n",
           p.name, bounds, classes, long(all.most), long(all.classes),
           long(all.partial), long(all.full));
    EXPECT_EQ(all.bounds, kTokens / kTile);
    EXPECT_TIME_BELOW(p.banded ? classes : bounds, p.banded ? 1 : 20) << p.name;
    if (p.banded)
      EXPECT_LE(all.classes, 12 * kTokens / kTile);
  }
}

/// Rows that differ at random are decided one by one, whatever the tile's keys:
/// halves of both axes in turn would take a box for each pair.
TEST(MaskSearch, DividesAlongTheAxisThatDecides) {
  constexpr int64_t rows = 256, keys = 4096;
  std::mt19937 random(7);
  Table start{{rows}, {}, 32, 1}, end{{rows}, {}, 32, 1};
  for (int64_t i = 0; i < rows; ++i) {
    // Spans of the keys from 1024 on, and such without a key.
    int64_t from = random() % 3 ? 1024 + int64_t(random() % 512) : 100;
    start.data.push_back(from);
    end.data.push_back(from == 100 ? 90 : 3072 + int64_t(random() % 512));
  }
  X span = (k >= load(0, {q})) & (k < load(1, {q}));
  CompiledMask byRow(span, {{start, end}, {}});
  EXPECT_EQ(byRow.classify(0, 0, rows, 0, 1024, keys), FOVEA_TILE_EMPTY);
  EXPECT_EQ(byRow.classify(0, 0, rows, 3584, keys, keys), FOVEA_TILE_EMPTY);
  EXPECT_EQ(byRow.classify(0, 0, rows, 1536, 2048, keys), FOVEA_TILE_PARTIAL);
  // What no row hides, by terms that cover each row together.
  CompiledMask both(!span | (k >= 1000), {{start, end}, {}});
  EXPECT_EQ(both.classify(0, 0, rows, 0, keys, keys), FOVEA_TILE_FULL);
  CompiledMask gap(!span | (k >= 1600), {{start, end}, {}});
  EXPECT_EQ(gap.classify(0, 0, rows, 1536, 2048, keys), FOVEA_TILE_PARTIAL);
  // The same of keys: a table of when each is dropped.
  Table drop{{keys}, {}, 32, 1};
  for (int64_t i = 0; i < keys; ++i)
    drop.data.push_back(random() % 2 ? 0 : rows);
  X held = q < load(0, {k});
  CompiledMask byKey(held | (q >= 128), {{drop}, {}});
  EXPECT_EQ(byKey.classify(0, 128, rows, 0, 128, keys), FOVEA_TILE_FULL);
  EXPECT_EQ(byKey.classify(0, 0, 128, 0, 128, keys), FOVEA_TILE_PARTIAL);
  X inTurn = (q < load(0, {k})) & (q >= load(0, {k}));
  CompiledMask never(inTurn, {{drop}, {}});
  EXPECT_EQ(never.classify(0, 0, 128, 0, 128, keys), FOVEA_TILE_EMPTY);
}

namespace {

/// Tables long enough for blocks and blocks of blocks, and a mask that reads
/// them by key: t[k] >= 0, with few negative entries.
struct Summarised {
  Summarised() {
    std::mt19937 random(11);
    Table one{{n}, {}, 32, 1}, rows{{3, n}, {}, 64, 1},
        columns{{n, 2}, {}, 8, 1};
    for (int64_t i = 0; i < n; ++i)
      one.data.push_back(random() % 700 ? 1 : -1);
    for (int64_t i = 0; i < 3 * n; ++i)
      rows.data.push_back(random() % 700 ? 1 : -1);
    for (int64_t i = 0; i < 2 * n; ++i)
      columns.data.push_back(random() % 700 ? 1 : -1);
    operands = {{one, rows, columns}, {}};
  }
  /// Whether mask `which` keeps key k for head h.
  bool keeps(int which, int64_t h, int64_t k) const {
    const Table &t = operands.tables[size_t(which)];
    int64_t at = which == 0 ? k : which == 1 ? h * n + k : k * 2 + 1;
    return t.data[size_t(at)] >= 0;
  }
  X mask(int which) const {
    return (which == 0   ? load(0, {k})
            : which == 1 ? load(1, {var(H), k})
                         : load(2, {k, 1})) >= 0;
  }
  /// Classes that differ from the truth over random stretches of keys.
  int wrong(const CompiledMask &compiled, int which) const {
    std::mt19937 random(5);
    int wrong = 0;
    for (int i = 0; i < 4000; ++i) {
      int64_t h = random() % 3, lo = random() % n;
      int64_t size = 1 + random() % (i % 3 ? 300 : n);
      int64_t hi = std::min(n, lo + size), live = 0;
      for (int64_t at = lo; at < hi; ++at)
        live += keeps(which, h, at);
      int c = compiled.classify(h, 0, 1, lo, hi, n);
      wrong += c != (live == 0         ? FOVEA_TILE_EMPTY
                     : live == hi - lo ? FOVEA_TILE_FULL
                                       : FOVEA_TILE_PARTIAL);
    }
    return wrong;
  }

  static constexpr int64_t n = 20011;
  Operands operands;
};

} // namespace

/// Classes and runs are the same with and without summaries, and right.
TEST(MaskSummary, ChangesNothingButTheTime) {
  Summarised s;
  for (int which = 0; which < 3; ++which) {
    CompiledMask compiled(s.mask(which), s.operands);
    ASSERT_EQ(compiled.solution.summaries.size(), 2u);
    EXPECT_EQ(compiled.solution.summaries[0], which);
    EXPECT_EQ(s.wrong(compiled, which), 0) << which;
    fovea_abi_run with[FOVEA_ABI_MAX_RUNS], without[FOVEA_ABI_MAX_RUNS];
    for (int64_t h = 0; h < 3; ++h) {
      compiled.useSummaries(true);
      int n = compiled.bounds(h, 0, 64, s.n, with);
      compiled.useSummaries(false);
      ASSERT_EQ(compiled.bounds(h, 0, 64, s.n, without), n);
      for (int i = 0; i < n; ++i) {
        EXPECT_EQ(with[i].lo, without[i].lo);
        EXPECT_EQ(with[i].hi, without[i].hi);
      }
    }
  }
}

/// A summary that misses an entry is noticed.
TEST(MaskSummary, IsWhatClassesComeFrom) {
  Summarised s;
  CompiledMask compiled(s.mask(0), s.operands);
  compiled.damageSummaries();
  EXPECT_GT(s.wrong(compiled, 0), 0);
}
