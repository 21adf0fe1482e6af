// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the manifest's records of a cache to bytes.
#include "runtime/kvcache/Storage.h"
#include "runtime/base/Status.h"

#include <algorithm>
#include <cinttypes>

namespace fovea::rt {

fovea_status cacheRecords(const fovea_kernel &kernel, int arg,
                          CacheRecords &out) {
  if (arg < 0 || arg >= int(kernel.args.size()))
    return fail(FOVEA_INVALID,
                "kernel '%s': expected an argument below %u, got %d",
                kernel.name(), kernel.args.size(), arg);
  const fovea_bundle_arg &a = kernel.args[size_t(arg)];
  if (a.kind != FOVEA_ARG_CACHE)
    return fail(FOVEA_INVALID,
                "kernel '%s': expected argument '%s' to be a cache, got a %s",
                kernel.name(), kernel.argName(size_t(arg)),
                a.kind == FOVEA_ARG_SCALAR ? "scalar" : "tensor");
  out.bundle = &kernel.view();
  out.cache = &out.bundle->caches.slice(kernel.record->caches)[a.slot];
  out.segments = out.bundle->segments.slice(out.cache->segments);
  return FOVEA_OK;
}

static bool differ(const CacheRecords &a, const CacheRecords &b,
                   const char *what) {
  fail(FOVEA_INVALID, "expected a cache of type %s, got %s: %s differ",
       b.type(), a.type(), what);
  return false;
}

bool sameStorage(const CacheRecords &a, const CacheRecords &b) {
  if (a.cache == b.cache)
    return true;
  const fovea_bundle_cache &x = *a.cache, &y = *b.cache;
  if (x.heads != y.heads || x.key_dim != y.key_dim ||
      x.value_dim != y.value_dim)
    return differ(a, b, "heads or dims");
  if (x.input_dtype != y.input_dtype)
    return differ(a, b, "the formats of new rows");
  if (x.rope != y.rope)
    return differ(a, b, "the rotary positions");
  if (a.segments.size() != b.segments.size())
    return differ(a, b, "the numbers of segments");
  for (uint32_t i = 0; i < a.segments.size(); ++i) {
    const fovea_bundle_segment &s = a.segments[i], &t = b.segments[i];
    if (s.kind != t.kind || s.tokens != t.tokens)
      return differ(a, b, "the segments");
    if (s.token_major != t.token_major || s.page_tokens != t.page_tokens ||
        s.ring != t.ring)
      return differ(a, b, "the layouts");
    if (s.parts.count != t.parts.count)
      return differ(a, b, "the numbers of parts");
    for (uint32_t j = 0; j < s.parts.count; ++j) {
      const fovea_bundle_part &p = a.parts(i)[j], &q = b.parts(i)[j];
      if (p.dtype != q.dtype || p.per_page != q.per_page || p.rank != q.rank ||
          p.extent != q.extent || p.inner != q.inner ||
          strcmp(a.string(p.name), b.string(q.name)) != 0)
        return differ(a, b, "the formats");
    }
  }
  return true;
}

int64_t segmentPages(const fovea_bundle_segment &s, int64_t tokens) {
  int64_t most = s.ring ? s.ring : s.tokens ? s.tokens : tokens;
  most = most < tokens ? most : tokens;
  if (most <= 0)
    return 0;
  return s.page_tokens ? ceilDiv(most, s.page_tokens) : 1;
}

static fovea_status noCache(const CacheRecords &r, const char *what) {
  return fail(FOVEA_BAD_BUNDLE, "cache '%s' (%s): expected %s",
              r.string(r.cache->name), r.type(), what);
}

fovea_status StoragePlan::kinds() {
  if (!n || n > maxSegments)
    return noCache(records, "between 1 and 4 segments");
  int32_t *const byKind[] = {&all, &first, &older, &recent, &fresh};
  for (uint32_t i = 0; i < n; ++i) {
    const fovea_bundle_segment &s = records.segments[i];
    if (s.kind > FOVEA_SEGMENT_NEW ||
        (i && s.kind <= records.segments[i - 1].kind))
      return noCache(records, "segments in token order");
    *byKind[s.kind] = int32_t(i);
    bool sized =
        s.kind == FOVEA_SEGMENT_FIRST || s.kind == FOVEA_SEGMENT_RECENT;
    if (sized ? s.tokens < 1 || s.tokens > (int64_t(1) << 30) : s.tokens != 0)
      return noCache(records,
                     "first and recent, and no others, to have a size");
    if (s.ring != (s.kind == FOVEA_SEGMENT_RECENT ? s.tokens : 0))
      return noCache(records, "recent, and no other, to be a ring of its size");
    if (s.page_tokens < 0 || s.page_tokens > (int64_t(1) << 30))
      return noCache(records, "pages of at most 2^30 tokens");
  }
  if (all >= 0 ? n > 1 + uint32_t(fresh >= 0) : fresh < 0 || n < 2)
    return noCache(records, "all alone or with new, or others before new");
  grows = all >= 0 ? all : older;
  firstTokens = first >= 0 ? records.segments[size_t(first)].tokens : 0;
  recentTokens = recent >= 0 ? records.segments[size_t(recent)].tokens : 0;
  return FOVEA_OK;
}

/// Bytes of a way of a first-level cache, and of rows that are worth a gap.
static constexpr int64_t cacheWay = 4096, wideRows = 32768;

/// Offsets of the parts in a page, in bytes, each at a multiple of 64.
fovea_status StoragePlan::layOut(SegmentPlan &s, int64_t capacity) {
  const fovea_bundle_segment &r = *s.record;
  s.pageTokens = r.page_tokens ? r.page_tokens : capacity;
  const int64_t heads = records.cache->heads;
  Extent used;
  for (const fovea_bundle_part &p : records.bundle->parts.slice(r.parts)) {
    if (s.nParts == maxParts)
      return noCache(records, "at most 8 parts per segment");
    PartPlan &part = s.parts[s.nParts++];
    part.record = &p;
    part.name = records.string(p.name);
    const int64_t size = dtypeSize(p.dtype);
    const bool whole = p.per_page ? p.rank >= 3 && p.rank <= 4 && p.inner > 0 &&
                                        p.extent % p.inner == 0 &&
                                        (p.rank == 4 || p.extent == p.inner)
                                  : (p.rank == 4 && p.inner == p.extent) ||
                                        (p.rank == 3 && p.extent == 1);
    if (!size || p.extent < 1 || p.extent > (1 << 24) || !whole)
      return noCache(records, "parts of [page, head, offset, chan], or of "
                              "[page, head, ...] per page");
    Extent row = Extent{p.extent} * Extent{size};
    Extent bytes = row * Extent{heads};
    part.row = row.value;
    part.headStride = row.value;
    part.tokenStride = 0;
    s.kept |= p.per_page != 0;
    if (!p.per_page) {
      Extent run = row * Extent{s.pageTokens};
      bytes = bytes * Extent{s.pageTokens};
      if (!run.ok || !bytes.ok)
        return fail(FOVEA_INVALID, "expected pages of at most 2^62 bytes, got "
                                   "more");
      part.headStride = r.token_major ? row.value : run.value;
      part.tokenStride = r.token_major ? bytes.value / s.pageTokens : row.value;
      // Rows a power of two apart share few sets of a first-level cache: a
      // head's keys and values are kept out of each other's.
      if (r.token_major && s.nParts > 1 && bytes.value >= wideRows &&
          part.tokenStride % 512 == 0)
        used = used + Extent{std::min(part.tokenStride, cacheWay) / 2};
    }
    part.offset = used.value;
    used = roundUp(used + bytes, 64);
  }
  if (!used.ok || used.value > (int64_t(1) << 46))
    return fail(FOVEA_INVALID,
                "expected pages of at most 2^46 bytes in segment '%s', got "
                "more",
                s.name);
  if (!s.nParts)
    return noCache(records, "segments with parts");
  s.pageBytes = used.value;
  return FOVEA_OK;
}

fovea_status StoragePlan::create(const CacheRecords &from, int64_t maxLen,
                                 int64_t rows) {
  *this = {};
  records = from;
  n = from.segments.size();
  if (fovea_status st = kinds())
    return st;
  for (uint32_t i = 0; i < n; ++i) {
    SegmentPlan &s = segments[i];
    s.record = &from.segments[i];
    s.name = from.string(s.record->name);
    s.kind = s.record->kind;
    s.firstPart = nParts;
    const bool fresh = s.kind == FOVEA_SEGMENT_NEW;
    // One page of `new` holds the rows of all sequences where it is contiguous.
    int64_t capacity = fresh              ? rows
                       : s.record->tokens ? s.record->tokens
                                          : maxLen;
    int64_t most = fresh && rows < maxLen ? rows : maxLen;
    s.perSequence = segmentPages(*s.record, most);
    if (fovea_status st = layOut(s, capacity))
      return st;
    nParts += s.nParts;
  }
  return FOVEA_OK;
}

int64_t droppedOf(const StoragePlan &plan, int64_t committed) {
  if (plan.grows >= 0)
    return 0;
  const int64_t c = committed;
  const int64_t kept = plan.firstTokens + plan.recentTokens;
  return c > kept ? c - kept : 0;
}

} // namespace fovea::rt
