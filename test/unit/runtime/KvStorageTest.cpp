// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where the parts of a cache lie, and which kernels may share one.
#include "test/unit/runtime/KvFixture.h"

using namespace fovea::test;

namespace {

TEST(KvStorage, CachesOfOneTypeFitEachOthersKernels) {
  using namespace fovea::rt;
  auto records = [](const Loaded &k) {
    CacheRecords r;
    EXPECT_EQ(cacheRecords(*k.kernel, cacheArg(k.kernel), r), FOVEA_OK);
    return r;
  };
  Loaded a(cacheKernel(cacheOptions(CacheKind::Rich)));
  Loaded b(cacheKernel(cacheOptions(CacheKind::Rich)));
  EXPECT_TRUE(sameStorage(records(a), records(b)));
  auto differs = [&](const char *words, const CacheOptions &options) {
    Loaded c(cacheKernel(options));
    EXPECT_FALSE(sameStorage(records(a), records(c)));
    EXPECT_NE(std::string(fovea_message()).find(words), std::string::npos)
        << fovea_message();
  };
  differs("the formats differ", cacheOptions(CacheKind::Chain));
  differs("the numbers of segments", cacheOptions(CacheKind::Sink));
  differs("the layouts", cacheOptions(CacheKind::Rich, {8, 2}));
  differs("the layouts", cacheOptions(CacheKind::Rich, {4, 2, true}));
  differs("heads or dims", cacheOptions(CacheKind::Rich, {4, 2, false, 3}));
  CacheOptions longer = cacheOptions(CacheKind::Rich);
  longer.segments[2].tokens = 6;
  differs("the segments", longer);
}

// Of rows 2 KB apart: a head's keys and values fall into other sets of a
// first-level cache. Neither heads that follow each other nor small pages pay
// for that.
TEST(KvStorage, PartsOfTokenMajorRowsAreKeptApart) {
  auto gap = [](bool tokenMajor, int64_t page) {
    CacheShape shape{page, 0, tokenMajor, 8, 64}; // f32: 2 KB a token
    Loaded k(cacheKernel(cacheOptions(CacheKind::Plain, shape)));
    fovea::rt::CacheRecords records;
    EXPECT_EQ(cacheRecords(*k.kernel, cacheArg(k.kernel), records), FOVEA_OK);
    fovea::rt::StoragePlan plan;
    EXPECT_EQ(plan.create(records, 1024, 16), FOVEA_OK) << fovea_message();
    const fovea::rt::SegmentPlan &s = plan.segments[0];
    return s.parts[1].offset - s.pageTokens * s.parts[1].row * 8;
  };
  EXPECT_EQ(gap(true, 16), 1024);
  EXPECT_EQ(gap(true, 8), 0);
  EXPECT_EQ(gap(false, 16), 0);
}

} // namespace
