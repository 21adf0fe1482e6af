// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tables of flags by row and key: classes and runs against the entries, for
// bytes side by side, bytes apart, and other types; which tables count as such.
#include "test/unit/passes/analysis/MaskHarness.h"

#include "passes/analysis/MaskFlags.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace fovea;
using namespace fovea::masktest;

namespace {

const X h = var(H), q = var(Q), k = var(K);
constexpr int64_t kRows = 48, kKeys = 1500;

/// Two heads of flags: stretches of 0 and of others, and single odd ones. Bytes
/// are negative, too.
Table flags(int bits, int step) {
  std::mt19937 random(17);
  Table t{{2, kRows, kKeys}, {}, bits, step};
  for (int64_t i = 0; i < 2 * kRows * kKeys; ++i) {
    bool on = i % kKeys / 300 % 2 != 0;
    on ^= random() % 4000 == 0;
    int64_t value = bits == 1 || random() % 2 ? 1 : -3;
    t.data.push_back(on ? value : 0);
  }
  return t;
}

/// Classes of random boxes that differ from the truth.
int wrongClasses(const CompiledMask &mask, const Table &t) {
  std::mt19937 random(5);
  int wrong = 0;
  for (int i = 0; i < 3000; ++i) {
    int64_t head = random() % 2, q0 = random() % kRows, k0 = random() % kKeys;
    int64_t q1 = std::min<int64_t>(kRows, q0 + 1 + random() % 16);
    int64_t k1 = std::min<int64_t>(kKeys, k0 + 1 + random() % 400);
    int64_t live = 0;
    for (int64_t r = q0; r < q1; ++r)
      for (int64_t c = k0; c < k1; ++c)
        live += t.data[size_t((head * kRows + r) * kKeys + c)] != 0;
    wrong += mask.classify(head, q0, q1, k0, k1, kKeys) !=
             (live == 0                       ? FOVEA_TILE_EMPTY
              : live == (q1 - q0) * (k1 - k0) ? FOVEA_TILE_FULL
                                              : FOVEA_TILE_PARTIAL);
  }
  return wrong;
}

} // namespace

TEST(MaskFlags, AreClassifiedByTheirEntries) {
  for (auto [bits, step] :
       {std::pair{8, 1}, {8, 3}, {1, 1}, {32, 1}, {32, 2}}) {
    Table t = flags(bits, step);
    CompiledMask mask(load(0, {h, q, k}) != 0, {{t}, {}});
    EXPECT_TRUE(mask.solution.summaries.empty());
    EXPECT_EQ(wrongClasses(mask, t), 0) << bits << " bits, step " << step;
  }
}

/// A function that overlooks single ones of 64 entries is noticed.
TEST(MaskFlags, FaultsAreSeen) {
  Table t = flags(8, 1);
  CompiledMask mask(
      load(0, {h, q, k}) != 0, {{t}, {}}, [](MaskSolution &solution) {
        auto module = solution.classify->getParentOfType<mlir::ModuleOp>();
        for (auto func : module.getOps<mlir::func::FuncOp>())
          if (func.getSymName().starts_with(kMaskFlagPrefix))
            func.walk([](mlir::vector::ReductionOp op) {
              op.setKind(mlir::vector::CombiningKind::AND);
            });
      });
  EXPECT_GT(wrongClasses(mask, t), 0);
}

/// Runs hold every flag, and nothing of a stretch without any.
TEST(MaskFlags, BoundTheKeysOfRows) {
  Table t{{512, 8192}, {}, 8, 1};
  t.data.assign(512 * 8192, 0);
  auto set = [&](int64_t row, int64_t key) {
    t.data[size_t(row * 8192 + key)] = 1;
  };
  set(200, 40);
  for (int64_t key = 5000; key < 6001; ++key)
    set(255, key);
  set(256, 7000); // of the tile behind
  CompiledMask mask(load(0, {q, k}) != 0, {{t}, {}});
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  ASSERT_EQ(mask.bounds(0, 0, 256, 8192, runs), 2);
  EXPECT_EQ(runs[0].lo, 32);
  EXPECT_EQ(runs[0].hi, 48);
  EXPECT_EQ(runs[1].lo, 4992);
  EXPECT_EQ(runs[1].hi, 6016);
}

/// Summaries stay where the same entries are read for many rows, and where more
/// is asked than whether a flag is set; ops without an interval ask nothing.
TEST(MaskFlags, OtherTablesAreSummarised) {
  auto summaries = [](const X &mask, Table t) {
    return CompiledMask(mask, {{std::move(t)}, {}}).solution.summaries.size();
  };
  Table one{{kKeys}, std::vector<int64_t>(kKeys, 1), 8, 1};
  Table two = flags(8, 1);
  EXPECT_EQ(summaries(load(0, {k}) != 0, one), 2u);
  EXPECT_EQ(summaries(load(0, {q - k}) != 0, one), 2u);
  EXPECT_EQ(summaries(load(0, {h, h, k}) != 0, two), 2u);
  EXPECT_EQ(summaries(load(0, {h, q, k}) > 1, two), 2u);
  EXPECT_EQ(summaries(load(0, {h, q, k}) != 0, two), 0u);
}
