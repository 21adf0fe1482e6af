// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Planning: what an update checks, how items are cut, ordered and split, and
// what it costs.
#include "test/support/Times.h"
#include "test/unit/runtime/Fixture.h"

#include <algorithm>

using namespace fovea::test;

namespace {

std::vector<fovea_abi_item> itemsOf(fovea_plan *plan, int phase) {
  fovea_phase_info info{};
  info.size = sizeof info;
  EXPECT_EQ(fovea_plan_phase(plan, phase, &info), FOVEA_OK) << fovea_message();
  return {info.items, info.items + info.n_items};
}

fovea_stats statsOf(fovea_plan *plan, int phase = -1) {
  fovea_stats stats{};
  stats.size = sizeof stats;
  EXPECT_EQ(fovea_plan_stats(plan, phase, &stats), FOVEA_OK) << fovea_message();
  return stats;
}

TEST(Plan, ChecksArguments) {
  Loaded k(sumKernel());
  Plan plan(k.kernel, 64, 4, 64);
  SumStep s(2, 16, 40, 8);
  auto update = [&] {
    return fovea_plan_update(plan, nullptr, s.data(), s.size());
  };
  ASSERT_FOVEA(update());
  EXPECT_REFUSED(FOVEA_INVALID, "expected 4 arguments (results included)",
                 fovea_plan_update(plan, nullptr, s.data(), 3));
  fovea_batch batch{};
  batch.size = sizeof batch;
  batch.n = 3;
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "expected no batch",
                 fovea_plan_update(plan, &batch, s.data(), s.size()));
  auto with = [&](int i, fovea_value v, fovea_status status,
                  const char *words) {
    fovea_value old = s.args[size_t(i)];
    s.args[size_t(i)] = v;
    EXPECT_REFUSED(status, words, update());
    s.args[size_t(i)] = old;
  };
  with(0, integer(3), FOVEA_INVALID, "'q': expected a tensor, got a scalar");
  with(2, s.q.value(), FOVEA_INVALID, "'w': expected a scalar, got a tensor");
  fovea_value cache = integer(0);
  cache.kind = FOVEA_CACHE;
  with(1, cache, FOVEA_INVALID, "'v': expected a tensor, got a cache");
  fovea_value none = s.q.value();
  none.u.tensor = nullptr;
  with(0, none, FOVEA_INVALID, "'q': expected a tensor, got NULL");
  Tensor rank({2, 40, 1}), ints({2, 2, 16}, FOVEA_DTYPE_I32);
  with(1, rank.value(), FOVEA_INVALID, "'v': expected rank 2, got 3");
  with(0, ints.value(), FOVEA_INVALID, "expected elements of f32, got i32");
  Tensor heads({2, 3, 16}), other({2, 2, 17}), batch3({3, 40});
  with(0, heads.value(), FOVEA_INVALID, "expected dim 1 to be 2, got 3");
  with(3, other.value(), FOVEA_INVALID,
       "'o': expected dim 2 ('sq') to be 16 as in argument 'q', got 17");
  with(1, batch3.value(), FOVEA_INVALID,
       "'v': expected dim 0 ('b') to be 2 as in argument 'q', got 3");

