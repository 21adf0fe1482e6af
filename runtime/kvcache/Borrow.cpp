// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Caches whose pools, tables and lengths are the host's. Nothing is owned, so
// everything is checked: the pools once, the tables at each update. Pools are
// where the kernel is, tables always on the host: an update copies them.
#include "runtime/base/Status.h"
#include "runtime/cuda/Kernel.h"
#include "runtime/kvcache/Cache.h"

#include <cstdio>
#include <new>

using namespace fovea::rt;

using LL = long long;
using ULL = unsigned long long;

/// Whether no two elements are at the same place.
static bool disjoint(const fovea_abi_view &v, uint32_t rank) {
  int64_t span = 1; // of the dims with smaller strides
  bool done[FOVEA_ABI_MAX_RANK] = {};
  for (uint32_t round = 0; round < rank; ++round) {
    uint32_t least = rank;
    for (uint32_t d = 0; d < rank; ++d)
      if (!done[d] &&
          (least == rank || v.stride[d] < v.stride[least] ||
           (v.stride[d] == v.stride[least] && v.shape[d] < v.shape[least])))
        least = d;
    done[least] = true;
    if (v.shape[least] <= 1)
      continue;
    int64_t last = 0;
    if (v.stride[least] < span ||
        __builtin_mul_overflow(v.stride[least], v.shape[least] - 1, &last) ||
        __builtin_add_overflow(last, span, &span))
      return false;
  }
  return true;
}

namespace {

/// One part of the host in all layers.
fovea_status borrowPart(fovea_kv &kv, uint32_t g, uint32_t p,
                        const fovea_kv_part &given, bool firstOfSegment) {
  SegmentPlan &s = kv.storage.segments[g];
  const fovea_bundle_part &r = *s.parts[p].record;
  char what[256];
  for (int layer = 0; layer < kv.limits.layers; ++layer) {
    std::snprintf(what, sizeof what, "segment '%s', part '%s', layer %d",
                  s.name, s.parts[p].name, layer);
    const int64_t heads = kv.records().cache->heads;
    const bool any = !r.per_page && !s.record->page_tokens && firstOfSegment &&
                     layer == 0; // it says how much a contiguous page holds
    int64_t extents[4] = {
        firstOfSegment && layer == 0 ? -1 : kv.borrowedPages[g], heads,
        r.per_page ? r.extent / r.inner
        : any      ? -1
                   : s.pageTokens,
        r.inner};
    if (r.per_page && r.rank == 3)
      extents[2] = r.inner;
    fovea_abi_view &view =
        kv.views[size_t(layer) * kv.storage.nParts + s.firstPart + p];
    view = {};
    const GpuKernel *gpu = kv.kernel->gpu;
    const fovea_tensor &pool = given.pool[layer];
    if (fovea_status st = checkPart(&pool, what, r.dtype, r.rank, extents, view,
                                    gpu ? kDLCUDA : kDLCPU))
      return st;
    if (gpu && pool.device.device_id != gpu->device->id)
      return fail(FOVEA_INVALID,
                  "%s: expected memory of GPU %d, the kernel's, got memory of "
                  "GPU %d",
                  what, gpu->device->id, pool.device.device_id);
    if (any)
      s.pageTokens = view.shape[2];
    if (firstOfSegment && layer == 0)
      kv.borrowedPages[g] = view.shape[0];
    if (view.shape[0] > INT32_MAX || s.pageTokens > INT32_MAX)
      return fail(FOVEA_INVALID,
                  "%s: expected at most 2^31 - 1 pages and tokens per page, "
                  "got %lld and %lld",
                  what, LL(view.shape[0]), LL(s.pageTokens));
    if (!disjoint(view, r.rank))
      return fail(FOVEA_INVALID,
                  "%s: expected strides that keep elements apart, got strides "
                  "%lld, %lld, %lld of %lld pages",
                  what, LL(view.stride[0]), LL(view.stride[1]),
                  LL(view.stride[2]), LL(view.shape[0]));
  }
  return FOVEA_OK;
}

} // namespace

