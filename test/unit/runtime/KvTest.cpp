// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The cache manager, function by function, and what it refuses. That refused
// calls change nothing is checked by comparing the whole cache with the model.
#include "test/unit/runtime/KvFixture.h"

#include <functional>

using namespace fovea::test;

namespace {

TEST(Kv, CreateChecksItsLimits) {
  Loaded k(cacheKernel(cacheOptions(CacheKind::Coded)));
  const int arg = cacheArg(k.kernel);
  auto refuse = [&](const char *words,
                    const std::function<void(fovea_kv_limits &)> &spoil) {
    fovea_kv_limits l{};
    l.size = sizeof l;
    l.layers = 1;
    l.seqs = l.max_len = 4;
    spoil(l);
    fovea_kv *kv = nullptr;
    EXPECT_NE(fovea_kv_create(k.kernel, arg, &l, &kv), FOVEA_OK);
    EXPECT_NE(std::string(fovea_message()).find(words), std::string::npos)
        << fovea_message();
    EXPECT_EQ(kv, nullptr);
  };
  using L = fovea_kv_limits &;
  refuse("fovea_kv_limits.size", [](L l) { l.size = 8; });
  refuse("fovea_kv_limits.layers", [](L l) { l.layers = 0; });
  refuse("fovea_kv_limits.layers", [](L l) { l.layers = 1 << 20; });
  refuse("fovea_kv_limits.seqs", [](L l) { l.seqs = 0; });
  refuse("fovea_kv_limits.max_len", [](L l) { l.max_len = 0; });
  refuse("fovea_kv_limits.pages", [](L l) { l.pages = -1; });
  refuse("fovea_kv_limits.rows", [](L l) { l.rows = -1; });
  refuse("device of kind 1", [](L l) { l.device = {kDLCUDA, 0}; });
  refuse("2^31 - 1 pages", [](L l) {
    l.seqs = 1 << 20;
    l.max_len = int64_t(1) << 40;
  });
  refuse("2^46 bytes", [](L l) {
    l.layers = 1 << 16;
    l.seqs = 1 << 10;
    l.max_len = int64_t(1) << 22;
  });
  fovea_kv *kv = nullptr;
  fovea_kv_limits l{};
  l.size = sizeof l;
  l.layers = 1;
  l.seqs = l.max_len = 4;
  EXPECT_REFUSED(FOVEA_INVALID, "to be a cache, got a tensor",
                 fovea_kv_create(k.kernel, 0, &l, &kv));
  EXPECT_REFUSED(FOVEA_INVALID, "expected an argument below 3",
                 fovea_kv_create(k.kernel, 3, &l, &kv));
  EXPECT_REFUSED(FOVEA_INVALID, "expected a kernel, got NULL",
                 fovea_kv_create(nullptr, arg, &l, &kv));
  EXPECT_REFUSED(FOVEA_INVALID, "fovea_kv_limits, got NULL",
                 fovea_kv_create(k.kernel, arg, nullptr, &kv));
  // An older caller's shorter struct will do.
  l.size = offsetof(fovea_kv_limits, rows);
  ASSERT_FOVEA(fovea_kv_create(k.kernel, arg, &l, &kv));
  EXPECT_EQ(kv->limits.rows, 4); // as many as sequences
  fovea_kv_destroy(kv);
  fovea_kv_destroy(nullptr);
}

TEST(Kv, SequencesBeginAndEnd) {
  KvLimits limits;
  limits.seqs = 3;
  KvPair p(CacheKind::Plain, {}, limits);
  // Ids are the engine's: any 64-bit number.
  for (uint64_t id : {uint64_t(0), ~uint64_t(0), uint64_t(7)})
    ASSERT_FOVEA(p.begin(id));
  EXPECT_REFUSED(FOVEA_INVALID, "an id that is not in the cache", p.begin(7));
  EXPECT_REFUSED(FOVEA_INVALID, "at most 3 sequences", p.begin(8));
  EXPECT_REFUSED(FOVEA_INVALID, "a sequence of the cache, got 9",
                 fovea_kv_free(p.kv, 9));
  ASSERT_FOVEA(p.release(0));
  ASSERT_FOVEA(p.begin(8));
  EXPECT_EQ(p.stats().sequences, 3);
  EXPECT_EQ(p.differences(), 0);
}

TEST(Kv, ExtendReservesAllOrNothing) {
  KvLimits limits;
  limits.pages = 4; // of 4 tokens
  limits.maxLen = 14;
  limits.rows = 12;
  KvPair p(CacheKind::Plain, {}, limits);
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.begin(2));
  Batch both{{1, 5}, {2, 4}};
  ASSERT_FOVEA(p.append(both));
  EXPECT_EQ(p.stats().pages_free, 1);
  EXPECT_EQ(p.stats().uncommitted, 9);
  Batch rows{{1, 2}, {2, 2}};
  EXPECT_REFUSED(FOVEA_INVALID, "12 uncommitted rows (limits.rows), got 9",
                 p.append(rows));
  ASSERT_FOVEA(p.commit(1));
  ASSERT_FOVEA(p.commit(2));
  Batch tooMany{{1, 4}, {2, 1}}; // one page each
  int64_t missing = 0;
  const int32_t add[] = {4, 1};
  ASSERT_FOVEA(fovea_kv_room(p.kv, both.seq.data(), add, 2, &missing));
  EXPECT_EQ(missing, 1);
  EXPECT_REFUSED(FOVEA_NO_PAGES, "1 more free pages in segment 'all', got 1",
                 p.append(tooMany));
  EXPECT_EQ(p.differences(), 0);
  Batch tooLong{{2, 11}};
  EXPECT_REFUSED(FOVEA_INVALID, "at most 14 tokens of a sequence",
                 p.append(tooLong));
  EXPECT_EQ(p.differences(), 0);
  Batch fits{{1, 3}, {2, 1}};
  ASSERT_FOVEA(p.append(fits));
  EXPECT_EQ(p.stats().pages_free, 0);
  EXPECT_EQ(p.differences(), 0);
}