  DLTensor odd = s.q.dl;
  int64_t strides[3] = {64, 32, 2};
  odd.strides = strides;
  with(0, {FOVEA_TENSOR, {&odd}}, FOVEA_INVALID, "stride of dim 2 to be 1");
  strides[2] = 1;
  strides[1] = -16;
  with(0, {FOVEA_TENSOR, {&odd}}, FOVEA_INVALID, "to be at least 0, got -16");
  DLTensor repeated = s.o.dl;
  strides[1] = 0;
  repeated.strides = strides;
  with(3, {FOVEA_TENSOR, {&repeated}}, FOVEA_INVALID, "to be positive, got 0");
  odd = s.q.dl;
  odd.byte_offset = 1;
  with(0, {FOVEA_TENSOR, {&odd}}, FOVEA_INVALID, "aligned to 4 bytes");
  odd = s.q.dl;
  odd.device.device_type = kDLCUDA;
  with(0, {FOVEA_TENSOR, {&odd}}, FOVEA_INVALID, "memory of the CPU");
  odd = s.q.dl;
  odd.shape = nullptr;
  with(0, {FOVEA_TENSOR, {&odd}}, FOVEA_INVALID, "expected a shape");
  int64_t negative[3] = {2, 2, -1};
  odd.shape = negative;
  with(0, {FOVEA_TENSOR, {&odd}}, FOVEA_INVALID, "to be an extent, got -1");
  // Planning looks at shapes, not at data.
  odd = s.q.dl;
  odd.data = nullptr;
  s.args[0] = {FOVEA_TENSOR, {&odd}};
  ASSERT_FOVEA(update());
}

