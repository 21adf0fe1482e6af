// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Trees of uncommitted rows: what a cache remembers of their parents.
#include "test/unit/runtime/KvFixture.h"
#include <functional>

using namespace fovea::rt;
using namespace fovea::test;

/// The parents of a sequence's rows; empty for a chain.
static std::vector<int32_t> treeOf(KvPair &p, uint64_t seq) {
  int32_t i = p.kv->find(seq);
  std::vector<int32_t> parents(size_t(p.kv->treeRows(i)));
  p.kv->copyTree(i, parents.data(), 1);
  return parents;
}

TEST(Kv, TreesAreRememberedUntilTheCommit) {
  using Parents = std::vector<int32_t>;
  KvPair p(CacheKind::Plain);
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.begin(2));
  auto extend = [&](std::vector<std::pair<uint64_t, int>> rows,
                    Parents parents) {
    Batch batch;
    for (auto [id, n] : rows)
      batch.add(id, n);
    batch.get();
    batch.b.parent = parents.empty() ? nullptr : parents.data();
    return p.kv->reserve(batch.b, true);
  };
  ASSERT_FOVEA(extend({{1, 2}, {2, 1}}, {}));
  EXPECT_EQ(treeOf(p, 1), Parents()); // a chain so far
  ASSERT_FOVEA(extend({{1, 2}, {2, 1}}, {0, -1, 0}));
  EXPECT_EQ(treeOf(p, 1), Parents({-1, 0, 0, -1}));
  EXPECT_EQ(treeOf(p, 2), Parents());
  ASSERT_FOVEA(extend({{1, 1}}, {}));
  EXPECT_EQ(treeOf(p, 1), Parents({-1, 0, 0, -1, 3}));
  // Rows that are there give the parents they have, or none.
  Batch known{{1, 2}};
  known.get();
  Parents same{-1, 3}, other{-1, 2};
  known.b.parent = same.data();
  ASSERT_FOVEA(p.kv->reserve(known.b, false));
  known.b.parent = other.data();
  EXPECT_REFUSED(FOVEA_INVALID,
                 "parent of row 1 of sequence 1 to be 3 as when it was "
                 "appended, got 2",
                 p.kv->reserve(known.b, false));
  ASSERT_FOVEA(fovea_kv_trim(p.kv, 1, 3));
  EXPECT_EQ(treeOf(p, 1), Parents({-1, 0, 0}));
  ASSERT_FOVEA(extend({{1, 1}}, {1}));
  EXPECT_EQ(treeOf(p, 1), Parents({-1, 0, 0, 1}));
  Batch last({{1, 1}});
  p.kv->rollback(*last.get());
  EXPECT_EQ(treeOf(p, 1), Parents({-1, 0, 0}));
  const int32_t keep[] = {0, 2};
  ASSERT_FOVEA(fovea_kv_commit(p.kv, 1, keep, 2, nullptr));
  EXPECT_EQ(treeOf(p, 1), Parents());
  // All entries came back: as many rows as limits.rows are a tree again.
  ASSERT_FOVEA(fovea_kv_commit(p.kv, 2, nullptr, -1, nullptr));
  for (int round = 0; round < 3; ++round) {
    int64_t rows = p.kv->limits.rows - p.kv->uncommittedRows;
    rows = std::min<int64_t>(rows, p.kv->limits.max_len - p.kv->length(0));
    ASSERT_FOVEA(extend({{1, int(rows)}}, Parents(size_t(rows), -1)));
    EXPECT_EQ(treeOf(p, 1), Parents(size_t(rows), -1));
    ASSERT_FOVEA(fovea_kv_commit(p.kv, 1, nullptr, 0, nullptr));
  }
  ASSERT_FOVEA(extend({{1, 2}}, {-1, -1}));
  ASSERT_FOVEA(fovea_kv_free(p.kv, 1));
  ASSERT_FOVEA(p.begin(3));
  ASSERT_FOVEA(extend({{3, 2}}, {}));
  EXPECT_EQ(treeOf(p, 3), Parents());
}
