// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps of a cache allocate nothing, and each allocation of the calls that do
// is made to fail once: a status, and nothing lost.
#include "test/support/CountAllocations.h"
#include "test/unit/runtime/KvFixture.h"

using namespace fovea::test;

namespace {

TEST(KvAllocation, NoneInStepsOfACache) {
  for (CacheKind kind : {CacheKind::Kept, CacheKind::Chain}) {
    KvPair p(kind);
    Batch batch{{1, 3}, {2, 9}}, again{{1, 3}};
    batch.get();
    again.get();
    Tensor k({12, 2, 4}), v({12, 2, 4});
    fovea_abi_range ranges[2];
    int32_t pages[64];
    int64_t used = 0, missing = 0;
    const uint64_t one = 1;
    const int32_t keep[] = {2, 0, 5, 1}, add = 3;
    int bad = 0;
    int64_t count = allocationsDuring([&] {
      for (int round = 0; round < 3; ++round) {
        bad += fovea_kv_new(p.kv, 1) + fovea_kv_new(p.kv, 2);
        bad += fovea_kv_room(p.kv, &one, &add, 1, &missing);
        bad += fovea_kv_extend(p.kv, &batch.b);
        for (int layer = 0; layer < 2; ++layer)
          bad += fovea_kv_write(p.kv, &batch.b, layer, &k.dl, &v.dl);
        for (uint32_t g = 0; g < p.kv->nSegments(); ++g)
          bad += p.kv->snapshot(batch.b, g, ranges, pages, 64, &used);
        bad += fovea_kv_commit(p.kv, 2, keep, 4, nullptr);
        bad += fovea_kv_commit(p.kv, 1, nullptr, -1, nullptr);
        bad += fovea_kv_fork(p.kv, 2, 3, 3);
        bad += fovea_kv_extend(p.kv, &again.b);
        bad += fovea_kv_trim(p.kv, 1, 2);
        for (uint64_t id : {1, 2, 3})
          bad += fovea_kv_free(p.kv, id);
      }
      bad += fovea_kv_trim(p.kv, 1, 2) != FOVEA_INVALID;
    });
    EXPECT_EQ(bad, 0) << fovea_message();
    EXPECT_EQ(count, 0);
  }
}

TEST(KvAllocation, CachesSurviveEachFailure) {
  KvPair p(CacheKind::Rich);
  ASSERT_FOVEA(p.begin(1));
  ASSERT_FOVEA(p.grow(1, 12));
  fovea_kv *kv = nullptr;
  // The handle, tables, pools of four segments, scratch memory.
  EXPECT_EQ(failEach([&] { return p.open(&kv); }), 7);
  fovea_kv_destroy(kv);
  std::string path = testing::TempDir() + "fovea-kv-allocation";
  EXPECT_EQ(failEach([&] { return fovea_kv_save(p.kv, 1, path.c_str()); }), 1);
  EXPECT_EQ(failEach([&] { return fovea_kv_load(p.kv, path.c_str(), 2); }), 1);
  std::remove(path.c_str());
  p.model[2] = p.model[1];
  EXPECT_EQ(p.differences(), 0);

  CacheOptions plain = cacheOptions(CacheKind::Plain);
  Loaded k(cacheKernel(plain));
  Tensor pool({3, 2, 4, 4});
  fovea_kv_part parts[2]{};
  for (fovea_kv_part &part : parts) {
    part.size = sizeof part;
    part.segment = "all";
    part.part = &part == parts ? "k" : "v";
    part.pool = &pool.dl;
  }
  // The handle, views, marks of pages.
  EXPECT_EQ(failEach([&] {
              return fovea_kv_borrow(k.kernel, cacheArg(k.kernel), 1, parts, 2,
                                     &kv);
            }),
            3);
  fovea_kv_destroy(kv);
}

TEST(KvAllocation, ALostOneIsSeen) {
  void *lost = nullptr;
  EXPECT_EQ(failEach([&] {
              void *volatile first = std::malloc(8);
              void *volatile second = std::malloc(8);
              if (first && second) {
                std::free(first);
                std::free(second);
                return FOVEA_OK;
              }
              lost = first;
              return FOVEA_NO_MEMORY;
            }),
            -1);
  std::free(lost);
}

TEST(KvAllocation, CachesUseTheHostsHooks) {
  struct Host {
    int64_t live = 0, made = 0, refuseAt = -1;
  } host;
  fovea_options options{};
  options.alloc_user = &host;
  options.alloc = [](void *user, fovea_device, size_t size,
                     size_t align) -> void * {
    auto &h = *static_cast<Host *>(user);
    if (h.made == h.refuseAt)
      return nullptr;
    ++h.live;
    ++h.made;
    return std::aligned_alloc(align, size);
  };
  options.free = [](void *user, fovea_device, void *p) {
    --static_cast<Host *>(user)->live;
    std::free(p);
  };
  {
    KvPair p(CacheKind::Rich, {}, {}, 1, options);
    EXPECT_EQ(host.live, 6);
    for (int64_t at = 0; at < 6; ++at) {
      host.made = 0;
      host.refuseAt = at;
      fovea_kv *kv = nullptr;
      EXPECT_REFUSED(FOVEA_NO_MEMORY, "cannot allocate", p.open(&kv));
      EXPECT_EQ(host.live, 6);
    }
  }
  EXPECT_EQ(host.live, 0);
}

} // namespace