fovea_status fovea_kv::createBorrowed(int layers, const fovea_kv_part *parts,
                                      int n) {
  borrowed = true;
  if (layers < 1 || layers > (1 << 16))
    return fail(FOVEA_INVALID, "expected between 1 and %d layers, got %d",
                1 << 16, layers);
  if (n < 1 || !parts)
    return fail(FOVEA_INVALID, "expected the parts of a cache, got %d of them",
                parts ? n : 0);
  limits.layers = layers;
  CacheRecords from = storage.records;
  if (fovea_status st = storage.create(from, 1, 1))
    return st;
  views = static_cast<fovea_abi_view *>(
      ctx().allocate(sizeof *views * size_t(layers) * storage.nParts, 64));
  if (!views)
    return noMemory("a cache's views",
                    sizeof *views * size_t(layers) * storage.nParts);
  book = views;
  bool met[maxSegments][maxParts] = {};
  // The first part of a segment in the manifest tells its number of pages.
  for (uint32_t g = 0; g < storage.n; ++g)
    for (uint32_t p = 0; p < storage.segments[g].nParts; ++p) {
      const SegmentPlan &s = storage.segments[g];
      for (int i = 0; i < n; ++i) {
        fovea_kv_part part{};
        if (fovea_status st =
                readStruct(parts + i, sizeof part, part, "fovea_kv_part"))
          return st;
        if (!part.segment || !part.part || !part.pool)
          return fail(FOVEA_INVALID,
                      "expected fovea_kv_part with a segment, a part and a "
                      "pool, got NULL in number %d",
                      i);
        if (strcmp(part.segment, s.name) != 0 ||
            strcmp(part.part, s.parts[p].name) != 0)
          continue;
        if (met[g][p])
          return fail(FOVEA_INVALID,
                      "expected part '%s' of segment '%s' once, "
                      "got it twice",
                      part.part, part.segment);
        met[g][p] = true;
        if (fovea_status st = borrowPart(*this, g, p, part, p == 0))
          return st;
      }
      if (!met[g][p] && int32_t(g) != storage.fresh)
        return fail(FOVEA_INVALID,
                    "expected a pool for part '%s' of segment '%s' of type %s, "
                    "got none",
                    s.parts[p].name, s.name, records().type());
    }
  int wanted = 0;
  for (auto &segment : met)
    for (bool part : segment)
      wanted += part;
  if (wanted != n)
    return fail(FOVEA_INVALID,
                "expected parts of type %s, got %d that it does not have",
                records().type(), n - wanted);
  if (storage.fresh < 0) {
    const size_t bytes = sizeof *pageMark * size_t(borrowedPages[0]);
    pageMark = static_cast<uint32_t *>(ctx().allocate(bytes, 64));
    scratch = reinterpret_cast<char *>(pageMark);
    if (!pageMark)
      return noMemory("a cache's page marks", bytes);
  }
  return FOVEA_OK;
}

int32_t fovea_kv::borrowedRow(uint32_t segment, uint64_t seq,
                              int32_t hint) const {
  const BorrowedTable &t = borrowedTable[segment];
  if (hint < t.n && t.seq[hint] == seq) // the batch's own order
    return hint;
  for (int32_t i = 0; i < t.n; ++i)
    if (t.seq[i] == seq)
      return i;
  return -1;
}

TokenRange fovea_kv::borrowedTokens(uint32_t segment, int32_t row) const {
  const BorrowedTable &t = borrowedTable[segment];
  TokenRange r{t.begin ? t.begin[row] : 0, t.end[row], 0};
  r.base =
      storage.segments[segment].record->ring ? storage.firstTokens : r.begin;
  return r;
}

/// Pages that the tokens of a range need: -1 if a contiguous page is too small.
int64_t fovea_kv::borrowedNeeds(uint32_t segment, const TokenRange &r) const {
  const SegmentPlan &s = storage.segments[segment];
  int64_t slots = r.end - r.base;
  if (s.record->ring && slots > s.record->ring)
    slots = s.record->ring;
  if (slots <= 0)
    return 0;
  if (!s.record->page_tokens)
    return slots <= s.pageTokens ? 1 : -1;
  return ceilDiv(slots, s.pageTokens);
}

