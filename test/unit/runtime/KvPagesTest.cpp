// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Caches: which pages sequences have and share after commits, forks and trims.
#include "test/unit/runtime/KvFixture.h"

using namespace fovea::test;

namespace {

/// What a plan gets of one sequence in one segment.
struct Snapshot {
  fovea_abi_range range{};
  std::vector<int32_t> pages;
};

Snapshot snapshotOf(const KvPair &p, uint64_t id, uint32_t segment) {
  Batch batch{{id, 0}};
  Snapshot s;
  s.pages.resize(64);
  int64_t used = 0;
  EXPECT_EQ(p.kv->snapshot(*batch.get(), segment, &s.range, s.pages.data(), 64,
                           &used),
            FOVEA_OK)
      << fovea_message();
  s.pages.resize(size_t(used));
  return s;
}

TEST(Kv, CommitKeepsAndMoves) {
  for (CacheKind kind : {CacheKind::Plain, CacheKind::Kept, CacheKind::Coded,
                         CacheKind::Rich, CacheKind::Chain, CacheKind::Sink}) {
    KvPair p(kind);
    ASSERT_FOVEA(p.begin(1));
    ASSERT_FOVEA(p.grow(1, 2));
    EXPECT_EQ(p.differences(), 0);
    // A tree of 7 rows of which a path is kept; then more than the window.
    ASSERT_FOVEA(p.append(1, 7));
    EXPECT_EQ(p.differences(), 0);
    const int32_t path[] = {0, 2, 5};
    ASSERT_FOVEA(p.commit(1, path, 3));
    EXPECT_EQ(p.differences(), 0);
    ASSERT_FOVEA(p.append(1, 17));
    ASSERT_FOVEA(p.append(1, 2)); // rows of two steps
    EXPECT_EQ(p.differences(), 0);
    const int32_t mixed[] = {3, 1, 2, 18, 0, 4, 6, 5, 17, 16};
    ASSERT_FOVEA(p.commit(1, mixed, 10));
    EXPECT_EQ(p.differences(), 0);
    ASSERT_FOVEA(p.append(1, 3));
    ASSERT_FOVEA(p.commit(1, nullptr, 1));
    EXPECT_EQ(p.differences(), 0);
    EXPECT_EQ(p.model[1].committed.size(), 16u);
    ASSERT_FOVEA(p.append(1, 3));
    ASSERT_FOVEA(p.commit(1, nullptr, 0));
    EXPECT_EQ(p.model[1].committed.size(), 16u);
    EXPECT_EQ(p.differences(), 0);
  }
}

TEST(Kv, CommitRefusesWrongKeeps) {
  for (CacheKind kind : {CacheKind::Plain, CacheKind::Rich}) {
    KvPair p(kind);
    ASSERT_FOVEA(p.begin(1));
    ASSERT_FOVEA(p.append(1, 4));
    const int32_t repeats[] = {0, 2, 0}, beyond[] = {0, 4}, negative[] = {-1};
    EXPECT_REFUSED(FOVEA_INVALID, "a row once in keep, got 0 at 0 and at 2",
                   p.commit(1, repeats, 3));
    EXPECT_REFUSED(FOVEA_INVALID, "keep[1] to be one of the 4 uncommitted",
                   p.commit(1, beyond, 2));
    EXPECT_REFUSED(FOVEA_INVALID, "keep[0] to be one of the 4 uncommitted",
                   p.commit(1, negative, 1));
    EXPECT_REFUSED(FOVEA_INVALID, "at most the 4 uncommitted rows",
                   p.commit(1, nullptr, 5));
    EXPECT_REFUSED(FOVEA_INVALID, "at most the 4 uncommitted rows",
                   p.commit(1, repeats, -1));
    EXPECT_REFUSED(FOVEA_INVALID, "a sequence of the cache, got 2",
                   p.commit(2));
    int stream;
    EXPECT_REFUSED(FOVEA_INVALID, "no stream on the CPU",
                   fovea_kv_commit(p.kv, 1, nullptr, -1, &stream));
    EXPECT_EQ(p.differences(), 0);
    ASSERT_FOVEA(p.commit(1));
    EXPECT_EQ(p.differences(), 0);
  }
}

TEST(Kv, ForksShareWholePages) {
  KvPair p(CacheKind::Kept); // pages of 4
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.grow(1, 14));
  int64_t free = p.stats().pages_free;
  ASSERT_FOVEA(p.fork(1, 10, 2));
  EXPECT_EQ(p.differences(), 0);
  EXPECT_EQ(p.stats().pages_free, free - 1); // the open one was copied
  EXPECT_EQ(p.stats().pages_shared, 2);
  EXPECT_EQ(p.stats().copies, 0);
  Snapshot a = snapshotOf(p, 1, 0), b = snapshotOf(p, 2, 0);
  EXPECT_EQ(a.pages[0], b.pages[0]);
  EXPECT_EQ(a.pages[1], b.pages[1]);
  EXPECT_NE(a.pages[2], b.pages[2]);
  EXPECT_EQ(p.kv->sharedPrefix(p.kv->find(1), p.kv->find(2)), 8);
  // Neither may write to what they share: both cut it and go on.
  ASSERT_FOVEA(p.trim(1, 6));
  ASSERT_FOVEA(p.trim(2, 6));
  EXPECT_EQ(p.differences(), 0);
  ASSERT_FOVEA(p.grow(1, 3));
  ASSERT_FOVEA(p.grow(2, 3));
  EXPECT_EQ(p.differences(), 0);
  EXPECT_EQ(p.stats().copies, 1);
  EXPECT_EQ(p.kv->sharedPrefix(p.kv->find(1), p.kv->find(2)), 4);
  // Shared pages outlive their first owner.
  ASSERT_FOVEA(p.release(1));
  EXPECT_EQ(p.differences(), 0);
  EXPECT_EQ(p.stats().pages_shared, 0);
  EXPECT_REFUSED(FOVEA_INVALID, "between 0 and its 9 committed tokens, got 10",
                 p.fork(2, 10, 3));
  EXPECT_REFUSED(FOVEA_INVALID, "an id that is not in the cache",
                 p.fork(2, 9, 2));
  EXPECT_REFUSED(FOVEA_INVALID, "a sequence of the cache", p.fork(9, 0, 3));
}

