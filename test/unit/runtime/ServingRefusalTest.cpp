// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What plans over caches refuse, and that nothing changes then.
#include "test/unit/runtime/Serving.h"

#include <thread>

using namespace fovea::test;

namespace {

constexpr int attendPhase = 1; // of servingKernel, behind the append

TEST(Serving, ChecksTheBatch) {
  ServingLimits limits;
  limits.rows = 64;
  limits.seqs = 4;
  limits.maxLen = 100;
  Serving s({}, limits);
  for (uint64_t seq : {1, 2, 3})
    s.begin(seq);
  s.step({{1, 30}, {2, 20}});
  auto update = [&] {
    return fovea_plan_update(s.plan, &s.batch, s.args.data(),
                             int(s.args.size()));
  };
  auto lengths = [&] {
    std::vector<int64_t> all;
    for (uint64_t seq : {1, 2, 3}) {
      int64_t len = 0, uncommitted = 0;
      EXPECT_EQ(fovea_kv_length(s.kv, seq, &len, &uncommitted), FOVEA_OK);
      all.push_back(len);
    }
    return all;
  };
  std::vector<int64_t> before = lengths();
  // Nothing changes, and the plan runs nothing.
  auto refused = [&](fovea_status status, const char *words) {
    EXPECT_REFUSED(status, words, update());
    EXPECT_EQ(lengths(), before) << words;
    EXPECT_REFUSED(FOVEA_STALE, "successful update", s.run());
  };
  EXPECT_REFUSED(
      FOVEA_INVALID, "expected a batch, since argument 'c'",
      fovea_plan_update(s.plan, nullptr, s.args.data(), int(s.args.size())));
  auto prepared = [&] { s.prepare({{1, 2}, {2, 3}}); };
  prepared();
  s.batch.size = 0;
  refused(FOVEA_INVALID, "fovea_batch");
  prepared();
  s.batch.n = 5;
  refused(FOVEA_INVALID, "at most 4 sequences");
  s.batch.n = -1;
  refused(FOVEA_INVALID, "at most 4 sequences");
  prepared();
  s.batch.seq = nullptr;
  refused(FOVEA_INVALID, "sequences and row offsets");
  prepared();
  s.offsets[0] = 1;
  refused(FOVEA_INVALID, "ascend from 0");
  s.offsets = {0, 6, 5};
  refused(FOVEA_INVALID, "to ascend from 0, got 5 after 6");
  prepared();
  int32_t parents[5] = {};
  s.batch.parent = parents;
  refused(FOVEA_UNSUPPORTED, "without parents, since the mask of stage");
  prepared();
  s.ids[1] = 1;
  refused(FOVEA_INVALID, "argument 'c'"); // twice
  s.ids[1] = 77;
  refused(FOVEA_INVALID, "argument 'c'"); // unknown
  s.prepare({{1, 65}});
  refused(FOVEA_INVALID, "at most 64 rows of all sequences");
  s.prepare({{1, 64}, {2, 0}});
  // One row too many for q: refused after the reservation.
  prepared();
  s.offsets[2] = 6;
  refused(FOVEA_INVALID, "'rows') to be 6 as in the batch, got 5");
  prepared();
  std::vector<int64_t> pos = {30, 31, 20, 21, 22};
  s.batch.pos = pos.data();
  pos[0] = 29;
  pos[1] = 30;
  refused(FOVEA_INVALID, "positions of sequence 1");
  pos = {30, 31, 17, 18, 19}; // new rows of 1, the last ones of 2
  refused(FOVEA_INVALID, "got both");
  pos = {30, 31, 20, 21, 23};
  refused(FOVEA_INVALID, "argument 'c'");
  // Kinds and caches.
  prepared();
  fovea_value old = s.args[3];
  s.args[3] = integer(0);
  refused(FOVEA_INVALID, "'c': expected a cache, got a scalar");
  s.args[3] = old;
  s.args[3].u.kv = nullptr;
  refused(FOVEA_INVALID, "'c': expected a cache, got NULL");
  ServingOptions other;
  other.shape.page = 8;
  Serving t(other, limits);
  s.args[3].u.kv = t.kv;
  refused(FOVEA_INVALID, "argument 'c'");
  s.args[3] = old;
  ASSERT_FOVEA(update());
  before = lengths();
  EXPECT_EQ(before, (std::vector<int64_t>{32, 23, 0}));
  // Plans that are smaller than the cache.
  limits.maxLen = 24;
  limits.seqs = 2;
  Serving small({}, limits);
  std::swap(small.plan, s.plan);
  s.prepare({{2, 2}});
  refused(FOVEA_INVALID, "at most 24 keys per sequence");
  s.prepare({{2, 1}});
  EXPECT_EQ(update(), FOVEA_OK) << fovea_message();
  std::swap(small.plan, s.plan);
  // An empty batch runs nothing.
  s.prepare({});
  ASSERT_FOVEA(update());
  ASSERT_FOVEA(s.run());
}

TEST(Serving, OutOfPagesChangesNothing) {
  ServingOptions options;
  options.shape.page = 4;
  ServingLimits limits;
  limits.pages = 10;
  Serving s(options, limits);
  s.begin(1);
  s.begin(2);
  s.step({{1, 20}, {2, 12}});
  s.prepare({{1, 4}, {2, 5}}); // 8 pages, 1 + 2 more
  EXPECT_REFUSED(FOVEA_NO_PAGES, "argument 'c'", s.update());
  s.step({{1, 4}, {2, 4}});
}

TEST(Serving, RefusesAStalePlan) {
  ServingLimits limits;
  limits.layers = 2;
  Serving s({}, limits);
  fovea_plan *later = s.createPlan();
  auto again = [&] { s.step({{1, 1}, {2, 1}}); };
  s.begin(1);
  s.begin(2);
  s.begin(3);
  s.step({{1, 20}, {2, 20}, {3, 5}});
  ASSERT_FOVEA(s.run(1));
  EXPECT_REFUSED(FOVEA_INVALID, "a layer below 2, got 2", s.run(2));
  s.commit(1);
  EXPECT_REFUSED(FOVEA_STALE, "trimmed, freed or committed", s.run());
  EXPECT_REFUSED(FOVEA_STALE, "number 0 was",
                 fovea_run_items(s.plan, 0, attendPhase, 0, 1, 0, s.args.data(),
                                 int(s.args.size()), s.workspace));
  again();
  s.commit(3); // not of this batch
  ASSERT_FOVEA(s.run());
  ASSERT_FOVEA(fovea_kv_trim(s.kv, 2, 20));
  EXPECT_REFUSED(FOVEA_STALE, "number 1 was", s.run());
  s.model[2].pop_back();
  again();
  ASSERT_FOVEA(fovea_kv_free(s.kv, 1));
  EXPECT_REFUSED(FOVEA_STALE, "number 0 was", s.run());
  s.begin(1); // the id again, another sequence
  EXPECT_REFUSED(FOVEA_STALE, "number 0 was", s.run());
  // Growth by a later update is not staleness.
  again();
  ASSERT_FOVEA(
      fovea_plan_update(later, &s.batch, s.args.data(), int(s.args.size())));
  ASSERT_FOVEA(s.run());
  EXPECT_EQ(s.wrong(), 0);
  // Another cache.
  Serving t({}, limits);
  fovea_value old = s.args[3];
  s.args[3].u.kv = t.kv;
  EXPECT_REFUSED(FOVEA_STALE, "the cache of the update, got another", s.run());
  s.args[3] = old;
  Tensor rows({1, 4, 4});
  fovea_value q = s.args[0];
  s.args[0] = rows.value();
  EXPECT_REFUSED(FOVEA_STALE, "dim 0 to be 2 as planned", s.run());
  s.args[0] = q;
  EXPECT_REFUSED(FOVEA_INVALID, "worker below 1, got 1",
                 fovea_run_items(s.plan, 0, attendPhase, 0, 1, 1, s.args.data(),
                                 int(s.args.size()), s.workspace));
  fovea_plan_destroy(later);
}

/// Layers of two kernels over one cache: the second plan of a step names the
/// rows that the first has reserved.
TEST(Serving, PositionsNameReservedRows) {
  Serving s;
  fovea_plan *second = s.createPlan();
  s.begin(1);
  s.begin(2);
  s.step({{1, 20}, {2, 9}});
  s.prepare({{2, 3}, {1, 2}});
  std::vector<int64_t> pos = {9, 10, 11, 20, 21};
  s.batch.pos = pos.data();
  ASSERT_FOVEA(s.update());
  std::swap(s.plan, second);
  ASSERT_FOVEA(
      fovea_plan_update(s.plan, &s.batch, s.args.data(), int(s.args.size())));
  int64_t len = 0, uncommitted = 0;
  ASSERT_FOVEA(fovea_kv_length(s.kv, 1, &len, &uncommitted));
  EXPECT_EQ(len, 22);
  ASSERT_FOVEA(s.run());
  EXPECT_EQ(s.wrong(), 0);
  fovea_plan_destroy(second);
}

TEST(Serving, ConcurrentRunsAreRefusedBeyondTheLimit) {
  ServingOptions options;
  options.shape.heads = 4;
  ServingLimits limits;
  limits.concurrent = 2;
  Serving s(options, limits);
  s.begin(1);
  s.fill(1, 900);
  s.prepare({{1, 100}});
  ASSERT_FOVEA(s.update());
  ASSERT_FOVEA(s.run());
  std::vector<char> want = s.o->bytes;
  std::atomic<int> done{0}, refused{0}, other{0};
  auto runMany = [&] {
    size_t bytes = fovea_plan_workspace(s.plan) + 64;
    void *workspace = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    Tensor o(s.o->shape);
    std::vector<fovea_value> args = s.args;
    args.back() = o.value();
    for (int i = 0; i < 8; ++i) {
      fovea_status st = fovea_run(s.plan, 0, args.data(), int(args.size()),
                                  workspace, nullptr);
      ++(st == FOVEA_OK ? done : st == FOVEA_INVALID ? refused : other);
      if (st == FOVEA_OK)
        other +=
            memcmp(o.bytes.data(), want.data(), size_t(o.count()) * 4) != 0;
    }
    std::free(workspace);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back(runMany);
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(done, 16); // two at once are allowed
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(other, 0);
  threads.clear();
  for (int i = 0; i < 4; ++i)
    threads.emplace_back(runMany);
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(other, 0);
  EXPECT_EQ(done + refused, 16 + 32);
}

TEST(Serving, ChecksTheHostsTables) {
  Serving s; // for its kernel: all : f32, pages of 4, 2 heads of 4
  Tensor k({12, 2, 4, 4}), v({12, 2, 4, 4});
  auto part = [](const char *name, const Tensor &t) {
    fovea_kv_part p{};
    p.size = sizeof p;
    p.segment = "all";
    p.part = name;
    p.pool = &t.dl;
    return p;
  };
  fovea_kv_part parts[] = {part("k", k), part("v", v)};
  fovea_kv *kv = nullptr;
  ASSERT_FOVEA(fovea_kv_borrow(s.loaded.kernel, 3, 1, parts, 2, &kv));
  std::vector<uint64_t> ids = {1, 2};
  std::vector<int64_t> indptr = {0, 3, 5}, end = {9, 6};
  std::vector<int32_t> pages = {7, 2, 0, 11, 5};
  auto set = [&] {
    return fovea_kv_borrow_tables(kv, "all", 2, ids.data(), indptr.data(),
                                  pages.data(), nullptr, end.data());
  };
  ASSERT_FOVEA(set());
  // All tokens are new: the kernel writes them and sums them.
  s.prepare({{1, 9}, {2, 6}});
  s.args[3].u.kv = kv;
  std::swap(kv, s.kv);
  ASSERT_FOVEA(s.update());
  ASSERT_FOVEA(s.run());
  EXPECT_EQ(s.wrong(), 0);
  std::swap(kv, s.kv);
  auto refused = [&](const char *words) {
    ASSERT_FOVEA(set());
    EXPECT_REFUSED(
        FOVEA_INVALID, "argument 'c'",
        fovea_plan_update(s.plan, &s.batch, s.args.data(), int(s.args.size())));
    EXPECT_EQ(s.run(), FOVEA_STALE) << words;
  };
  pages[1] = 12;
  refused("a page past the pool");
  pages[1] = -1;
  refused("a negative page");
  pages[1] = 5;
  refused("a page used twice for writing");
  pages[1] = 2;
  end[1] = 9;
  refused("a length past the pages");
  end[1] = 6;
  ASSERT_FOVEA(set());
  ASSERT_FOVEA(
      fovea_plan_update(s.plan, &s.batch, s.args.data(), int(s.args.size())));
  ASSERT_FOVEA(s.run());
  fovea_kv_destroy(kv);
}

TEST(Serving, RefusesPositionsPastTheRotations) {
  // Any argument does as a table: q has as many rows as it has positions.
  ServingOptions options;
  options.appends = false;
  BundleBuilder b = servingKernel(options);
  for (fovea_bundle_stage &s : b.stages)
    if (s.space == FOVEA_SPACE_STREAM)
      s.rope_table = 1;
  Loaded loaded(b);
  Serving s(options);
  s.begin(1);
  s.fill(1, 20);
  Plan plan(loaded.kernel, 64, 2, 64);
  auto update = [&](int rows) {
    s.prepare({{1, rows}});
    return fovea_plan_update(plan, &s.batch, s.args.data(), int(s.args.size()));
  };
  EXPECT_EQ(update(20), FOVEA_OK) << fovea_message();
  EXPECT_REFUSED(FOVEA_INVALID,
                 "'q': expected rotations of the 20 positions of sequence "
                 "number 0, got a table of 19",
                 update(19));
}

} // namespace