TEST(Plan, ChecksCapacity) {
  Loaded k(sumKernel());
  Plan plan(k.kernel, 64, 4, 100);
  auto update = [&](int64_t b, int64_t sq, int64_t sk) {
    SumStep s(b, sq, sk, 8);
    return fovea_plan_update(plan, nullptr, s.data(), s.size());
  };
  EXPECT_EQ(update(4, 16, 100), FOVEA_OK);
  EXPECT_EQ(update(1, 64, 100), FOVEA_OK);
  EXPECT_REFUSED(FOVEA_INVALID, "'b' to be at most 4 (the plan's capacity)",
                 update(5, 1, 1));
  EXPECT_REFUSED(FOVEA_INVALID, "'sk' to be at most 100", update(1, 1, 101));
  EXPECT_REFUSED(FOVEA_INVALID, "'sq' to be at most 64", update(1, 65, 100));
  EXPECT_REFUSED(FOVEA_INVALID, "at most 64 rows of all sequences",
                 update(4, 17, 100));
  // A plan whose update failed runs nothing.
  SumStep s(1, 8, 8, 8);
  EXPECT_REFUSED(
      FOVEA_STALE, "successful update",
      fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
  EXPECT_EQ(fovea_plan_items(plan, 0), 0);
}

TEST(Plan, ChecksLimits) {
  Loaded k(sumKernel());
  fovea_plan *plan = nullptr;
  fovea_plan_limits limits{};
  EXPECT_REFUSED(FOVEA_INVALID, "fovea_plan_limits.size",
                 fovea_plan_create(k.kernel, &limits, &plan));
  limits.size = sizeof limits;
  limits.rows = -1;
  EXPECT_REFUSED(FOVEA_INVALID, "limits of at least 0",
                 fovea_plan_create(k.kernel, &limits, &plan));
  limits.rows = int64_t(1) << 60;
  limits.seqs = 1;
  EXPECT_REFUSED(FOVEA_INVALID, "at most 2^30 items",
                 fovea_plan_create(k.kernel, &limits, &plan));
  limits.rows = 1;
  fovea_dim_limit dims[] = {{"pages", 3}};
  limits.dims = dims;
  limits.n_dims = 1;
  EXPECT_REFUSED(FOVEA_INVALID, "got 'pages' = 3",
                 fovea_plan_create(k.kernel, &limits, &plan));
  dims[0] = {"sk", 10};
  ASSERT_FOVEA(fovea_plan_create(k.kernel, &limits, &plan));
  fovea_plan_destroy(plan);
  EXPECT_REFUSED(FOVEA_INVALID, "expected a fovea_plan_limits, got NULL",
                 fovea_plan_create(k.kernel, nullptr, &plan));
}

TEST(Plan, ItemsCoverAllRowsLongestFirst) {
  Loaded k(sumKernel(), 2);
  Plan plan(k.kernel, 1024, 4, 1024);
  SumStep s(2, 100, 300, 1000);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  std::vector<fovea_abi_item> items = itemsOf(plan, 0);
  ASSERT_EQ(items.size(), 2u * 2 * 13);
  std::vector<int> seen(2 * 2 * 13);
  for (const fovea_abi_item &i : items) {
    EXPECT_EQ(i.slot, -1);
    EXPECT_EQ(i.row % testRows, 0);
    ++seen[size_t((i.b * 2 + i.head) * 13 + i.row / testRows)];
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 2 * 2 * 13);
  // Causal: later rows see more, counted in blocks of 16 keys. The last tile
  // has 4 rows and goes last.
  for (size_t i = 1; i + 4 < items.size(); ++i)
    EXPECT_GE(items[i - 1].row + testRows, items[i].row);
  EXPECT_EQ(items.back().row, 96);
}

/// The pieces of split items partition the keys and the slots; the combine
/// phase names them.
void checkSplits(fovea_plan *plan, int64_t len) {
  std::vector<fovea_abi_item> items = itemsOf(plan, 0);
  std::sort(items.begin(), items.end(),
            [](const fovea_abi_item &a, const fovea_abi_item &b) {
              return a.slot < b.slot;
            });
  size_t whole =
      size_t(std::count_if(items.begin(), items.end(),
                           [](const fovea_abi_item &i) { return i.slot < 0; }));
  std::vector<fovea_abi_item> groups = itemsOf(plan, 1);
  fovea_phase_info merges{};
  merges.size = sizeof merges;
  ASSERT_EQ(fovea_plan_phase(plan, 1, &merges), FOVEA_OK);
  size_t at = whole;
  for (const fovea_abi_item &g : groups) {
    ASSERT_GE(g.count, 2);
    int64_t key = 0;
    for (int c = 0; c < g.count; ++c, ++at) {
      ASSERT_LT(at, items.size());
      EXPECT_EQ(items[at].slot, int32_t(at - whole));
      EXPECT_EQ(items[at].slot, merges.sources[g.slot + c].slot);
      EXPECT_EQ(merges.sources[g.slot + c].row, 0);
      EXPECT_EQ(items[at].row, g.row);
      EXPECT_EQ(items[at].head, g.head);
      EXPECT_EQ(items[at].b, g.b);
      EXPECT_EQ(items[at].k0, key);
      EXPECT_LT(items[at].k0, items[at].k1);
      key = items[at].k1;
    }
    EXPECT_EQ(key, len);
  }
  EXPECT_EQ(at, items.size());
}

TEST(Plan, SplitsForFewItems) {
  for (int workers : {2, 3, 8}) {
    KernelOptions options;
    options.heads = 1;
    Loaded k(sumKernel(options), workers);
    Plan plan(k.kernel, 8, 1, 1 << 16);
    SumStep s(1, 1, 1 << 16, 1 << 16, 1);
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
    std::vector<fovea_abi_item> items = itemsOf(plan, 0);
    EXPECT_GE(int(items.size()), workers);
    EXPECT_LE(int(items.size()), 16 * workers);
    checkSplits(plan, 1 << 16);
    // Balanced: no piece is longer than a quarter above its share.
    fovea_phase_info info{};
    info.size = sizeof info;
    ASSERT_FOVEA(fovea_plan_phase(plan, 0, &info));
    EXPECT_LE(info.cost_longest, 1.25 * info.cost_total / workers);
    ASSERT_FOVEA(
        fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
    EXPECT_EQ(s.wrong(), 0);
  }
}

TEST(Plan, SplitsOnlyWhereItHelps) {
  Loaded k(sumKernel(), 2);
  // One worker has nothing to balance.
  {
    Plan plan(k.kernel, 64, 1, 1 << 14, 1);
    SumStep s(1, 1, 1 << 14, 1 << 14);
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
    EXPECT_EQ(statsOf(plan).slots, 0);
    EXPECT_EQ(fovea_plan_items(plan, 1), 0);
  }
  // Many rows: long items exist, but none dwarfs a worker's share.
  Plan plan(k.kernel, 4096, 1, 4096);
  SumStep s(1, 4096, 4096, 4096);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  EXPECT_EQ(statsOf(plan).slots, 0);
  // Two equal items, two workers.
  SumStep even(1, 1, 4096, 4096);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, even.data(), even.size()));
  EXPECT_EQ(statsOf(plan).slots, 0);
  // Too short for pieces.
  KernelOptions one;
  one.heads = 1;
  Loaded single(sumKernel(one), 2);
  Plan small(single.kernel, 64, 1, 4096);
  SumStep tiny(1, 1, 300, 300, 1);
  ASSERT_FOVEA(fovea_plan_update(small, nullptr, tiny.data(), tiny.size()));
  EXPECT_EQ(statsOf(small).slots, 0);
}