TEST(Kv, BatchesAreChecked) {
  KvPair p(CacheKind::Plain);
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.begin(2));
  ASSERT_FOVEA(p.grow(1, 3));
  auto refuse = [&](fovea_status status, const char *words, Batch batch,
                    const std::function<void(fovea_batch &)> &spoil = {},
                    bool append = true) {
    batch.get();
    if (spoil)
      spoil(batch.b);
    EXPECT_REFUSED(status, words, p.kv->reserve(batch.b, append));
    EXPECT_EQ(p.differences(), 0);
  };
  refuse(FOVEA_INVALID, "a sequence of the cache, got 3", {{1, 1}, {3, 1}});
  refuse(FOVEA_INVALID, "once in a batch, got 1 twice", {{1, 1}, {1, 1}});
  refuse(FOVEA_INVALID, "to ascend, got 0 after 1", {{1, 1}, {2, -1}});
  refuse(FOVEA_INVALID, "start with 0, got 1", {{1, 1}}, [](fovea_batch &b) {
    static const int32_t rows[] = {1, 2};
    b.rows = rows;
  });
  refuse(FOVEA_INVALID, "fovea_batch.size", {{1, 1}},
         [](fovea_batch &b) { b.size = 4; });
  refuse(FOVEA_INVALID, "fovea_batch.rows, got NULL", {{1, 1}},
         [](fovea_batch &b) { b.rows = nullptr; });
  refuse(FOVEA_INVALID, "a batch of at most 4 sequences", {{1, 1}},
         [](fovea_batch &b) { b.n = 5; });
  refuse(FOVEA_INVALID, "the tokens that follow the last one, got 4", {{1, 1}},
         [](fovea_batch &b) {
           static const int64_t pos[] = {4};
           b.pos = pos;
         });
  refuse(FOVEA_INVALID,
         "parent of row 1 of sequence 1 to be one of the 1 uncommitted rows "
         "before it, or -1, got 1",
         {{1, 2}}, [](fovea_batch &b) {
           static const int32_t parent[] = {-1, 1};
           b.parent = parent;
         });
  refuse(FOVEA_INVALID,
         "parent of row 0 of sequence 2 to be one of the 0 uncommitted rows "
         "before it, or -1, got 0",
         {{1, 1}, {2, 1}}, [](fovea_batch &b) {
           static const int32_t parent[] = {-1, 0};
           b.parent = parent;
         });
  refuse(FOVEA_INVALID, "or -1, got -2", {{1, 1}}, [](fovea_batch &b) {
    static const int32_t parent[] = {-2};
    b.parent = parent;
  });
  // Without appending, rows are of tokens that exist.
  refuse(FOVEA_INVALID, "at most 3 rows of sequence 1, its length", {{1, 4}},
         {}, false);
  refuse(
      FOVEA_INVALID, "a token of the sequence, got 3", {{1, 1}},
      [](fovea_batch &b) {
        static const int64_t pos[] = {3};
        b.pos = pos;
      },
      false);
  refuse(
      FOVEA_INVALID, "the token after the row before, got 2", {{1, 2}},
      [](fovea_batch &b) {
        static const int64_t pos[] = {0, 2};
        b.pos = pos;
      },
      false);
  EXPECT_REFUSED(FOVEA_INVALID, "fovea_batch, got NULL",
                 fovea_kv_extend(p.kv, nullptr));
  Batch chain{{1, 2}};
  chain.get();
  const int64_t pos[] = {3, 4};
  const int32_t parent[] = {-1, 0};
  chain.b.pos = pos;
  chain.b.parent = parent;
  ASSERT_FOVEA(p.kv->reserve(chain.b, true));
  p.kv->rollback(chain.b);
  EXPECT_EQ(p.differences(), 0);
  EXPECT_EQ(p.kv->uncommittedRows, 0);
}