TEST(Kv, UncommittedRowsAreNotForked) {
  for (CacheKind kind : {CacheKind::Plain, CacheKind::Coded, CacheKind::Sink}) {
    KvPair p(kind);
    ASSERT_FOVEA(p.begin(1));
    ASSERT_FOVEA(p.grow(1, 9));
    ASSERT_FOVEA(p.append(1, 3));
    EXPECT_REFUSED(FOVEA_INVALID, "9 committed tokens, got 12",
                   p.fork(1, 12, 2));
    ASSERT_FOVEA(p.fork(1, 9, 2));
    ASSERT_FOVEA(p.grow(2, 4));
    ASSERT_FOVEA(p.commit(1));
    EXPECT_EQ(p.differences(), 0);
  }
}

TEST(Kv, TrimTakesBackWhatIsStillThere) {
  KvPair p(CacheKind::Rich); // first 3, recent 5
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.grow(1, 8));
  ASSERT_FOVEA(p.append(1, 4));
  ASSERT_FOVEA(p.trim(1, 10)); // two of the rows
  ASSERT_FOVEA(p.trim(1, 6));  // nothing has left recent yet
  EXPECT_EQ(p.differences(), 0);
  ASSERT_FOVEA(p.grow(1, 6)); // 12: tokens 3 to 6 are encoded
  EXPECT_REFUSED(FOVEA_INVALID, "tokens [6, 7) were encoded", p.trim(1, 11));
  EXPECT_REFUSED(FOVEA_INVALID, "tokens [6, 7) were encoded", p.fork(1, 11, 2));
  EXPECT_REFUSED(FOVEA_INVALID, "between 0 and its length 12, got 13",
                 p.trim(1, 13));
  EXPECT_REFUSED(FOVEA_INVALID, "between 0 and its length 12, got -1",
                 p.trim(1, -1));
  EXPECT_EQ(p.differences(), 0);
  ASSERT_FOVEA(p.trim(1, 12)); // nothing to do
  ASSERT_FOVEA(p.trim(1, 3));  // the first ones never moved
  EXPECT_EQ(p.differences(), 0);
  ASSERT_FOVEA(p.trim(1, 0));
  EXPECT_EQ(p.differences(), 0);
  EXPECT_EQ(p.stats().pages_free, p.stats().pages);

  KvPair sink(CacheKind::Sink);
  ASSERT_FOVEA(sink.begin(1));
  ASSERT_FOVEA(sink.grow(1, 12));
  EXPECT_REFUSED(FOVEA_INVALID, "tokens [4, 7) were dropped", sink.trim(1, 9));
  // Positions by slot lag behind by what was dropped.
  Snapshot recent = snapshotOf(sink, 1, 1);
  EXPECT_EQ(recent.range.begin, 7);
  EXPECT_EQ(recent.range.end, 12);
  EXPECT_EQ(recent.range.base, 3);
  EXPECT_EQ(recent.range.shift, 4);
  EXPECT_EQ(snapshotOf(sink, 1, 0).range.shift, 0);
  EXPECT_EQ(snapshotOf(sink, 1, 2).range.shift, 4);
}

