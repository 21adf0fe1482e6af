// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Caches in the host's memory: which pools are taken, and that no table can
// lead outside of them.
#include "test/unit/runtime/KvFixture.h"

#include <functional>

using namespace fovea::test;

namespace {

/// Pools of one page size for a kernel's cache, two layers.
struct Pools {
  explicit Pools(const BundleBuilder &builder, int64_t pages = 6,
                 int64_t contiguous = 12)
      : k(builder) {
    fovea::rt::CacheRecords r;
    EXPECT_EQ(fovea::rt::cacheRecords(*k.kernel, cacheArg(k.kernel), r),
              FOVEA_OK);
    for (uint32_t g = 0; g < r.segments.size(); ++g) {
      if (r.segments[g].kind == FOVEA_SEGMENT_NEW)
        continue;
      for (const fovea_bundle_part &p : r.parts(g)) {
        int64_t tokens =
            r.segments[g].page_tokens ? r.segments[g].page_tokens : contiguous;
        auto &shape = shapes.emplace_back();
        shape = {pages, int64_t(r.cache->heads),
                 p.per_page ? p.extent / p.inner : tokens, p.inner};
        if (p.per_page && p.rank == 3)
          shape = {pages, int64_t(r.cache->heads), p.inner};
        shape.resize(p.rank);
        int64_t n = 4;
        for (int64_t e : shape)
          n *= e;
        // The tensors of all layers, side by side.
        auto &layers = tensors.emplace_back();
        for (int layer = 0; layer < 2; ++layer) {
          memory.emplace_back(size_t(n));
          fovea_tensor t{};
          t.data = memory.back().data();
          t.device = {kDLCPU, 0};
          t.ndim = int(p.rank);
          t.shape = shape.data();
          t.dtype = p.dtype == FOVEA_DTYPE_I8     ? DLDataType{kDLInt, 8, 1}
                    : p.dtype == FOVEA_DTYPE_BF16 ? DLDataType{kDLBfloat, 16, 1}
                                                  : DLDataType{kDLFloat, 32, 1};
          layers.push_back(t);
        }
        fovea_kv_part part{};
        part.size = sizeof part;
        part.segment = r.string(r.segments[g].name);
        part.part = r.string(p.name);
        parts.push_back(part);
      }
    }
    for (size_t i = 0; i < parts.size(); ++i)
      parts[i].pool = tensors[i].data();
  }
  fovea_status open(fovea_kv **kv, int layers = 2) {
    return fovea_kv_borrow(k.kernel, cacheArg(k.kernel), layers, parts.data(),
                           int(parts.size()), kv);
  }
  Loaded k;
  std::vector<std::vector<char>> memory;
  std::vector<std::vector<int64_t>> shapes;
  std::vector<std::vector<fovea_tensor>> tensors;
  std::vector<fovea_kv_part> parts;

private:
  Pools(const Pools &) = delete;
};

BundleBuilder bundle(CacheKind kind, const CacheShape &shape = {}) {
  return cacheKernel(cacheOptions(kind, shape));
}

TEST(KvBorrow, TakesPoolsOfTheType) {
  for (CacheKind kind :
       {CacheKind::Plain, CacheKind::Kept, CacheKind::Rich, CacheKind::Sink}) {
    Pools p(bundle(kind));
    fovea_kv *kv = nullptr;
    ASSERT_FOVEA(p.open(&kv));
    EXPECT_EQ(kv->view(1, 0, 0).data, p.memory[1].data());
    EXPECT_EQ(kv->view(1, 0, 0).shape[0], 6);
    EXPECT_EQ(kv->view(1, 0, 0).stride[3], 1);
    // The host manages it.
    for (fovea_status st :
         {fovea_kv_new(kv, 1), fovea_kv_free(kv, 1), fovea_kv_trim(kv, 1, 0),
          fovea_kv_fork(kv, 1, 0, 2),
          fovea_kv_commit(kv, 1, nullptr, -1, nullptr),
          fovea_kv_save(kv, 1, "x"), fovea_kv_load(kv, "x", 1)}) {
      EXPECT_EQ(st, FOVEA_INVALID);
    }
    EXPECT_REFUSED(FOVEA_INVALID, "its host manages it", fovea_kv_new(kv, 1));
    fovea_kv_destroy(kv);
  }
}

TEST(KvBorrow, RefusesOtherPools) {
  auto refuse = [](const char *words, const std::function<void(Pools &)> &spoil,
                   int layers = 2) {
    Pools p(bundle(CacheKind::Rich));
    spoil(p);
    fovea_kv *kv = nullptr;
    EXPECT_REFUSED(FOVEA_INVALID, words, p.open(&kv, layers));
    EXPECT_EQ(kv, nullptr);
  };
  using P = Pools &;
  refuse("between 1 and 65536 layers, got 0", [](P) {}, 0);
  refuse("part 'means' of segment 'older'", [](P p) {
    for (size_t i = 0; i < p.parts.size(); ++i)
      if (!strcmp(p.parts[i].part, "means"))
        p.parts.erase(p.parts.begin() + int64_t(i));
  });
  refuse("once, got it twice", [](P p) { p.parts.push_back(p.parts[0]); });
  refuse("got 1 that it does not have", [](P p) {
    p.parts.push_back(p.parts[0]);
    p.parts.back().part = "w";
  });
  refuse("got NULL in number 1", [](P p) { p.parts[1].pool = nullptr; });
  refuse("fovea_kv_part.size", [](P p) { p.parts[0].size = 8; });
  // Part 2 is the codes of older's keys.
  refuse("segment 'older', part 'k', layer 1: expected elements of i8",
         [](P p) { p.tensors[2][1].dtype = {kDLUInt, 8, 1}; });
  refuse("part 'k', layer 0: expected rank 4, got 3",
         [](P p) { p.tensors[2][0].ndim = 3; });
  refuse("expected dim 1 to be 2, got 3", [](P p) { p.shapes[2][1] = 3; });
  refuse("expected dim 2 to be 4, got 5", [](P p) { p.shapes[2][2] = 5; });
  refuse("expected dim 3 to be 4, got 3", [](P p) { p.shapes[2][3] = 3; });
  refuse("part 'k.scale', layer 0: expected dim 0 to be 6, got 5",
         [](P p) { p.shapes[3][0] = 5; });
  refuse("expected data, got NULL",
         [](P p) { p.tensors[0][1].data = nullptr; });
  refuse("memory of the CPU",
         [](P p) { p.tensors[0][0].device.device_type = kDLCUDA; });
  refuse("data aligned to 4 bytes",
         [](P p) { p.tensors[0][0].byte_offset = 2; });
  static int64_t reversed[] = {32, 16, 1, 4}, negative[] = {32, -16, 4, 1};
  static int64_t repeated[] = {32, 0, 4, 1}, overlapping[] = {20, 16, 4, 1};
  refuse("stride of dim 3 to be 1",
         [](P p) { p.tensors[0][0].strides = reversed; });
  refuse("stride of dim 1 to be at least 0",
         [](P p) { p.tensors[0][0].strides = negative; });
  refuse("strides that keep elements apart",
         [](P p) { p.tensors[0][0].strides = repeated; });
  refuse("strides that keep elements apart",
         [](P p) { p.tensors[0][0].strides = overlapping; });
}

/// Tables of two sequences, 10 and 20, in pages of 4: 6 and 9 tokens.
struct Tables {
  std::vector<uint64_t> seq{10, 20};
  std::vector<int64_t> indptr{0, 2, 5}, end{6, 9}, begin{0, 0};
  std::vector<int32_t> pages{3, 0, 1, 5, 2};
  fovea_status set(fovea_kv *kv, const char *segment = "all") {
    return fovea_kv_borrow_tables(kv, segment, int(seq.size()), seq.data(),
                                  indptr.data(), pages.data(), begin.data(),
                                  end.data());
  }
};

TEST(KvBorrow, TablesGoToThePlan) {
  Pools p(bundle(CacheKind::Plain));
  fovea_kv *kv = nullptr;
  ASSERT_FOVEA(p.open(&kv));
  Tables t;
  ASSERT_FOVEA(t.set(kv));
  Batch batch{{20, 2}, {10, 1}}; // another order than the tables'
  ASSERT_FOVEA(kv->reserve(*batch.get(), true));
  EXPECT_EQ(kv->length(kv->find(20)), 9);
  EXPECT_EQ(kv->find(30), -1);
  fovea_abi_range ranges[2];
  int32_t pages[8];
  int64_t used = 0;
  ASSERT_FOVEA(kv->snapshot(batch.b, 0, ranges, pages, 8, &used));
  ASSERT_EQ(used, 5);
  EXPECT_EQ(ranges[0].end, 9);
  EXPECT_EQ(pages[ranges[0].table], 1);
  EXPECT_EQ(ranges[1].end, 6);
  EXPECT_EQ(pages[ranges[1].table + 1], 0);
  EXPECT_REFUSED(FOVEA_INVALID, "at most 4 pages",
                 kv->snapshot(batch.b, 0, ranges, pages, 4, &used));
  EXPECT_EQ(kv->sharedPrefix(kv->find(10), kv->find(20)), 0);
  t.pages[2] = 3; // the first page is both's
  EXPECT_EQ(kv->sharedPrefix(kv->find(10), kv->find(20)), 4);
  fovea_kv_destroy(kv);
}

TEST(KvBorrow, TablesAreChecked) {
  auto refuse = [](const char *words,
                   const std::function<void(Tables &)> &spoil,
                   Batch batch = {{10, 1}, {20, 2}}, bool append = true,
                   int64_t page = 4) {
    Pools p(bundle(CacheKind::Plain, {page, 2}));
    fovea_kv *kv = nullptr;
    ASSERT_FOVEA(p.open(&kv));
    Tables t;
    spoil(t);
    ASSERT_FOVEA(t.set(kv));
    EXPECT_REFUSED(FOVEA_INVALID, words, kv->reserve(*batch.get(), append));
    fovea_kv_destroy(kv);
  };
  using T = Tables &;
  refuse("tables of sequence 30", [](T) {}, {{30, 1}});
  refuse("once in a batch", [](T) {}, {{10, 1}, {10, 1}});
  refuse("page ids of sequence 10 below 6, got 6", [](T t) { t.pages[1] = 6; });
  refuse("page ids of sequence 20 below 6, got -1",
         [](T t) { t.pages[4] = -1; });
  refuse("pages for the tokens [0, 9)", [](T t) { t.end[0] = 9; });
  refuse("pages for the tokens [0, 6)", [](T t) { t.indptr[1] = 1; });
  refuse("got [0, -1)", [](T t) { t.end[0] = -1; });
  refuse("got [-1, 6)", [](T t) { t.begin[0] = -1; });
  refuse("got [7, 6)", [](T t) { t.begin[0] = 7; });
  refuse("at most 6 rows of sequence 10", [](T) {}, {{10, 7}});
  refuse("to ascend", [](T) {}, {{10, 2}, {20, -1}});
  // Sequence 20 appends to its last page, 2; 10 to its own, 0.
  refuse("page 2 twice, the second time for 20", [](T t) { t.pages[1] = 2; });
  refuse(
      "pages for the tokens [0, 13)", [](T t) { t.end[0] = 13; }, {{10, 1}},
      true, 0); // contiguous: 12 tokens per page
  // Read, a page may be anyone's.
  Pools p(bundle(CacheKind::Plain));
  fovea_kv *kv = nullptr;
  ASSERT_FOVEA(p.open(&kv));
  Tables t;
  t.pages[1] = 2;
  ASSERT_FOVEA(t.set(kv));
  Batch batch{{10, 1}, {20, 2}};
  ASSERT_FOVEA(kv->reserve(*batch.get(), false));
  EXPECT_REFUSED(FOVEA_INVALID, "a segment of type", t.set(kv, "older"));
  EXPECT_REFUSED(FOVEA_INVALID, "2 sequences or NULL",
                 fovea_kv_borrow_tables(kv, "all", 2, t.seq.data(), nullptr,
                                        nullptr, nullptr, nullptr));
  fovea_kv_destroy(kv);
  KvPair managed(CacheKind::Plain);
  EXPECT_REFUSED(FOVEA_INVALID, "expected a borrowed cache", t.set(managed.kv));
}

TEST(KvBorrow, SegmentsFollowEachOther) {
  Pools p(bundle(CacheKind::Sink)); // first 3, recent 5, pages of 4
  fovea_kv *kv = nullptr;
  ASSERT_FOVEA(p.open(&kv));
  uint64_t seq = 1;
  const int64_t indptr[] = {0, 2}, three = 3, begin = 7, end = 12;
  const int32_t pages[] = {4, 1};
  ASSERT_FOVEA(fovea_kv_borrow_tables(kv, "first", 1, &seq, indptr, pages,
                                      nullptr, &three));
  Batch batch{{1, 2}};
  EXPECT_REFUSED(FOVEA_INVALID, "segment 'recent': expected tables",
                 kv->reserve(*batch.get(), false));
  ASSERT_FOVEA(fovea_kv_borrow_tables(kv, "recent", 1, &seq, indptr, pages,
                                      &begin, &end));
  ASSERT_FOVEA(kv->reserve(*batch.get(), false));
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "new rows lie in their final page",
                 kv->reserve(*batch.get(), true));
  EXPECT_REFUSED(
      FOVEA_INVALID, "a segment of type",
      fovea_kv_borrow_tables(kv, "new", 1, &seq, indptr, pages, &begin, &end));
  fovea_abi_range range;
  int32_t out[4];
  int64_t used = 0;
  ASSERT_FOVEA(kv->snapshot(batch.b, 1, &range, out, 4, &used));
  EXPECT_EQ(used, 2);
  EXPECT_EQ(range.base, 3);
  EXPECT_EQ(range.shift, 4);
  ASSERT_FOVEA(kv->snapshot(batch.b, 2, &range, out, 4, &used));
  EXPECT_EQ(range.begin, 12);
  EXPECT_EQ(range.end, 12);
  EXPECT_EQ(used, 0);
  const int64_t wide = 13, early = 2;
  ASSERT_FOVEA(fovea_kv_borrow_tables(kv, "recent", 1, &seq, indptr, pages,
                                      &begin, &wide));
  EXPECT_REFUSED(FOVEA_INVALID, "that the segment can hold, got [7, 13)",
                 kv->reserve(*batch.get(), false));
  ASSERT_FOVEA(fovea_kv_borrow_tables(kv, "recent", 1, &seq, indptr, pages,
                                      &early, &end));
  EXPECT_REFUSED(FOVEA_INVALID, "from 3 on that the segment can hold",
                 kv->reserve(*batch.get(), false));
  fovea_kv_destroy(kv);
}