TEST(Kv, RollbackGivesPagesBack) {
  for (int64_t newPage : {0, 2}) {
    KvPair p(CacheKind::Coded, {4, newPage});
    ASSERT_FOVEA(p.begin(1));
    ASSERT_FOVEA(p.grow(1, 3));
    int64_t before = p.stats().pages_free;
    Batch batch{{1, 9}};
    ASSERT_FOVEA(p.kv->reserve(*batch.get(), true));
    EXPECT_EQ(p.stats().pages_free, before - 2);
    p.kv->rollback(*batch.get());
    EXPECT_EQ(p.stats().pages_free, before);
    EXPECT_EQ(p.differences(), 0);
  }
}

TEST(Kv, WriteWantsTheReservedBatch) {
  KvPair p(CacheKind::Coded);
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.begin(2));
  Batch batch{{1, 2}, {2, 1}};
  ASSERT_FOVEA(p.append(batch, false));
  Tensor k({3, 2, 4}), v({3, 2, 4}), flat({3, 8}), wide({3, 2, 5});
  Tensor ints({3, 2, 4}, FOVEA_DTYPE_I32);
  auto write = [&](Batch b, int layer, const Tensor &x, const Tensor &y) {
    return fovea_kv_write(p.kv, b.get(), layer, &x.dl, &y.dl);
  };
  EXPECT_REFUSED(FOVEA_INVALID, "the batch of the last reservation",
                 write({{1, 1}, {2, 2}}, 0, k, v));
  EXPECT_REFUSED(FOVEA_INVALID, "the batch of the last reservation",
                 write({{1, 2}, {3, 1}}, 0, k, v));
  EXPECT_REFUSED(FOVEA_INVALID, "a layer below 2, got 2",
                 write(batch, 2, k, v));
  EXPECT_REFUSED(FOVEA_INVALID, "k: expected elements of f32",
                 write(batch, 0, ints, v));
  EXPECT_REFUSED(FOVEA_INVALID, "v: expected rank 3, got 2",
                 write(batch, 0, k, flat));
  EXPECT_REFUSED(FOVEA_INVALID, "v: expected dim 2 to be 4, got 5",
                 write(batch, 0, k, wide));
  EXPECT_REFUSED(FOVEA_INVALID, "k: expected a tensor, got NULL",
                 fovea_kv_write(p.kv, batch.get(), 0, nullptr, &v.dl));
  int64_t strides[] = {8, 1, 2};
  Tensor transposed({3, 2, 4});
  transposed.dl.strides = strides;
  EXPECT_REFUSED(FOVEA_INVALID, "stride of dim 2 to be 1",
                 write(batch, 0, transposed, v));
  ASSERT_FOVEA(write(batch, 0, k, v));
  // A commit ends the reservation.
  ASSERT_FOVEA(p.commit(1));
  EXPECT_REFUSED(FOVEA_INVALID, "the batch of the last reservation",
                 write(batch, 0, k, v));
}

