// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counts by bisection against counts pair by pair, over masks in plain C++
// whose classes are as coarse or as sharp as a solver's; and a wrong class,
// which must show.
#include "tools/fovea/Counts.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace fovea::cli;

namespace {

// keep is the truth; the lengths and offsets make q and k differ.
int32_t causal(const fovea_abi_args *, int64_t, int64_t, int64_t q, int64_t k,
               int64_t) {
  return k <= q;
}
int32_t band(const fovea_abi_args *, int64_t, int64_t h, int64_t q, int64_t k,
             int64_t) {
  return k <= q && q - k < 7 + 5 * h;
}
int32_t dilated(const fovea_abi_args *, int64_t, int64_t, int64_t q, int64_t k,
                int64_t) {
  return k <= q && (q - k) % 4 == 0;
}
int32_t nothing(const fovea_abi_args *, int64_t, int64_t, int64_t, int64_t,
                int64_t) {
  return 0;
}

/// The exact class, by looking; `flip` makes partial tiles full.
template <fovea_keep_fn keep, bool flip = false>
int32_t classify(const fovea_abi_args *args, int64_t b, int64_t h, int64_t q0,
                 int64_t q1, int64_t k0, int64_t k1, int64_t len) {
  int64_t live = 0;
  for (int64_t q = q0; q < q1; ++q)
    for (int64_t k = k0; k < k1; ++k)
      live += keep(args, b, h, q, k, len);
  if (live == 0)
    return FOVEA_TILE_EMPTY;
  if (flip)
    return FOVEA_TILE_FULL;
  return live == (q1 - q0) * (k1 - k0) ? FOVEA_TILE_FULL : FOVEA_TILE_PARTIAL;
}
/// A class that knows nothing.
int32_t undecided(const fovea_abi_args *, int64_t, int64_t, int64_t, int64_t,
                  int64_t, int64_t, int64_t) {
  return FOVEA_TILE_PARTIAL;
}
int32_t everything(const fovea_abi_args *, int64_t, int64_t, int64_t, int64_t,
                   int64_t len, fovea_abi_run *runs) {
  runs[0] = {0, len};
  return len > 0;
}

struct Shape {
  int64_t queries, keys, offset;
};

class Counts : public testing::TestWithParam<Shape> {
protected:
  fovea_mask_info mask(fovea_keep_fn keep, fovea_class_fn classify) {
    fovea_mask_info info{};
    info.size = sizeof(info);
    info.bounds = everything;
    info.classify = classify;
    info.keep = keep;
    info.batch = 1;
    info.query_heads = 2;
    info.sq = GetParam().queries;
    info.sk = GetParam().keys;
    offset = GetParam().offset;
    length = GetParam().keys;
    info.q_off = &offset;
    info.k_len = &length;
    info.group = info.kv_group = 1;
    return info;
  }
  static int64_t bruteForce(const fovea_mask_info &m, int64_t h) {
    int64_t pairs = 0;
    for (int64_t q = 0; q < m.sq; ++q)
      for (int64_t k = 0; k < m.k_len[0]; ++k)
        pairs += m.keep(nullptr, 0, h, q + m.q_off[0], k, m.k_len[0]);
    return pairs;
  }
  int64_t offset = 0, length = 0;
};

TEST_P(Counts, pairs) {
  for (const fovea_mask_info &m :
       {mask(causal, classify<causal>), mask(band, classify<band>),
        mask(dilated, classify<dilated>), mask(nothing, classify<nothing>),
        mask(causal, undecided), mask(dilated, undecided)})
    for (int64_t h = 0; h < 2; ++h)
      EXPECT_EQ(countPairs(m, 0, h, 0, m.sq), bruteForce(m, h));
}

TEST_P(Counts, keysOfATile) {
  for (const fovea_mask_info &m :
       {mask(band, classify<band>), mask(dilated, undecided)}) {
    int64_t q1 = std::min<int64_t>(m.sq, 5);
    std::vector<bool> seen(size_t(m.sk), false), got = seen;
    for (int64_t q = 0; q < q1; ++q)
      for (int64_t k = 0; k < m.sk; ++k)
        if (m.keep(nullptr, 0, 1, q + offset, k, length))
          seen[size_t(k)] = true;
    int64_t end = -1;
    for (const fovea_abi_run &run : visibleKeys(m, 0, 1, 0, q1)) {
      EXPECT_GT(run.lo, end);
      end = run.hi;
      for (int64_t k = run.lo; k < run.hi; ++k)
        got[size_t(k)] = true;
    }
    EXPECT_EQ(got, seen);
    EXPECT_EQ(liveKeys(m, 0, 1, 0, q1, 0, m.sk),
              std::count(seen.begin(), seen.end(), true));
  }
}

TEST_P(Counts, spansOfBlocks) {
  fovea_mask_info m = mask(band, classify<band>);
  int64_t q1 = std::min<int64_t>(m.sq, 8), blocks = 0;
  classifyRun(
      m, 0, 0, 0, q1, 0, m.sk, 16, [&](int32_t kind, int64_t lo, int64_t hi) {
        EXPECT_EQ(lo % 16, 0);
        for (int64_t k = lo; k < hi; k += 16, ++blocks)
          EXPECT_EQ(kind, classOf(m, 0, 0, 0, q1, k, std::min(k + 16, hi)));
      });
  EXPECT_EQ(blocks, (m.sk + 15) / 16);
}

// A class that calls partial tiles full must not go unseen.
TEST_P(Counts, aWrongClassShows) {
  fovea_mask_info wrong = mask(dilated, classify<dilated, true>);
  int64_t pairs = bruteForce(wrong, 0);
  if (pairs > 1)
    EXPECT_NE(countPairs(wrong, 0, 0, 0, wrong.sq), pairs);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Counts,
                         testing::Values(Shape{1, 1, 0}, Shape{1, 97, 96},
                                         Shape{97, 31, 0}, Shape{65, 64, -1},
                                         Shape{64, 129, 65}, Shape{0, 9, 9},
                                         Shape{40, 0, 0}));

TEST(Alike, sequencesAndHeads) {
  fovea_mask_info m{};
  int64_t off[] = {0, 3, 0}, len[] = {8, 8, 8}, rows[] = {0, 8, 16, 24};
  m.bounds = everything;
  m.batch = 3;
  m.query_heads = 4;
  m.q_off = off;
  m.k_len = len;
  m.row_off = rows;
  auto sum = [](const std::vector<Alike> &classes) {
    int64_t n = 0;
    for (const Alike &c : classes)
      n += c.count;
    return n;
  };
  for (bool batch : {false, true})
    for (bool head : {false, true}) {
      std::vector<Alike> classes = alike(m, batch, head);
      EXPECT_EQ(sum(classes), 12);
      EXPECT_EQ(classes.size(), size_t((batch ? 3 : 2) * (head ? 4 : 1)));
    }
}

} // namespace
