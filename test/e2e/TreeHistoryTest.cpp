// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random trees of drafts against the reference, which walks from parent to
// parent: appended level by level beside chains, then a path is committed. What
// TreeTest holds against an oracle of its own is few masks; here masks, formats
// and modifiers are combined.
#include "test/e2e/CachePair.h"
#include "tools/fovea/Random.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <map>

using namespace fovea;
using namespace fovea::e2e;

namespace {

constexpr uint64_t kSeed = 20261128;
constexpr int64_t kLongest = 400; // of a sequence

std::vector<CacheType> treeTypes() {
  const std::string paged = "layout = paged<16>, segments = [all : f32]";
  const std::string int8 = "#kv.int8<per tok>";
  const std::string halves = " rope(%t : tensor<?x16x2xf32>, halves)";
  const std::string moving = "layout = paged<8>, segments = [first(4) : f32, "
                             "older : " +
                             int8 + ", recent(11) : bf16], new = f32";
  return {
      {"f32", paged, "f32", "mask(tree)"},
      {"bf16_paged7", "layout = paged<7, token_major>, segments = [all : bf16]",
       "bf16", "mask(causal and tree)"},
      {"int8", "layout = paged<16>, segments = [all : " + int8 + "]", "f32",
       "mask(tree) score(softcap(5.0), alibi(0.125))"},
      {"window", paged, "f32", "mask(tree and (window(20) or sink(3)))"},
      // Whoever is no ancestor, and the sink.
      {"not_tree", paged, "f32",
       "mask(causal and not tree or sink(5) or "
       "window(1))"},
      {"moving", moving, "f32", "mask(tree and window(60))"},
      {"ring",
       "layout = ring, segments = [first(4) : f32, recent(30) : f32], else = "
       "drop",
       "f32", "mask(tree)"},
      {"rope_before", paged + ", rope = before", "f32", "mask(tree)" + halves},
      {"rope_slot",
       "layout = ring, segments = [first(4) : f32, recent(30) : f32], else = "
       "drop, rope = slot",
       "f32", "mask(tree)" + halves},
      {"contiguous", "segments = [all : f16]", "f16",
       "mask(tree) score(softcap(3.0))"},
  };
}

/// `n` rows more of a tree that has parents.size() rows: broad, deep, or with
/// many roots.
std::vector<int64_t> grow(std::vector<int64_t> &parents, int64_t n,
                          Random &random) {
  std::vector<int64_t> added;
  int64_t shape = random.integer(0, 2);
  for (int64_t i = 0; i < n; ++i) {
    int64_t own = int64_t(parents.size());
    int64_t from = shape == 0 ? own - 2 : shape == 1 ? own - 5 : int64_t(-1);
    parents.push_back(random.integer(std::max<int64_t>(from, -1), own - 1));
    added.push_back(parents.back());
  }
  return added;
}

std::vector<int64_t> pathTo(const std::vector<int64_t> &parents, int64_t row) {
  std::vector<int64_t> path;
  for (; row >= 0; row = parents[size_t(row)])
    path.insert(path.begin(), row);
  return path;
}

class TreeHistory : public testing::TestWithParam<OnTarget<CacheType>> {};

TEST_P(TreeHistory, AgreesWithTheReference) {
  const auto &[target, type] = GetParam();
  CachePair both(type, target);
  ASSERT_TRUE(both.good());
  Random random(kSeed);
  std::vector<uint64_t> ids{1, 2, 3};
  for (uint64_t id : ids)
    both.create(id);
  // Contexts of several lengths, and one sequence without any.
  both.step({both.rows(1, 70, 1), both.rows(2, 5, 2)});
  both.commit(1);
  both.commit(2);
  for (uint64_t round = 0; round < 12; ++round) {
    SCOPED_TRACE("round " + std::to_string(round) + " of seed " +
                 std::to_string(kSeed));
    std::map<uint64_t, std::vector<int64_t>> trees;
    int64_t levels = random.integer(1, 3);
    for (int64_t level = 0; level < levels; ++level) {
      std::vector<CachePart> parts;
      for (uint64_t id : ids) {
        uint64_t seed = round * 100 + uint64_t(level) * 10 + id;
        int64_t n = random.integer(1, 12);
        CachePart part = both.rows(id, n, seed);
        part.parents = grow(trees[id], n, random);
        if (random.integer(0, 3) == 0) { // a chain behind the last row
          int64_t own = int64_t(trees[id].size()) - n;
          for (int64_t r = 0; r < n; ++r)
            trees[id][size_t(own + r)] = own + r - 1;
          part.parents.clear();
        }
        parts.push_back(std::move(part));
      }
      both.step(parts);
      if (HasFailure())
        return;
    }
    for (uint64_t id : ids) {
      const std::vector<int64_t> &parents = trees[id];
      std::vector<int64_t> keep =
          pathTo(parents, random.integer(-1, int64_t(parents.size()) - 1));
      if (both.length(id) > kLongest)
        keep.clear();
      both.commit(id, keep);
    }
    // What is left is a chain again: one token sees all of it.
    both.step({both.rows(3, 1, round), both.rows(1, 1, round)});
    both.commit(3);
    both.commit(1);
    if (HasFailure())
      return;
  }
}

// One parent of many that the kernel is told wrongly shows in o and lse.
TEST(TreeHistoryItself, NoticesOneWrongParent) {
  CacheType type = treeTypes().front();
  CachePair both(type, runnableTargets().front());
  ASSERT_TRUE(both.good());
  both.create(1);
  both.step({both.rows(1, 30, 1)});
  both.commit(1);
  std::vector<CachePart> parts{both.rows(1, 20, 2)};
  Random random(kSeed);
  std::vector<int64_t> parents;
  parts[0].parents = grow(parents, 20, random);
  std::vector<CachePart> wrong{both.rows(1, 20, 2)};
  wrong[0].parents = parents;
  int64_t &last = wrong[0].parents.back();
  last = last > 0 ? last - 1 : last + 1;
  testing::TestPartResultArray failures;
  {
    testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::
            INTERCEPT_ONLY_CURRENT_THREAD,
        &failures);
    both.step(parts, nullptr, &wrong);
  }
  EXPECT_EQ(failures.size(), 2); // o and lse
}

INSTANTIATE_TEST_SUITE_P(E2E, TreeHistory,
                         testing::Combine(testing::ValuesIn(runnableTargets()),
                                          testing::ValuesIn(treeTypes())),
                         nameOf<CacheType>);
INSTANTIATE_TEST_SUITE_P(
    Emulated, TreeHistory,
    testing::Combine(testing::Values(kEmulated),
                     testing::ValuesIn(forGpu(treeTypes()))),
    nameOf<CacheType>);

} // namespace
