// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The storage plan of a cache argument: what the manifest says of its
// segments, worked out into bytes and strides for a capacity. For the cache
// manager, and for plans, which size their tables by it.
#ifndef FOVEA_RUNTIME_KVCACHE_STORAGE_H
#define FOVEA_RUNTIME_KVCACHE_STORAGE_H

#include "runtime/base/Checked.h"
#include "runtime/bundle/CheckRecords.h"
#include "runtime/loader/Bundle.h"

namespace fovea::rt {

/// The manifest's records of one cache argument.
struct CacheRecords {
  const BundleView *bundle = nullptr;
  const fovea_bundle_cache *cache = nullptr;
  Records<fovea_bundle_segment> segments;

  Records<fovea_bundle_part> parts(size_t segment) const {
    return bundle->parts.slice(segments[segment].parts);
  }
  const char *string(uint32_t offset) const { return bundle->string(offset); }
  const char *type() const { return string(cache->type); }
};

/// The records of the kernel's argument `arg`; FOVEA_INVALID if it is no cache.
fovea_status cacheRecords(const fovea_kernel &kernel, int arg,
                          CacheRecords &out);

/// Whether a cache made for `a` can be used as `b`: same segments, layouts and
/// formats. False: the message says what differs.
bool sameStorage(const CacheRecords &a, const CacheRecords &b);

/// Most pages of one sequence of `tokens` tokens in a segment; for `new`, of
/// that many uncommitted ones.
int64_t segmentPages(const fovea_bundle_segment &segment, int64_t tokens);

/// Where one part lies in a page, in bytes.
struct PartPlan {
  const fovea_bundle_part *record = nullptr;
  const char *name = "";
  int64_t offset = 0;     // of the part in a page
  int64_t row = 0;        // per (head, token); per page: per head
  int64_t headStride = 0; // between heads
  int64_t tokenStride = 0;
  bool perPage() const { return record->per_page; }
};

/// One segment for a capacity.
struct SegmentPlan {
  const fovea_bundle_segment *record = nullptr;
  const char *name = "";
  uint32_t kind = FOVEA_SEGMENT_ALL;
  int64_t pageTokens = 1; // of a contiguous segment: all that it may hold
  int64_t pageBytes = 0;
  int64_t perSequence = 0; // most pages of one sequence
  uint32_t nParts = 0, firstPart = 0;
  PartPlan parts[maxParts];
  bool kept = false; // has metadata per page
};

struct StoragePlan {
  CacheRecords records;
  uint32_t n = 0, nParts = 0;
  SegmentPlan segments[maxSegments];
  // By kind; -1: none. `grows` is the segment that limits.pages counts.
  int32_t all = -1, first = -1, older = -1, recent = -1, fresh = -1, grows = -1;
  int64_t firstTokens = 0, recentTokens = 0;

  /// Checks that the segments make a cache and lays their pages out for
  /// sequences of max_len tokens and `rows` uncommitted ones.
  fovea_status create(const CacheRecords &records, int64_t maxLen,
                      int64_t rows);

private:
  fovea_status kinds();
  fovea_status layOut(SegmentPlan &segment, int64_t capacity);
};

/// The tokens of a sequence of `committed` and `uncommitted` ones in each
/// segment. base: the token of slot 0.
struct TokenRange {
  int64_t begin = 0, end = 0, base = 0;
  int64_t size() const { return end - begin; }
};
inline TokenRange tokensOf(const StoragePlan &plan, uint32_t segment,
                           int64_t committed, int64_t uncommitted) {
  const int64_t c = committed;
  const int64_t sink = plan.firstTokens < c ? plan.firstTokens : c;
  int64_t edge = c; // where recent begins
  if (plan.recent >= 0)
    edge = c - plan.recentTokens > sink ? c - plan.recentTokens : sink;
  switch (plan.segments[segment].kind) {
  case FOVEA_SEGMENT_ALL:
    return {0, plan.fresh < 0 ? c + uncommitted : c, 0};
  case FOVEA_SEGMENT_FIRST:
    return {0, sink, 0};
  case FOVEA_SEGMENT_OLDER:
    return {sink, edge, plan.firstTokens};
  case FOVEA_SEGMENT_RECENT:
    return {edge, c, plan.firstTokens};
  default:
    return {c, c + uncommitted, c};
  }
}

/// Tokens dropped from a sequence: positions by slot lag behind by them.
int64_t droppedOf(const StoragePlan &plan, int64_t committed);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_KVCACHE_STORAGE_H
