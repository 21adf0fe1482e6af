// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of caches: every row is a cache's type, compiled for every target
// of the machine and led through one history of prompts, chunks, single rows,
// commits with keep lists, trims and forks. After every step o and lse are held
// against the reference, which keeps its own cache beside the runtime's.
#include "test/e2e/CachePair.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace fovea;
using namespace fovea::e2e;

namespace {

const char *const kInt8 = "#kv.int8<per tok>";

std::vector<CacheType> cacheTypes() {
  std::string int8 = kInt8;
  return {
      // Every format in every layout.
      {"f32_contiguous", "segments = [all : f32]"},
      {"f16_token_major", "layout = token_major, segments = [all : f16]",
       "f16"},
      {"bf16_paged16", "layout = paged<16>, segments = [all : bf16]", "bf16"},
      {"bf16_paged7_token_major",
       "layout = paged<7, token_major>, segments = [all : bf16]", "bf16"},
      {"f16_paged1", "layout = paged<1>, segments = [all : f16]", "f16"},
      {"int8_contiguous", "segments = [all : " + int8 + "]"},
      {"int8_token_major",
       "layout = token_major, segments = [all : " + int8 + "]"},
      {"int8_paged16", "layout = paged<16>, segments = [all : " + int8 + "]"},
      {"int8_of_bf16_paged5",
       "layout = paged<5>, segments = [all : " + int8 + "], new = bf16",
       "bf16"},
      {"int8_keys_f16_values",
       "layout = paged<16>, segments = [all : (" + int8 + ", f16)], new = f32"},
      {"f16_keys_int8_values",
       "layout = paged<16>, segments = [all : (f16, " + int8 + ")], new = f32"},
      {"bf16_of_f32", "layout = paged<16>, segments = [all : bf16], new = f32"},
      {"dim_48", "layout = paged<16>, segments = [all : f32]", "f32",
       "mask(causal)", 48},
      // Tokens that move on.
      {"window_in_front_of_int8",
       "layout = paged<16>, segments = [older : " + int8 +
           ", recent(20) : f32 in contiguous]"},
      {"sink_older_recent",
       "layout = paged<8>, segments = [first(4) : f32, older : " + int8 +
           ", recent(11) : bf16], new = f32"},
      {"sink_and_ring",
       "layout = ring, segments = [first(4) : f32, recent(30) : f32], else = "
       "drop"},
      {"ring_only",
       "layout = ring, segments = [recent(16) : bf16], else = drop", "bf16"},
      {"coarser_and_coarser", "layout = paged<3>, segments = [older : f16, "
                              "recent(7) : f32], new = f32"},
      // Rotated where they are read.
      {"rope_before",
       "layout = paged<16>, segments = [all : f32], rope = before", "f32",
       "mask(causal) rope(%t : tensor<?x16x2xf32>, halves)"},
      {"rope_before_int8_pairs",
       "layout = paged<16>, segments = [all : " + int8 + "], rope = before",
       "f32", "mask(causal) rope(%t : tensor<?x16x2xf32>, pairs)"},
      {"rope_slot",
       "layout = ring, segments = [first(4) : f32, recent(30) : f32], else = "
       "drop, rope = slot",
       "f32", "mask(causal) rope(%t : tensor<?x16x2xf32>, halves)"},
      // Masks and scores over segments.
      {"window_mask", "layout = paged<16>, segments = [all : f32]", "f32",
       "mask(causal and (window(20) or sink(3)))"},
      {"softcap", "layout = paged<16>, segments = [all : " + int8 + "]", "f32",
       "mask(causal) score(softcap(5.0))"},
  };
}

/// Rows [from, to) of a part.
CachePart slice(const CachePart &part, uint64_t sequence, int64_t from,
                int64_t to) {
  CachePart out{sequence, {}, {}, {}};
  for (HostTensor CachePart::*which :
       {&CachePart::q, &CachePart::k, &CachePart::v}) {
    const HostTensor &all = part.*which;
    std::vector<int64_t> shape = all.shape;
    size_t row = all.bytes.size() / size_t(shape[0]);
    shape[0] = to - from;
    HostTensor piece(all.dtype, shape);
    std::copy_n(all.bytes.begin() + long(size_t(from) * row),
                size_t(to - from) * row, piece.bytes.begin());
    out.*which = std::move(piece);
  }
  return out;
}

void expectNear(const std::vector<double> &got, const std::vector<double> &want,
                double bound, const std::string &what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_LE(std::fabs(got[i] - want[i]), bound) << what << ", element " << i;
}

class CacheTable : public testing::TestWithParam<OnTarget<CacheType>> {};

/// A prompt whole, in chunks and token by token, uncommitted: the same outputs;
/// and after the commit the same caches.
void checkChunks(CachePair &both) {
  constexpr int64_t n = 45;
  CachePart prompt = both.rows(1, n, 100);
  both.create(1);
  std::vector<double> whole = both.step({prompt});
  ASSERT_FALSE(whole.empty());
  size_t row = whole.size() / size_t(n);
  for (auto [id, size] : {std::pair<uint64_t, int64_t>{2, 7}, {3, 1}}) {
    both.create(id);
    std::vector<double> pieces;
    for (int64_t from = 0; from < n; from += size) {
      std::vector<double> piece =
          both.step({slice(prompt, id, from, std::min(from + size, n))});
      pieces.insert(pieces.end(), piece.begin(), piece.end());
    }
    expectNear(pieces, whole, both.bound(),
               "in chunks of " + std::to_string(size));
  }
  for (uint64_t id : {1, 2, 3})
    both.commit(id);
  CachePart next = both.rows(1, 1, 101);
  std::vector<double> three = both.step(
      {slice(next, 3, 0, 1), slice(next, 1, 0, 1), slice(next, 2, 0, 1)});
  std::vector<double> first(three.begin(), three.begin() + long(row));
  for (size_t i : {size_t(1), size_t(2)})
    expectNear(
        {three.begin() + long(i * row), three.begin() + long((i + 1) * row)},
        first, both.bound(), "the token behind the prompt");
}

TEST_P(CacheTable, AgreesWithTheReference) {
  const auto &[target, type] = GetParam();
  CachePair both(type, target);
  ASSERT_TRUE(both.good());
  checkChunks(both);
  if (HasFailure())
    return;

  // A mix of one row, a chunk and a prompt; then what each keeps of it.
  both.create(4);
  both.step({both.rows(2, 9, 102), both.rows(1, 1, 103), both.rows(4, 20, 104),
             both.rows(3, 2, 105)});
  both.commit(2, std::vector<int64_t>{8, 1, 3}); // one row is there already
  both.commit(1);
  both.commit(4, std::vector<int64_t>{});
  both.commit(3, std::vector<int64_t>{0, 2});
  if (HasFailure())
    return;
  for (uint64_t seed = 110; seed < 140; ++seed) {
    both.step({both.rows(1, 1, seed), both.rows(4, 1 + int64_t(seed % 3), seed),
               both.rows(2, 1, seed)});
    for (uint64_t id : {1, 2, 4})
      if (seed % 4 != id % 4) // some rows stay new for a while
        both.commit(id);
    if (HasFailure())
      return;
  }
  for (uint64_t id : {1, 2, 3, 4})
    both.commit(id);

  // Back to new rows, and into what may have been encoded or dropped.
  both.step({both.rows(1, 6, 150)});
  both.trim(1, both.length(1) - 4);
  both.step({both.rows(1, 3, 151)});
  both.commit(1);
  for (int64_t back : {1, 5, 30})
    both.trim(2, both.length(2) - back);
  both.step({both.rows(2, 2, 152), both.rows(1, 1, 153)});
  both.commit(2);
  if (HasFailure())
    return;

  // A prefix that sequences share, read once or for each: the same.
  int64_t length = both.length(3);
  std::vector<uint64_t> ids{3};
  for (uint64_t child : {21, 22, 23})
    if (both.fork(3, length, child))
      ids.push_back(child);
  both.fork(3, length - 3, 24);
  fovea_plan *apart = both.makePlan(false, false);
  fovea_plan *exact = both.makePlan(true, true);
  std::vector<CachePart> parts;
  for (uint64_t id : ids)
    parts.push_back(both.rows(id, 1, 160 + id));
  auto again = [&](const std::vector<CachePart> &of, fovea_plan *plan) {
    std::vector<double> o = both.step(of, plan);
    for (const CachePart &part : of)
      both.trim(part.sequence, both.length(part.sequence) - part.q.shape[0]);
    return o;
  };
  std::vector<double> shared = again(parts, nullptr);
  expectNear(again(parts, apart), shared, both.bound(), "not shared");
  // Deterministic: alone or beside others, bit by bit.
  std::vector<double> together = again(parts, exact), alone;
  for (const CachePart &part : parts) {
    std::vector<double> o = again({part}, exact);
    alone.insert(alone.end(), o.begin(), o.end());
  }
  EXPECT_EQ(together, alone);
  fovea_plan_destroy(apart);
  fovea_plan_destroy(exact);

  // What one writes no other sees.
  both.step(parts);
  for (uint64_t id : ids)
    both.commit(id);
  both.free(3);
  ids.erase(ids.begin());
  for (uint64_t id : ids)
    both.step({both.rows(id, 2, 170 + id)});
}

// What the steps are held against would notice one row in a wrong place.
TEST(CacheTableItself, NoticesRowsInAnotherOrder) {
  CacheType type{"int8", std::string("layout = paged<16>, segments = [all : ") +
                             kInt8 + "]"};
  CachePair both(type, runnableTargets().front());
  ASSERT_TRUE(both.good());
  for (uint64_t id : {1, 2}) {
    both.create(id);
    both.step({both.rows(id, 2, 100)});
  }
  both.commit(1);
  both.commitWrongly(2);
  both.step({both.rows(1, 1, 101)});
  // The next token sees both rows: only where masks tell them apart, or where
  // rows are dropped again, does the order show.
  EXPECT_TRUE(both.trim(2, 1));
  testing::TestPartResultArray failures;
  {
    testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::
            INTERCEPT_ONLY_CURRENT_THREAD,
        &failures);
    both.step({both.rows(2, 1, 101)});
  }
  EXPECT_EQ(failures.size(), 2); // o and lse
}

INSTANTIATE_TEST_SUITE_P(E2E, CacheTable,
                         testing::Combine(testing::ValuesIn(runnableTargets()),
                                          testing::ValuesIn(cacheTypes())),
                         nameOf<CacheType>);
INSTANTIATE_TEST_SUITE_P(
    Emulated, CacheTable,
    testing::Combine(testing::Values(kEmulated),
                     testing::ValuesIn(forGpu(cacheTypes()))),
    nameOf<CacheType>);

} // namespace