fovea_status fovea_kv::checkBorrowedRow(uint32_t g, uint64_t seq, int32_t row,
                                        int64_t &from) const {
  const SegmentPlan &s = storage.segments[g];
  const BorrowedTable &t = borrowedTable[g];
  const TokenRange r = borrowedTokens(g, row);
  if (r.begin < from || r.end < r.begin || r.end > (int64_t(1) << 40) ||
      (s.record->ring && r.end - r.begin > s.record->ring) ||
      (s.record->ring && r.begin < r.base && r.end > r.begin))
    return fail(FOVEA_INVALID,
                "segment '%s': expected tokens of sequence %llu from %lld on "
                "that the segment can hold, got [%lld, %lld)",
                s.name, ULL(seq), LL(from), LL(r.begin), LL(r.end));
  const int64_t pages = borrowedNeeds(g, r);
  const int64_t first = t.indptr[row], last = t.indptr[row + 1];
  if (first < 0 || last < first || pages < 0 || pages > last - first)
    return fail(FOVEA_INVALID,
                "segment '%s': expected pages for the tokens [%lld, %lld) of "
                "sequence %llu, got %lld pages of %lld tokens",
                s.name, LL(r.begin), LL(r.end), ULL(seq), LL(last - first),
                LL(s.pageTokens));
  for (int64_t p = first; p < first + pages; ++p)
    if (t.pages[p] < 0 || t.pages[p] >= borrowedPages[g])
      return fail(FOVEA_INVALID,
                  "segment '%s': expected page ids of sequence %llu below "
                  "%lld, got %d",
                  s.name, ULL(seq), LL(borrowedPages[g]), t.pages[p]);
  from = r.end;
  return FOVEA_OK;
}

/// New rows are written to their pages: no page may be another's, too.
fovea_status fovea_kv::markWritten(uint64_t seq, int32_t row, int64_t rows) {
  const BorrowedTable &t = borrowedTable[0];
  const TokenRange r = borrowedTokens(0, row);
  const int64_t P = storage.segments[0].pageTokens;
  for (int64_t p = (r.size() - rows) / P; rows && p * P < r.size(); ++p) {
    const int32_t page = t.pages[t.indptr[row] + p];
    if (pageMark[page] == markEpoch)
      return fail(FOVEA_INVALID,
                  "segment '%s': expected a page to be written for one "
                  "sequence, got page %d twice, the second time for %llu",
                  storage.segments[0].name, page, ULL(seq));
    pageMark[page] = markEpoch;
  }
  return FOVEA_OK;
}

fovea_status fovea_kv::checkBorrowed(const fovea_batch &b, bool append) {
  if (append && storage.fresh >= 0)
    return fail(FOVEA_UNSUPPORTED,
                "expected a borrowed cache whose new rows lie in their final "
                "page, got type %s, which encodes or moves them",
                records().type());
  if (b.n < 0 || (b.n && (!b.seq || !b.rows || b.rows[0])))
    return fail(FOVEA_INVALID,
                "expected a fovea_batch with ids and offsets from 0 on, got n "
                "= %d",
                b.n);
  ++markEpoch;
  for (int i = 0; i < b.n; ++i) {
    if (b.rows[i + 1] < b.rows[i])
      return fail(FOVEA_INVALID,
                  "expected fovea_batch.rows to ascend, got %d after %d",
                  b.rows[i + 1], b.rows[i]);
    for (int j = 0; j < i; ++j)
      if (b.seq[j] == b.seq[i])
        return fail(FOVEA_INVALID,
                    "expected a sequence once in a batch, got %llu twice",
                    ULL(b.seq[i]));
    int64_t length = 0;
    for (uint32_t g = 0; g < nTables(); ++g) {
      const int32_t row = borrowedRow(g, b.seq[i], i);
      if (row < 0)
        return fail(FOVEA_INVALID,
                    "segment '%s': expected tables of sequence %llu "
                    "(fovea_kv_borrow_tables), got none",
                    storage.segments[g].name, ULL(b.seq[i]));
      if (fovea_status st = checkBorrowedRow(g, b.seq[i], row, length))
        return st;
    }
    const int64_t rows = b.rows[i + 1] - b.rows[i];
    const int32_t row = borrowedRow(0, b.seq[i], i);
    if (append && rows > borrowedTokens(0, row).size())
      return fail(FOVEA_INVALID,
                  "expected at most %lld rows of sequence %llu, the tokens in "
                  "its tables, got %lld",
                  LL(borrowedTokens(0, row).size()), ULL(b.seq[i]), LL(rows));
    fovea_status st =
        checkPositions(b, i, append ? length - rows : length, append);
    if (!st)
      st = checkParents(b, i, -1, append);
    if (!st && append)
      st = markWritten(b.seq[i], row, rows);
    if (st)
      return st;
  }
  return FOVEA_OK;
}