/// How much longer the busiest of `workers` is than the average, when each
/// takes the next few items of the plan's order as soon as it is free.
double imbalance(fovea_plan *plan, int workers) {
  fovea_mask_info mask{};
  mask.size = sizeof mask;
  EXPECT_EQ(fovea_plan_mask(plan, 0, &mask), FOVEA_OK);
  fovea_phase_info info{};
  info.size = sizeof info;
  EXPECT_EQ(fovea_plan_phase(plan, 0, &info), FOVEA_OK);
  double dearest = 0, all = 0; // of what the plan predicts
  for (int64_t i = 0; i < info.n_items; ++i) {
    dearest = std::max(dearest, double(info.costs[i]));
    all += double(info.costs[i]);
  }
  EXPECT_EQ(dearest, info.cost_longest);
  EXPECT_NEAR(all, info.cost_total, double(info.n_items)); // pieces round down
  std::vector<double> busy(size_t(workers), 0.0);
  int64_t chunk = std::max<int64_t>(1, info.n_items / (workers * 64));
  double total = 0;
  for (int64_t i = 0; i < info.n_items; i += chunk) {
    double cost = 0;
    for (int64_t j = i; j < std::min(i + chunk, info.n_items); ++j) {
      const fovea_abi_item &item = info.items[j];
      fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
      int64_t len = mask.k_len[item.b], off = mask.q_off[item.b];
      int64_t last = std::min<int64_t>(item.row + info.rows, mask.sq);
      int n = mask.bounds(mask.args, item.b, item.head, off + item.row,
                          off + last, len, runs);
      cost += 64;
      for (int r = 0; r < n; ++r)
        cost += double(std::max<int64_t>(0, std::min(runs[r].hi, item.k1) -
                                                std::max(runs[r].lo, item.k0)));
    }
    *std::min_element(busy.begin(), busy.end()) += cost;
    total += cost;
  }
  return *std::max_element(busy.begin(), busy.end()) / (total / workers);
}

TEST(Plan, OrderBalancesTheWorkers) {
  for (int workers : {2, 16, 64}) {
    // Causal prefill: two threads at 1.9 times one need less than 1.05.
    KernelOptions options;
    options.heads = 8;
    options.rows = options.keys = 64;
    Loaded k(sumKernel(options), 1);
    Plan plan(k.kernel, 4096, 8, 1 << 16, workers);
    SumStep causal(1, 4096, 4096, 1 << 20, 8);
    ASSERT_FOVEA(
        fovea_plan_update(plan, nullptr, causal.data(), causal.size()));
    EXPECT_LT(imbalance(plan, workers), workers == 64 ? 1.1 : 1.03) << workers;
    // Decode of a few long sequences: split.
    for (int64_t b : {1, 3, 5}) {
      SumStep decode(b, 1, 1 << 16, 1 << 20, 8);
      ASSERT_FOVEA(
          fovea_plan_update(plan, nullptr, decode.data(), decode.size()));
      EXPECT_LT(imbalance(plan, workers), 1.15) << workers << " " << b;
    }
  }
}

