// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random histories of the cache manager against the model, over segments,
// formats and layouts.
#include "test/unit/runtime/KvHistory.h"

#include <cstdlib>

using namespace fovea::test;

namespace {

struct Configuration {
  const char *name;
  CacheKind kind;
  CacheShape shape;
};

constexpr Configuration configurations[] = {
    {"plain", CacheKind::Plain, {4, 2, false}},
    {"plain one token pages", CacheKind::Plain, {1, 2, true}},
    {"plain contiguous", CacheKind::Plain, {0, 2, false}},
    {"kept", CacheKind::Kept, {4, 2, false}},
    {"kept token major", CacheKind::Kept, {3, 2, true}},
    {"coded", CacheKind::Coded, {4, 2, false}},
    {"coded contiguous", CacheKind::Coded, {0, 0, true}},
    {"coded, new contiguous", CacheKind::Coded, {5, 0, false}},
    {"rich", CacheKind::Rich, {4, 2, false}},
    {"rich, new contiguous", CacheKind::Rich, {2, 0, true}},
    {"chain", CacheKind::Chain, {3, 3, false}},
    {"sink", CacheKind::Sink, {2, 1, false}},
    {"sink contiguous", CacheKind::Sink, {0, 0, false}},
};

TEST(KvHistory, MatchesTheModel) {
  const char *given = std::getenv("FOVEA_KV_HISTORIES");
  int total = given ? std::atoi(given) : KV_HISTORIES;
  int each = total / int(std::size(configurations)) + 1;
  int64_t refused = 0;
  for (const Configuration &c : configurations)
    for (int i = 0; i < each; ++i) {
      uint32_t seed = uint32_t(i) * 977u + uint32_t(&c - configurations);
      History history(c.kind, c.shape, seed);
      ASSERT_EQ(history.run(30), 0) << c.name << ", seed " << seed;
      refused += history.refused;
    }
  EXPECT_GT(refused, total / 10); // the limits are met
}

} // namespace