fovea_status fovea_kv::borrowedSnapshot(const fovea_batch &batch,
                                        uint32_t segment, fovea_abi_range *out,
                                        int32_t *pages, int64_t capacity,
                                        int64_t *used) const {
  const SegmentPlan &s = storage.segments[segment];
  int64_t at = 0;
  for (int b = 0; b < batch.n; ++b) {
    fovea_abi_range &r = out[b];
    r = {};
    r.table = at;
    if (segment >= nTables()) { // `new` is empty: nothing is appended
      const int32_t last = borrowedRow(nTables() - 1, batch.seq[b], b);
      r.begin = r.end = r.base = borrowedTokens(nTables() - 1, last).end;
      continue;
    }
    const BorrowedTable &t = borrowedTable[segment];
    const int32_t row = borrowedRow(segment, batch.seq[b], b);
    const TokenRange range = borrowedTokens(segment, row);
    r.begin = range.begin;
    r.end = range.end;
    r.base = range.base;
    if (s.kind == FOVEA_SEGMENT_RECENT && storage.grows < 0)
      r.shift = range.begin - (segment ? borrowedTokens(0, row).end : 0);
    const int64_t n = borrowedNeeds(segment, range);
    if (n > capacity - at)
      return fail(FOVEA_INVALID,
                  "expected at most %lld pages in segment '%s' of the batch, "
                  "got more",
                  LL(capacity), s.name);
    if (n)
      std::memcpy(pages + at, t.pages + t.indptr[row],
                  size_t(n) * sizeof *pages);
    at += n;
  }
  *used = at;
  return FOVEA_OK;
}

fovea_status fovea_kv_borrow(fovea_kernel *kernel, int arg, int layers,
                             const fovea_kv_part *parts, int n,
                             fovea_kv **out) {
  if (!kernel || !out)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !kernel ? "kernel" : "place for the cache");
  *out = nullptr;
  CacheRecords records;
  if (fovea_status st = cacheRecords(*kernel, arg, records))
    return st;
  auto *kv = new (std::nothrow) fovea_kv(kernel);
  if (!kv)
    return noMemory("a cache", sizeof(fovea_kv));
  kv->storage.records = records;
  if (fovea_status st = kv->createBorrowed(layers, parts, n)) {
    delete kv;
    return st;
  }
  *out = kv;
  return FOVEA_OK;
}

fovea_status fovea_kv_borrow_tables(fovea_kv *kv, const char *segment, int n,
                                    const uint64_t *seq, const int64_t *indptr,
                                    const int32_t *pages, const int64_t *begin,
                                    const int64_t *end) {
  if (!kv || !segment)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !kv ? "cache" : "segment's name");
  if (!kv->borrowed)
    return fail(FOVEA_INVALID,
                "expected a borrowed cache, got one of fovea_kv_create");
  if (n < 0 || (n && (!seq || !indptr || !end)) ||
      (n && indptr[n] > indptr[0] && !pages))
    return fail(FOVEA_INVALID,
                "segment '%s': expected tables of at least 0 sequences, got %d "
                "sequences or NULL",
                segment, n);
  for (uint32_t g = 0; g < kv->nTables(); ++g)
    if (!strcmp(segment, kv->storage.segments[g].name)) {
      kv->borrowedTable[g] = {n, seq, indptr, pages, begin, end};
      return FOVEA_OK;
    }
  return fail(FOVEA_INVALID, "expected a segment of type %s, got '%s'",
              kv->records().type(), segment);
}