TEST(Kv, SegmentsAndStats) {
  KvPair p(CacheKind::Rich); // pages of 4, of `new` 2; 2 layers
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.grow(1, 14));
  ASSERT_FOVEA(p.append(1, 3));
  ASSERT_FOVEA(p.fork(1, 14, 2));
  fovea_segment s[4]{};
  for (fovea_segment &one : s)
    one.size = sizeof one;
  int n = 0;
  ASSERT_FOVEA(fovea_kv_segments(p.kv, 1, s, 4, &n));
  ASSERT_EQ(n, 4);
  const char *names[] = {"first", "older", "recent", "new"};
  const int64_t ends[] = {3, 9, 14, 17};
  const int64_t pages[] = {1, 3, 2, 2}; // older: as after the next commit
  for (int g = 0; g < 4; ++g) {
    EXPECT_STREQ(s[g].segment, names[g]);
    EXPECT_EQ(s[g].begin, g ? ends[g - 1] : 0);
    EXPECT_EQ(s[g].end, ends[g]);
    EXPECT_EQ(s[g].pages, pages[g]) << names[g];
  }
  EXPECT_EQ(s[1].shared_pages, 1);
  EXPECT_EQ(s[0].shared_pages, 0); // open: copied
  // Of `recent`: two pages of 4 tokens x 2 heads x 4 channels of f32, k and v.
  EXPECT_EQ(s[2].bytes, 2 * 2 * (2 * 4 * 4 * 4) * 2);
  ASSERT_FOVEA(fovea_kv_segments(p.kv, 1, s, 1, &n)); // fewer records
  EXPECT_EQ(n, 4);
  EXPECT_REFUSED(FOVEA_INVALID, "a place for the number of segments",
                 fovea_kv_segments(p.kv, 1, s, 4, nullptr));
  fovea_kv_stats stats = p.stats();
  EXPECT_EQ(stats.sequences, 2);
  EXPECT_EQ(stats.tokens, 31);
  EXPECT_EQ(stats.uncommitted, 3);
  EXPECT_EQ(stats.pages, 4 * 16);
  EXPECT_EQ(stats.pages_shared, 1);
  int64_t bytes = 0;
  for (uint32_t g = 0; g < 4; ++g)
    bytes += p.kv->stores[g].pool.count * p.kv->storage.segments[g].pageBytes;
  EXPECT_EQ(stats.bytes, 2 * bytes);
  stats.size = 4;
  EXPECT_REFUSED(FOVEA_INVALID, "fovea_kv_stats.size",
                 fovea_kv_stats_get(p.kv, &stats));
}

struct Evictor {
  KvPair *pair = nullptr;
  std::vector<uint64_t> victims;
  int calls = 0;
  int64_t missing = 0;
  bool promises = false; // says 1 and frees nothing
  std::vector<std::string> refusals;
};