TEST(Kv, TrimCopiesASharedPageWithMetadata) {
  KvLimits limits;
  limits.pages = 3;
  KvPair p(CacheKind::Kept, {}, limits); // pages of 4
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.grow(1, 8));
  ASSERT_FOVEA(p.fork(1, 8, 2));
  ASSERT_FOVEA(p.begin(3));
  ASSERT_FOVEA(p.grow(3, 4));
  EXPECT_REFUSED(FOVEA_NO_PAGES, "1 more free pages", p.trim(1, 6));
  EXPECT_EQ(p.differences(), 0);
  ASSERT_FOVEA(p.release(3));
  ASSERT_FOVEA(p.trim(1, 6));
  EXPECT_EQ(p.stats().copies, 1);
  EXPECT_EQ(p.differences(), 0);
}

TEST(Kv, GenerationsTellWhatWentStale) {
  KvPair p(CacheKind::Plain);
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.begin(2));
  int32_t i = p.kv->find(1);
  uint32_t g = p.kv->generation(i), other = p.kv->generation(p.kv->find(2));
  ASSERT_FOVEA(p.append(1, 6));
  ASSERT_FOVEA(p.append(1, 6));
  EXPECT_EQ(p.kv->generation(i), g); // growth is none
  ASSERT_FOVEA(p.commit(1));
  EXPECT_NE(p.kv->generation(i), g);
  g = p.kv->generation(i);
  ASSERT_FOVEA(p.trim(1, 4));
  EXPECT_NE(p.kv->generation(i), g);
  g = p.kv->generation(i);
  ASSERT_FOVEA(p.release(1));
  EXPECT_NE(p.kv->generation(i), g);
  EXPECT_EQ(p.kv->generation(p.kv->find(2)), other);
}

TEST(Kv, SharedPrefixAcrossSegments) {
  KvPair p(CacheKind::Rich, {1, 2}); // first 3, pages of one token
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.grow(1, 12));
  ASSERT_FOVEA(p.fork(1, 12, 2));
  auto shared = [&] {
    return p.kv->sharedPrefix(p.kv->find(1), p.kv->find(2));
  };
  EXPECT_EQ(shared(), 7); // first and older; windows are copies
  ASSERT_FOVEA(p.grow(1, 1));
  EXPECT_EQ(shared(), 7);
  ASSERT_FOVEA(p.grow(2, 1)); // both encode token 7 for themselves
  EXPECT_EQ(shared(), 7);
  ASSERT_FOVEA(p.begin(3));
  EXPECT_EQ(p.kv->sharedPrefix(p.kv->find(1), p.kv->find(3)), 0);
  EXPECT_EQ(p.differences(), 0);
}

TEST(Kv, TouchedPagesAreThoseOfNewRows) {
  KvPair p(CacheKind::Kept); // pages of 4
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.begin(2));
  ASSERT_FOVEA(p.begin(3));
  ASSERT_FOVEA(p.grow(1, 6));
  Batch batch{{1, 5}, {2, 3}, {3, 0}};
  ASSERT_FOVEA(p.append(batch));
  fovea_abi_item items[8];
  ASSERT_EQ(p.kv->touchedPages(*batch.get(), items, 8), 3);
  Snapshot one = snapshotOf(p, 1, 0), two = snapshotOf(p, 2, 0);
  EXPECT_EQ(items[0].row, one.pages[1]);
  EXPECT_EQ(items[0].k1, 4);
  EXPECT_EQ(items[1].row, one.pages[2]);
  EXPECT_EQ(items[1].k1, 3);
  EXPECT_EQ(items[2].row, two.pages[0]);
  EXPECT_EQ(items[2].k1, 3);
  EXPECT_EQ(p.kv->touchedPages(*batch.get(), items, 1), 3); // counted all
}

} // namespace
