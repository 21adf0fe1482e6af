// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a plan takes from a cache: ranges, page ids, touched pages, views.
#include "runtime/base/Status.h"
#include "runtime/kvcache/Cache.h"

using namespace fovea::rt;

fovea_status fovea_kv::snapshot(const fovea_batch &batch, uint32_t segment,
                                fovea_abi_range *out, int32_t *pages,
                                int64_t capacity, int64_t *used) const {
  if (borrowed)
    return borrowedSnapshot(batch, segment, out, pages, capacity, used);
  const SegmentPlan &s = storage.segments[segment];
  const bool fresh = s.kind == FOVEA_SEGMENT_NEW;
  const bool one = fresh && !pagedNew(); // all rows in page 0
  int64_t at = 0;
  for (int b = 0; b < batch.n; ++b) {
    const int32_t i = find(batch.seq[b]);
    const TokenRange range = tokens(segment, i);
    fovea_abi_range &r = out[b];
    r = {};
    r.begin = range.begin;
    r.end = range.end;
    r.base = one ? range.base - seqs[i].newRow : range.base;
    r.table = at;
    if (fresh || s.kind == FOVEA_SEGMENT_RECENT)
      r.shift = droppedOf(storage, seqs[i].committed);
    // Of a ring's slots those that were written.
    int64_t n = one ? range.size() > 0
                    : segmentPages(*s.record, range.end - range.base);
    if (n > capacity - at)
      return fail(FOVEA_INVALID,
                  "expected at most %lld pages in segment '%s' of the batch, "
                  "got more",
                  static_cast<long long>(capacity), s.name);
    if (one && n)
      pages[at] = 0;
    else if (n)
      std::memcpy(pages + at, table(segment, i), size_t(n) * sizeof *pages);
    at += n;
  }
  *used = at;
  return FOVEA_OK;
}

int64_t fovea_kv::touchedPages(const fovea_batch &batch, fovea_abi_item *out,
                               int64_t capacity) const {
  // Only new rows that lie in their final pages touch some before a commit.
  if (storage.fresh >= 0 || !storage.segments[0].kept)
    return 0;
  const int64_t pageTokens = storage.segments[0].pageTokens;
  int64_t count = 0;
  for (int b = 0; b < batch.n; ++b) {
    const int32_t i =
        borrowed ? borrowedRow(0, batch.seq[b], b) : find(batch.seq[b]);
    const int64_t end = length(i);
    const int64_t begin = end - (batch.rows[b + 1] - batch.rows[b]);
    const int32_t *ids =
        borrowed ? borrowedTable[0].pages + borrowedTable[0].indptr[i]
                 : table(0, i);
    for (int64_t p = begin / pageTokens; p * pageTokens < end; ++p) {
      if (begin == end)
        break;
      if (count++ >= capacity)
        continue;
      fovea_abi_item &item = out[count - 1];
      item = {};
      item.b = b;
      item.row = ids[p];
      item.k1 =
          end - p * pageTokens < pageTokens ? end - p * pageTokens : pageTokens;
      item.count = 1;
      item.slot = -1;
    }
  }
  return count;
}

void fovea_kv::bindParts(const CacheRecords &other, int layer,
                         fovea_abi_view *slotsOf) const {
  for (uint32_t i = 0; i < storage.n; ++i) {
    const Records<fovea_bundle_part> parts = other.parts(i);
    for (uint32_t p = 0; p < parts.size(); ++p)
      slotsOf[parts[p].slot] = view(layer, i, p);
  }
}

int64_t fovea_kv::sharedPrefix(int32_t a, int32_t b) const {
  int64_t same = 0;
  for (uint32_t i = 0; i < storage.n; ++i) {
    const SegmentPlan &s = storage.segments[i];
    if (s.kind == FOVEA_SEGMENT_NEW || s.kind == FOVEA_SEGMENT_RECENT)
      break;
    TokenRange x, y;
    const int32_t *p, *q;
    if (borrowed) {
      const BorrowedTable &t = borrowedTable[i],
                          &last = borrowedTable[nTables() - 1];
      const int32_t row = borrowedRow(i, last.seq[a], a);
      const int32_t other = borrowedRow(i, last.seq[b], b);
      x = borrowedTokens(i, row);
      y = borrowedTokens(i, other);
      p = t.pages + t.indptr[row];
      q = t.pages + t.indptr[other];
    } else {
      x = tokens(i, a);
      y = tokens(i, b);
      p = table(i, a);
      q = table(i, b);
    }
    if (x.begin != y.begin)
      break;
    if (x.begin != same)
      break; // tokens in between were dropped, or are not shared
    const int64_t least = x.end < y.end ? x.end : y.end;
    int64_t at = x.begin;
    while (at < least && *p++ == *q++)
      at += s.pageTokens;
    same = at < least ? at : least;
    if (same < x.end || same < y.end)
      break;
  }
  return same;
}
