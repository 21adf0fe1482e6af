// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What kernels really did, against what the plan says that they do: split
// decode, levels and chosen blocks that are not dense masking, workspace that
// does not grow with Sq x Sk, and a planner that asks for boundaries only. Each
// row of the table is held against its prediction in E2ETest.cpp.
#include "test/e2e/Compiled.h"
#include "test/e2e/Loaded.h"
#include "test/support/Times.h"

#include <fovea/inspect.h>

using namespace fovea;
using namespace fovea::e2e;

namespace {

/// Compiles a row for a target (on a GPU of f16) and runs it on `workers`
/// threads.
Outcome outcomeOf(Case c, const std::string &target, int workers = 1) {
  if (target == kEmulated)
    c.element("f16");
  Outcome outcome;
  Loaded loaded(c);
  auto compiled =
      Compiled::compile(c.spec(), c.name + ".mlir", target, workers);
  if (!loaded.good || !compiled) {
    ADD_FAILURE() << c.name << " " << llvm::toString(compiled.takeError());
    return outcome;
  }
  llvm::Error error =
      compiled->run(loaded.arguments, loaded.results, c.callDims(), &outcome);
  EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
  return outcome;
}

naive::Keep causalWindow(int64_t n) {
  return naive::both(naive::causal(), naive::window(n));
}

class OnTargets : public testing::TestWithParam<std::string> {};

std::string nameOf(const testing::TestParamInfo<std::string> &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

} // namespace

// Long shapes on one thread and split over more: the tiles and pairs that were
// run are those that the plan predicts, class by class.
TEST_P(OnTargets, TilesArePredicted) {
  const Case rows[] = {
      Case("dense").shape(2, 300, 500).heads(4, 2).dims(64, 64),
      Case("causal")
          .shape(1, 700, 700)
          .heads(4, 2)
          .dims(64, 64)
          .masked("causal", naive::causal()),
      Case("window")
          .shape(1, 900, 900)
          .dims(64, 64)
          .masked("causal and window(130)", causalWindow(130)),
      Case("streaming")
          .shape(1, 600, 900)
          .heads(6, 2)
          .dims(64, 64)
          .masked("causal and (window(96) or sink(4))",
                  naive::both(naive::causal(), naive::either(naive::window(96),
                                                             naive::sink(4)))),
      Case("decode")
          .shape(2, 1, 9000)
          .heads(8, 2)
          .dims(64, 64)
          .masked("causal", naive::causal()),
      Case("decode_window")
          .shape(1, 1, 9000)
          .heads(4, 1)
          .dims(64, 64)
          .masked(
              "causal and (window(5000) or sink(4))",
              naive::both(naive::causal(),
                          naive::either(naive::window(5000), naive::sink(4)))),
      Case("chunk")
          .shape(1, 5, 6000)
          .heads(4, 2)
          .dims(64, 64)
          .masked("causal", naive::causal()),
  };
  bool split = false;
  for (const Case &c : rows)
    for (int workers : {1, 4}) {
      Outcome got = outcomeOf(c, GetParam(), workers);
      SCOPED_TRACE(c.name + " on " + std::to_string(workers) + " workers");
      EXPECT_EQ(got.done.tiles_full, got.planned.tiles_full);
      EXPECT_EQ(got.done.tiles_partial, got.planned.tiles_partial);
      EXPECT_EQ(got.done.pairs, got.planned.pairs);
      EXPECT_EQ(got.done.items, got.planned.items);
      EXPECT_EQ(got.planned.class_calls, 0);
      EXPECT_EQ(got.planned.keep_calls, 0);
      split |= got.planned.slots > 0;
    }
  EXPECT_TRUE(split) << "no row was split on 4 workers";
}

// A dense row runs every pair once: the prediction is a number, not a mirror.
TEST_P(OnTargets, DensePairsAreAllPairs) {
  Outcome got =
      outcomeOf(Case("dense").shape(2, 70, 130).heads(4, 2), GetParam());
  EXPECT_EQ(got.done.pairs, 2 * 4 * 70 * 130);
  EXPECT_EQ(got.done.tiles_partial, 0);
}

// Causal runs about half, and a window its share; what is not seen is not run.
TEST_P(OnTargets, MaskedTilesAreNotRun) {
  int64_t n = 1024;
  int64_t all = 2 * n * n;
  Case causal = Case("causal").shape(1, n, n).dims(32, 32).masked(
      "causal", naive::causal());
  int64_t half = outcomeOf(causal, GetParam()).done.pairs;
  EXPECT_GE(half, all / 2);
  EXPECT_LE(half, all * 0.6);
  Case window = Case("window").shape(1, n, n).dims(32, 32).masked(
      "causal and window(64)", causalWindow(64));
  int64_t band = outcomeOf(window, GetParam()).done.pairs;
  EXPECT_GE(band, 2 * (n - 64) * 64);
  EXPECT_LE(band, all / 4);
}

// Blocks at level L cost 1/L of the pairs.
TEST_P(OnTargets, LevelsDivideThePairs) {
  int64_t sq = 32, sk = 512, all = 2 * sq * sk;
  for (int64_t level : {1, 2, 4, 8}) {
    Case c = Case("pyramid").shape(1, sq, sk).blocks(16, 64).pyramid();
    if (GetParam() == kEmulated)
      c.element("f16");
    Loaded loaded(c);
    ASSERT_TRUE(loaded.good);
    for (HostValue &value : loaded.arguments)
      if (value.name == "m")
        for (int64_t i = 0; i < value.tensor.size(); ++i)
          value.tensor.set(i, double(level));
    auto compiled = Compiled::compile(c.spec(), "pyramid.mlir", GetParam(), 1);
    ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
    Outcome got;
    llvm::Error error =
        compiled->run(loaded.arguments, loaded.results, c.callDims(), &got);
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
    EXPECT_EQ(got.done.pairs, all / level) << "level " << level;
  }
}

// Chosen blocks cost their share of the pairs.
TEST_P(OnTargets, ChosenBlocksAreTheirShare) {
  int64_t sq = 64, sk = 1024, unit = 32;
  for (int64_t chosen : {1, 4, 16}) {
    Case c = Case("top_k").shape(1, sq, sk).blocks(32, unit).bestBlocks(
        chosen, false, 0);
    EXPECT_EQ(outcomeOf(c, GetParam()).done.pairs, 2 * sq * chosen * unit)
        << chosen << " blocks";
  }
}

// Dense attention keeps no scores: its workspace does not grow with Sq or Sk.
TEST_P(OnTargets, WorkspaceIsNotSquare) {
  Case c = Case("dense").dims(64, 64).masked("causal", naive::causal());
  if (GetParam() == kEmulated)
    c.element("f16");
  auto compiled = Compiled::compile(c.spec(), "dense.mlir", GetParam(), 4);
  ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
  auto workspace = [&](int64_t n) {
    fovea_plan_limits limits = {};
    limits.size = sizeof limits;
    limits.seqs = 1;
    limits.rows = limits.max_len = n;
    fovea_plan *plan = nullptr;
    EXPECT_EQ(fovea_plan_create(compiled->kernel(), &limits, &plan), FOVEA_OK)
        << fovea_message();
    size_t bytes = fovea_plan_workspace(plan);
    fovea_plan_destroy(plan);
    return bytes;
  };
  size_t small = workspace(1024), large = workspace(32768);
  EXPECT_EQ(small, large);
  EXPECT_LT(large, size_t(16) << 20); // the scores would be 4 GB
}

// 128K x 128K, causal within a window: the planner asks for bounds once per row
// tile, never for a class or for an element, and is done within a millisecond.
TEST_P(OnTargets, PlanningALongMaskIsCheap) {
  int64_t n = 128 << 10;
  Case c = Case("long").shape(1, n, n).heads(1, 1).dims(64, 64).masked(
      "causal and window(4096)", causalWindow(4096));
  bool half = GetParam() == kEmulated;
  if (half)
    c.element("f16");
  auto compiled = Compiled::compile(c.spec(), "long.mlir", GetParam(), 1);
  ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
  fovea_plan_limits limits = {};
  limits.size = sizeof limits;
  limits.seqs = 1;
  limits.rows = limits.max_len = n;
  fovea_plan *plan = nullptr;
  ASSERT_EQ(fovea_plan_create(compiled->kernel(), &limits, &plan), FOVEA_OK)
      << fovea_message();
  // Only shapes count in an update: there is no such tensor.
  int64_t shape[] = {1, 1, n, 64};
  fovea_tensor matrix = {}, row = {};
  matrix.device = row.device = {kDLCPU, 0};
  matrix.dtype = {kDLFloat, uint8_t(half ? 16 : 32), 1};
  row.dtype = {kDLFloat, 32, 1};
  matrix.shape = row.shape = shape;
  matrix.ndim = 4;
  row.ndim = 3;
  fovea_value args[5];
  for (int i = 0; i < 5; ++i) {
    args[i].kind = FOVEA_TENSOR;
    args[i].u.tensor = i < 4 ? &matrix : &row;
  }
  constexpr double wanted = 1; // ms
  fovea_stats stats = {};
  stats.size = sizeof stats;
  double best = times::fastest(9, wanted, [&] {
    EXPECT_EQ(fovea_plan_update(plan, nullptr, args, 5), FOVEA_OK)
        << fovea_message();
    EXPECT_EQ(fovea_plan_stats(plan, -1, &stats), FOVEA_OK);
    return stats.update_ms;
  });
  fovea_phase_info phase = {};
  phase.size = sizeof phase;
  ASSERT_EQ(fovea_plan_phase(plan, 0, &phase), FOVEA_OK) << fovea_message();
  int64_t items = n / phase.rows, tileRows = n / phase.class_rows;
  fovea_plan_destroy(plan);
  EXPECT_EQ(stats.items, items);
  EXPECT_EQ(stats.bounds_calls, items);
  EXPECT_EQ(stats.class_calls, 0);
  EXPECT_EQ(stats.keep_calls, 0);
  // Telling full tiles from partial ones takes a few calls per row of tiles,
  // however long the window is.
  EXPECT_LE(stats.stats_class_calls, 16 * tileRows);
  EXPECT_LE(stats.tiles_partial, 6 * tileRows);
  EXPECT_GT(stats.tiles_full, 30 * tileRows);
  EXPECT_TIME_BELOW(best, wanted);
}

INSTANTIATE_TEST_SUITE_P(E2E, OnTargets, testing::ValuesIn(runnableTargets()),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Emulated, OnTargets, testing::Values(kEmulated),
                         nameOf);