int evict(void *user, fovea_kv *kv, int64_t missing) {
  auto &e = *static_cast<Evictor *>(user);
  ++e.calls;
  e.missing = missing;
  // Sequences of the batch stay, and nothing may reserve in here.
  Batch batch{{1, 1}};
  for (fovea_status st :
       {fovea_kv_free(kv, 1), fovea_kv_trim(kv, 1, 0),
        fovea_kv_commit(kv, 1, nullptr, -1, nullptr),
        fovea_kv_extend(kv, batch.get()), fovea_kv_fork(kv, 1, 0, 99),
        fovea_kv_load(kv, "/nowhere", 99)})
    if (st != FOVEA_INVALID)
      e.refusals.push_back(fovea_message());
  if (e.victims.empty())
    return e.promises;
  EXPECT_EQ(e.pair->release(e.victims.back()), FOVEA_OK);
  e.victims.pop_back();
  return 1;
}

TEST(Kv, EvictionMakesRoom) {
  Evictor e;
  KvLimits limits;
  limits.pages = 4;
  limits.evict = evict;
  limits.user = &e;
  KvPair p(CacheKind::Plain, {}, limits);
  e.pair = &p;
  for (uint64_t id : {1, 2, 3}) {
    ASSERT_FOVEA(p.begin(id));
    ASSERT_FOVEA(p.grow(id, id == 1 ? 5 : 4));
  }
  e.victims = {2, 3};
  ASSERT_FOVEA(p.append(1, 10)); // two pages more, none free
  EXPECT_EQ(e.calls, 2);
  EXPECT_EQ(e.missing, 1);
  EXPECT_EQ(p.stats().evictions, 2);
  EXPECT_EQ(p.differences(), 0);
  EXPECT_TRUE(e.refusals.empty()) << e.refusals[0];
  EXPECT_REFUSED(FOVEA_NO_PAGES, "more free pages", p.append(1, 4));
  EXPECT_EQ(p.stats().evictions, 2);
  e.promises = true; // and frees nothing: not asked again
  e.calls = 0;
  EXPECT_REFUSED(FOVEA_NO_PAGES, "more free pages", p.append(1, 4));
  EXPECT_EQ(e.calls, 1);
  EXPECT_EQ(p.differences(), 0);
  // Afterwards nothing is locked.
  ASSERT_FOVEA(p.release(1));
}

TEST(Kv, SnapshotsKeepToTheirCapacity) {
  KvPair p(CacheKind::Plain);
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.grow(1, 9));
  Batch batch{{1, 0}};
  fovea_abi_range range;
  int32_t pages[3] = {-1, -1, -1};
  int64_t used = 0;
  EXPECT_REFUSED(FOVEA_INVALID, "at most 2 pages in segment 'all'",
                 p.kv->snapshot(*batch.get(), 0, &range, pages, 2, &used));
  EXPECT_EQ(pages[2], -1);
  ASSERT_FOVEA(p.kv->snapshot(*batch.get(), 0, &range, pages, 3, &used));
  EXPECT_EQ(used, 3);
}

TEST(Kv, ManyWorkersGiveTheSameCache) {
  // Enough bytes for the executor: 8 layers of 400 rows of 8 x 64.
  KvLimits limits;
  limits.layers = 8;
  limits.maxLen = 500;
  limits.rows = 400;
  CacheShape shape{16, 0, false, 8, 64};
  KvPair p(CacheKind::Coded, shape, limits, 3);
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.append(1, 400));
  ASSERT_FOVEA(p.commit(1));
  EXPECT_EQ(p.differences(), 0);
}