TEST(KvBorrow, PlansRunOverTheHostsPages) {
  CacheOptions options = cacheOptions(CacheKind::Plain);
  options.appends = true; // arguments q, v, k, c, o
  Pools p(cacheKernel(options));
  fovea_kv *kv = nullptr;
  ASSERT_FOVEA(p.open(&kv));
  Plan plan(p.k.kernel, 8, 4, 24);
  Tables t;
  ASSERT_FOVEA(t.set(kv));
  Batch batch{{10, 3}, {20, 1}};
  Tensor q({4, 2, 4}), k({4, 2, 4}), v({4, 2, 4}), o({4, 2, 4});
  for (int i = 0; i < 32; ++i) {
    k.at(i) = float(i + 1);
    v.at(i) = float(-i - 1);
  }
  fovea_value cache{FOVEA_CACHE, {}};
  cache.u.kv = kv;
  fovea_value args[] = {q.value(), v.value(), k.value(), cache, o.value()};
  ASSERT_FOVEA(fovea_plan_update(plan, batch.get(), args, 5));
  for (int layer = 0; layer < 2; ++layer)
    ASSERT_FOVEA(fovea_run(plan, layer, args, 5, plan.workspace, nullptr));
  // Rows of 10 are its tokens 3 to 5, that of 20 its token 8.
  struct {
    int page, offset, row;
  } places[] = {{3, 3, 0}, {0, 0, 1}, {0, 1, 2}, {2, 0, 3}};
  for (int layer = 0; layer < 2; ++layer)
    for (bool value : {false, true})
      for (auto [page, offset, row] : places)
        for (int h = 0; h < 2; ++h)
          for (int c = 0; c < 4; ++c) {
            auto *pool = reinterpret_cast<const float *>(
                p.memory[size_t(value * 2 + layer)].data());
            EXPECT_EQ(pool[((page * 2 + h) * 4 + offset) * 4 + c],
                      (value ? v : k).at((row * 2 + h) * 4 + c));
          }
  t.pages[1] = 2; // a page for two writers
  EXPECT_REFUSED(FOVEA_INVALID, "page 2 twice",
                 fovea_plan_update(plan, batch.get(), args, 5));
  fovea_kv_destroy(kv);
}

} // namespace