TEST(Plan, SplitsASkewedBatch) {
  KernelOptions options;
  options.heads = 1;
  options.lengths = true;
  Loaded k(sumKernel(options), 4);
  Plan plan(k.kernel, 64, 8, 1 << 15);
  SumStep s(5, 1, 1 << 15, 1 << 15, 1);
  Tensor lengths({5}, FOVEA_DTYPE_I32);
  int64_t want[5] = {100, 0, 1 << 15, 333, 1};
  for (int i = 0; i < 5; ++i)
    lengths.intAt(i) = int32_t(want[i]);
  s.table(lengths);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  EXPECT_GE(statsOf(plan).slots, 4);
  checkSplits(plan, 1 << 15);
  ASSERT_FOVEA(fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
  EXPECT_EQ(s.wrong(want), 0);
}

TEST(Plan, DeterministicSplitsIgnoreTheBatchAndTheWorkers) {
  KernelOptions options;
  options.lengths = true;
  auto cutsOf = [&](int workers, std::vector<int32_t> lens) {
    Loaded k(sumKernel(options), workers);
    Plan plan(k.kernel, 64, 8, 1 << 15, 0, true);
    int64_t b = int64_t(lens.size());
    SumStep s(b, 1, 1 << 15, 1 << 15);
    Tensor lengths({b}, FOVEA_DTYPE_I32);
    for (int64_t i = 0; i < b; ++i)
      lengths.intAt(i) = lens[size_t(i)];
    s.table(lengths);
    EXPECT_EQ(fovea_plan_update(plan, nullptr, s.data(), s.size()), FOVEA_OK)
        << fovea_message();
    std::vector<std::pair<int64_t, int64_t>> cuts;
    for (const fovea_abi_item &i : itemsOf(plan, 0))
      if (i.b == 0 && i.head == 0)
        cuts.push_back({i.k0, i.k1});
    std::sort(cuts.begin(), cuts.end());
    return cuts;
  };
  auto alone = cutsOf(1, {20000});
  EXPECT_EQ(alone.size(), 9u);
  EXPECT_EQ(alone, cutsOf(8, {20000}));
  EXPECT_EQ(alone, cutsOf(3, {20000, 32768, 5, 0}));
}

TEST(Plan, RefusesPlanCodeThatLeavesTheRange) {
  KernelOptions options;
  options.bounds = Function::BoundsWild;
  Loaded k(sumKernel(options));
  Plan plan(k.kernel, 64, 1, 64);
  SumStep s(1, 16, 16, 16);
  EXPECT_REFUSED(FOVEA_BAD_BUNDLE, "ascending runs inside [0, 16)",
                 fovea_plan_update(plan, nullptr, s.data(), s.size()));
}

TEST(Plan, PredictsTheTilesThatRun) {
  for (int64_t window : {1, 7, 16, 100, 5000})
    for (int workers : {1, 3}) {
      Loaded k(sumKernel(), workers);
      Plan plan(k.kernel, 512, 2, 2048);
      SumStep s(2, 77, 1500, window);
      ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
      ASSERT_FOVEA(
          fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
      EXPECT_EQ(s.wrong(), 0);
      fovea_stats stats = statsOf(plan);
      fovea_counters counters{};
      counters.size = sizeof counters;
      ASSERT_FOVEA(fovea_plan_counters(plan, &counters, 1));
      EXPECT_EQ(counters.tiles_full, stats.tiles_full);
      EXPECT_EQ(counters.tiles_partial, stats.tiles_partial);
      EXPECT_EQ(counters.pairs, stats.pairs);
      EXPECT_EQ(counters.items, fovea_plan_items(plan, 0));
      EXPECT_EQ(stats.flops_executed, stats.pairs * 4);
      EXPECT_EQ(stats.keep_calls, 0);
      ASSERT_FOVEA(fovea_plan_counters(plan, &counters, 0));
      EXPECT_EQ(counters.items, 0); // reset
    }
}

TEST(Plan, CountsTilesAsTheyAreClassified) {
  // Rows that a prefill classifies apart, though one item holds them.
  BundleBuilder b = sumKernel();
  b.variants[0].class_rows = 2;
  Loaded k(b, 1);
  Plan plan(k.kernel, 512, 2, 2048);
  SumStep s(1, 77, 500, 40);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  fovea_mask_info mask{};
  mask.size = sizeof mask;
  ASSERT_FOVEA(fovea_plan_mask(plan, 0, &mask));
  int64_t full = 0, partial = 0, pairs = 0;
  for (int64_t row = 0; row < 77; row += 2) {
    int64_t tile = row / testRows * testRows, off = 500 - 77;
    int64_t last = std::min<int64_t>(tile + testRows, 77);
    int64_t end = std::min<int64_t>(row + 2, 77);
    fovea_abi_run run[FOVEA_ABI_MAX_RUNS];
    ASSERT_EQ(mask.bounds(mask.args, 0, 0, off + tile, off + last, 500, run),
              1);
    for (int64_t k0 = run[0].lo; k0 < run[0].hi; k0 += testKeys) {
      int64_t k1 = std::min(k0 + testKeys, run[0].hi);
      int32_t c =
          mask.classify(mask.args, 0, 0, off + row, off + end, k0, k1, 500);
      full += c == FOVEA_TILE_FULL;
      partial += c == FOVEA_TILE_PARTIAL;
      pairs += c == FOVEA_TILE_EMPTY ? 0 : (end - row) * (k1 - k0);
    }
  }
  fovea_stats stats = statsOf(plan);
  EXPECT_EQ(stats.tiles_full, 2 * full); // two heads
  EXPECT_EQ(stats.tiles_partial, 2 * partial);
  EXPECT_EQ(stats.pairs, 2 * pairs);
}

TEST(Plan, IsFastAndNeverAsksThePredicate) {
  KernelOptions options;
  options.heads = 1;
  options.rows = options.keys = 64;
  Loaded k(sumKernel(options), 2);
  constexpr int64_t n = 128 << 10;
  Plan plan(k.kernel, n, 1, n);
  SumStep s(1, n, n, 4096, 1);
  constexpr double wanted = 1; // ms
  double best = times::fastest(10, wanted, [&] {
    double start = times::threadMs();
    EXPECT_EQ(fovea_plan_update(plan, nullptr, s.data(), s.size()), FOVEA_OK)
        << fovea_message();
    return times::threadMs() - start;
  });
  RecordProperty("plan_us", int(best * 1000));
  std::printf("planning 128K x 128K causal and window, tile 64: %.3f ms\n",
              best);
  EXPECT_TIME_BELOW(best, wanted);
  // keep would have trapped.
  fovea_stats stats = statsOf(plan);
  EXPECT_EQ(stats.keep_calls, 0);
  EXPECT_EQ(stats.class_calls, 0);
  EXPECT_LE(stats.bounds_calls, 2 * n / 64);
  // Classification is O(boundary): a few calls per row tile of 64 blocks.
  EXPECT_LE(stats.stats_class_calls, 10 * (n / 64));
  EXPECT_EQ(stats.tiles_full + stats.tiles_partial + stats.tiles_empty,
            (n / 64) * (n / 64));
}

// Kernels compute distances of positions in 32 bits.
TEST(Plan, RefusesTokensWithoutNumbers) {
  constexpr int64_t most = FOVEA_ABI_MAX_TOKENS;
  Loaded k(sumKernel());
  Plan plan(k.kernel, 8, 1, most + 1);
  SumStep s(1, 8, 8, 4);
  // Only its shape counts in an update.
  s.v.shape[1] = most + 1;
  EXPECT_REFUSED(FOVEA_UNSUPPORTED,
                 "expected at most 1073741824 rows and keys per head, got 8 "
                 "and 1073741825",
                 fovea_plan_update(plan, nullptr, s.data(), s.size()));
  s.v.shape[1] = most;
  EXPECT_EQ(fovea_plan_update(plan, nullptr, s.data(), s.size()), FOVEA_OK)
      << fovea_message();
}

TEST(Plan, EmptyStepsHaveNoItems) {
  Loaded k(sumKernel());
  Plan plan(k.kernel, 64, 4, 64);
  for (auto [b, sq, sk] : {std::tuple(0, 8, 8), std::tuple(2, 0, 8)}) {
    SumStep s(b, sq, sk, 4);
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
    EXPECT_EQ(fovea_plan_items(plan, 0), 0);
    ASSERT_FOVEA(
        fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
  }
  // No keys: the rows are written all the same.
  SumStep s(2, 9, 0, 4);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  EXPECT_EQ(fovea_plan_items(plan, 0), 8);
  ASSERT_FOVEA(fovea_run(plan, 0, s.data(), s.size(), plan.workspace, nullptr));
  EXPECT_EQ(s.wrong(), 0);
}

TEST(Plan, ChoosesVariantsByRows) {
  BundleBuilder b = sumKernel();
  fovea_bundle_variant decode = b.variants[0], prefill = b.variants[0];
  decode.name = b.string("decode");
  decode.max_rows = 4;
  prefill.name = b.string("prefill");
  prefill.max_rows = 32;
  b.stages[0].variants = {uint32_t(b.variants.size()), 2};
  b.variants.push_back(decode);
  b.variants.push_back(prefill);
  Loaded k(b);
  Plan plan(k.kernel, 64, 1, 64);
  auto variant = [&](int64_t sq) -> std::string {
    SumStep s(1, sq, 64, 64);
    if (fovea_plan_update(plan, nullptr, s.data(), s.size()))
      return fovea_message();
    fovea_phase_info info{};
    info.size = sizeof info;
    EXPECT_EQ(fovea_plan_phase(plan, 0, &info), FOVEA_OK);
    return info.variant;
  };
  EXPECT_EQ(variant(1), "decode");
  EXPECT_EQ(variant(4), "decode");
  EXPECT_EQ(variant(5), "prefill");
  EXPECT_EQ(variant(32), "prefill");
  EXPECT_NE(variant(33).find("for 33 packed rows"), std::string::npos);
}

TEST(Plan, WorkspaceIsForTheCapacity) {
  Loaded k(sumKernel(), 2);
  Plan plan(k.kernel, 64, 4, 1 << 16);
  size_t bytes = fovea_plan_workspace(plan);
  EXPECT_EQ(bytes % 64, 0u);
  EXPECT_EQ(bytes, 32u * testRows * sizeof(float)); // 16 slots per worker
  SumStep s(1, 1, 1 << 16, 1 << 16);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  EXPECT_EQ(fovea_plan_workspace(plan), bytes);
}

TEST(Plan, KnowsItsDims) {
  Loaded k(sumKernel());
  Plan plan(k.kernel, 64, 4, 64);
  int64_t value = 0;
  EXPECT_EQ(fovea_plan_dim(plan, "sk", &value), FOVEA_STALE);
  SumStep s(2, 16, 40, 8);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, s.data(), s.size()));
  ASSERT_FOVEA(fovea_plan_dim(plan, "sk", &value));
  EXPECT_EQ(value, 40);
  EXPECT_REFUSED(FOVEA_INVALID, "got 'pages'",
                 fovea_plan_dim(plan, "pages", &value));
  fovea_mask_info mask{};
  mask.size = sizeof mask;
  ASSERT_FOVEA(fovea_plan_mask(plan, 0, &mask));
  EXPECT_STREQ(mask.text, "causal and window(%w)");
  EXPECT_EQ(mask.k_len[1], 40);
  EXPECT_EQ(mask.q_off[1], 24);
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  ASSERT_EQ(mask.bounds(mask.args, 0, 0, 30, 31, 40, runs), 1);
  EXPECT_EQ(runs[0].lo, 23);
  EXPECT_EQ(runs[0].hi, 31);
  EXPECT_REFUSED(FOVEA_INVALID, "that streams keys, got stage 'combine'",
                 fovea_plan_mask(plan, 1, &mask));
}

} // namespace