TEST(Kv, RowsOfRank4Kernels) {
  // The append stage reads [b, head, rows, dim]; a ragged batch goes one by
  // one.
  BundleBuilder b = cacheKernel([] {
    CacheOptions o = cacheOptions(CacheKind::Plain);
    o.appends = true;
    o.append = Function::Nothing;
    return o;
  }());
  for (fovea_bundle_arg &a : b.args) {
    if (!strcmp(&b.strings[a.name], "k") || !strcmp(&b.strings[a.name], "v")) {
      a.rank = 4;
      a.symbol[3] = -1;
      a.shape[3] = 4;
    }
  }
  Loaded k(b);
  fovea_kv_limits l{};
  l.size = sizeof l;
  l.layers = 1;
  l.seqs = 2;
  l.max_len = 8;
  l.rows = 8;
  fovea_kv *kv = nullptr;
  ASSERT_FOVEA(fovea_kv_create(k.kernel, cacheArg(k.kernel), &l, &kv));
  ASSERT_FOVEA(fovea_kv_new(kv, 1));
  ASSERT_FOVEA(fovea_kv_new(kv, 2));
  Batch batch{{1, 2}, {2, 3}};
  ASSERT_FOVEA(fovea_kv_extend(kv, batch.get()));
  Tensor rows({5, 2, 4});
  ASSERT_FOVEA(fovea_kv_write(kv, batch.get(), 0, &rows.dl, &rows.dl));
  const fovea_abi_view &view = kv->slots[kv->records().cache->key_slot];
  EXPECT_EQ(view.data, rows.bytes.data() + 2 * 8 * 4); // the last sequence
  EXPECT_EQ(view.shape[2], 3);
  EXPECT_EQ(view.stride[1], 4);
  EXPECT_EQ(view.stride[2], 8);
  fovea_kv_destroy(kv);
}

TEST(Kv, ManageOnlyWithCodeForThisCpu) {
  CacheOptions o = cacheOptions(CacheKind::Coded);
  fovea_options options{};
  options.target = "x86-64-v9";
  Loaded k(cacheKernel(o), 1, options);
  fovea_kv_limits l{};
  l.size = sizeof l;
  l.layers = 1;
  l.seqs = l.max_len = 8;
  fovea_kv *kv = nullptr;
  ASSERT_FOVEA(fovea_kv_create(k.kernel, cacheArg(k.kernel), &l, &kv));
  ASSERT_FOVEA(fovea_kv_new(kv, 1));
  Batch batch{{1, 2}};
  ASSERT_FOVEA(fovea_kv_extend(kv, batch.get()));
  Tensor rows({2, 2, 4});
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "expected code for the chosen target",
                 fovea_kv_write(kv, batch.get(), 0, &rows.dl, &rows.dl));
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "expected code for the chosen target",
                 fovea_kv_commit(kv, 1, nullptr, -1, nullptr));
  int64_t len = 0, fresh = 0;
  ASSERT_FOVEA(fovea_kv_length(kv, 1, &len, &fresh));
  EXPECT_EQ(fresh, 2);
  fovea_kv_destroy(kv);
}

TEST(Kv, NullIsRefusedEverywhere) {
  EXPECT_EQ(fovea_kv_new(nullptr, 1), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_fork(nullptr, 1, 0, 2), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_trim(nullptr, 1, 0), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_free(nullptr, 1), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_commit(nullptr, 1, nullptr, -1, nullptr), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_room(nullptr, nullptr, nullptr, 0, nullptr),
            FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_extend(nullptr, nullptr), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_write(nullptr, nullptr, 0, nullptr, nullptr),
            FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_length(nullptr, 1, nullptr, nullptr), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_segments(nullptr, 1, nullptr, 0, nullptr), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_stats_get(nullptr, nullptr), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_save(nullptr, 1, "x"), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_load(nullptr, "x", 1), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_borrow_tables(nullptr, "all", 0, nullptr, nullptr, nullptr,
                                   nullptr, nullptr),
            FOVEA_INVALID);
  KvPair p(CacheKind::Plain);
  EXPECT_EQ(fovea_kv_save(p.kv, 1, nullptr), FOVEA_INVALID);
  EXPECT_EQ(fovea_kv_load(p.kv, nullptr, 1), FOVEA_INVALID);
  int64_t missing = 0;
  EXPECT_EQ(fovea_kv_room(p.kv, nullptr, nullptr, 1, &missing), FOVEA_INVALID);
}

} // namespace
