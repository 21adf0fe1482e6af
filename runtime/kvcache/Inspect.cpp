// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a cache tells of itself: segments of a sequence, statistics.
#include "runtime/base/Status.h"
#include "runtime/kvcache/Cache.h"

using namespace fovea::rt;

fovea_status fovea_kv_segments(const fovea_kv *kv, uint64_t seq,
                               fovea_segment *out, int cap, int *n) {
  if (!kv || !n || (cap > 0 && !out))
    return fail(FOVEA_INVALID, "expected %s, got NULL",
                !kv  ? "a cache"
                : !n ? "a place for the number of segments"
                     : "fovea_segment records");
  int32_t i = -1;
  if (fovea_status st = kv->managed())
    return st;
  if (fovea_status st = kv->known(seq, i))
    return st;
  *n = int(kv->storage.n);
  for (uint32_t g = 0; g < kv->storage.n && int(g) < cap; ++g) {
    const SegmentPlan &s = kv->storage.segments[g];
    const SegmentStore &store = kv->stores[g];
    const TokenRange range = kv->tokens(g, i);
    fovea_segment info{};
    info.segment = s.name;
    info.begin = range.begin;
    info.end = range.end;
    info.pages = kv->seqs[i].nPages[g];
    info.bytes = info.pages * s.pageBytes * kv->limits.layers;
    if (s.kind == FOVEA_SEGMENT_NEW && !kv->pagedNew()) // rows of one page
      info.bytes = range.size() * kv->rowBytes(g) * kv->limits.layers;
    for (int64_t p = 0; p < info.pages; ++p)
      info.shared_pages += store.pool.shared(kv->table(g, i)[p]);
    if (fovea_status st = writeStruct(
            info, out + g, offsetof(fovea_segment, pages), "fovea_segment"))
      return st;
  }
  return FOVEA_OK;
}

fovea_status fovea_kv_stats_get(const fovea_kv *kv, fovea_kv_stats *out) {
  if (!kv)
    return fail(FOVEA_INVALID, "expected a cache, got NULL");
  if (fovea_status st = kv->managed())
    return st;
  fovea_kv_stats stats{};
  for (int64_t i = 0; i < kv->limits.seqs; ++i) {
    const Sequence &s = kv->seqs[i];
    if (!s.live)
      continue;
    ++stats.sequences;
    stats.tokens += s.length();
    stats.uncommitted += s.uncommitted;
  }
  for (uint32_t g = 0; g < kv->storage.n; ++g)
    stats.bytes += kv->stores[g].layerBytes * kv->limits.layers;
  if (kv->storage.grows >= 0) {
    const PagePool &pool = kv->stores[kv->storage.grows].pool;
    stats.pages = pool.count;
    stats.pages_free = pool.nFree;
    for (int64_t p = 0; p < pool.count; ++p)
      stats.pages_shared += pool.shared(int32_t(p));
  }
  stats.copies = kv->copies;
  stats.evictions = kv->evictions;
  return writeStruct(stats, out, offsetof(fovea_kv_stats, copies),
                     "fovea_kv_stats");
}
