// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pages of a sequence: how many it needs, which are its own, and copies of
// bytes inside a pool. Everything here is in all layers at once: page ids are
// shared by them.
#include "runtime/cuda/Cache.h"
#include "runtime/kvcache/Cache.h"

using namespace fovea::rt;

int64_t fovea_kv::needed(uint32_t segment, int64_t c, int64_t u) const {
  const SegmentPlan &s = storage.segments[segment];
  if (s.kind == FOVEA_SEGMENT_NEW)
    return pagedNew() ? segmentPages(*s.record, u) : 0;
  return segmentPages(*s.record, tokensOf(storage, segment, c + u, 0).size());
}

bool fovea_kv::openIsShared(uint32_t segment, int32_t i) const {
  const SegmentPlan &s = storage.segments[segment];
  if (s.kind == FOVEA_SEGMENT_NEW || s.kind == FOVEA_SEGMENT_RECENT)
    return false;
  int64_t n = tokens(segment, i).size();
  int64_t full = n / s.pageTokens;
  return n % s.pageTokens &&
         stores[segment].pool.shared(table(segment, i)[full]);
}

void fovea_kv::copyPage(uint32_t segment, int32_t from, int32_t to) {
  const SegmentStore &store = stores[segment];
  const int64_t bytes = storage.segments[segment].pageBytes;
  char *layer = store.memory;
  for (int l = 0; l < limits.layers; ++l, layer += store.layerBytes)
    if (gpu)
      gpu->copy(layer + to * bytes, layer + from * bytes, size_t(bytes));
    else
      std::memcpy(layer + to * bytes, layer + from * bytes, size_t(bytes));
}

void fovea_kv::makePrivate(uint32_t segment, int32_t i, int64_t at) {
  PagePool &pool = stores[segment].pool;
  int32_t *page = table(segment, i) + at;
  int32_t own = pool.take();
  copyPage(segment, *page, own);
  pool.drop(*page);
  *page = own;
  ++copies;
  // A plan that knows the shared page may meet its other owner's rows there.
  ++seqs[i].generation;
}

void fovea_kv::moveRows(uint32_t segment, int32_t fromPage, int64_t from,
                        int32_t toPage, int64_t to, int64_t n) {
  const SegmentPlan &s = storage.segments[segment];
  const SegmentStore &store = stores[segment];
  const int64_t heads = records().cache->heads;
  for (int l = 0; l < limits.layers; ++l) {
    char *layer = store.memory + l * store.layerBytes;
    char *src = layer + fromPage * s.pageBytes;
    char *dst = layer + toPage * s.pageBytes;
    for (uint32_t p = 0; p < s.nParts; ++p) {
      const PartPlan &part = s.parts[p];
      if (part.perPage())
        continue;
      bool dense = part.tokenStride == heads * part.row;
      size_t bytes = size_t(n * part.row * (dense ? heads : 1));
      for (int64_t h = 0; h < (dense ? 1 : heads); ++h) {
        int64_t at = part.offset + h * part.headStride;
        char *there = dst + at + to * part.tokenStride;
        const char *here = src + at + from * part.tokenStride;
        if (!gpu)
          std::memmove(there, here, bytes);
        // A copy on the device has no direction: row by row, as if in place.
        else if (there < here)
          for (size_t o = 0, step = bytes / size_t(n); o < bytes; o += step)
            gpu->copy(there + o, here + o, step);
        else if (there > here)
          for (size_t o = bytes, step = bytes / size_t(n); o > 0; o -= step)
            gpu->copy(there + o - step, here + o - step, step);
      }
    }
  }
}

int64_t fovea_kv::rowBytes(uint32_t segment) const {
  const SegmentPlan &s = storage.segments[segment];
  int64_t bytes = 0;
  for (uint32_t p = 0; p < s.nParts; ++p)
    if (!s.parts[p].perPage())
      bytes += s.parts[p].row * int64_t(records().cache->heads);
  return bytes;
}

namespace {

/// Calls fn(place in the pool, bytes) for each contiguous piece of one token.
template <typename Fn>
void eachPiece(const SegmentPlan &s, int64_t heads, char *page, int64_t offset,
               Fn fn) {
  for (uint32_t p = 0; p < s.nParts; ++p) {
    const PartPlan &part = s.parts[p];
    if (part.perPage())
      continue;
    char *at = page + part.offset + offset * part.tokenStride;
    for (int64_t h = 0; h < heads; ++h)
      fn(at + h * part.headStride, size_t(part.row));
  }
}

} // namespace

void fovea_kv::readRow(uint32_t segment, int layer, int32_t page,
                       int64_t offset, char *out) const {
  const SegmentPlan &s = storage.segments[segment];
  const SegmentStore &store = stores[segment];
  char *base = store.memory + layer * store.layerBytes + page * s.pageBytes;
  eachPiece(s, records().cache->heads, base, offset,
            [&](char *at, size_t bytes) {
              if (gpu)
                gpu->read(out, at, bytes);
              else
                std::memcpy(out, at, bytes);
              out += bytes;
            });
}

void fovea_kv::writeRow(uint32_t segment, int layer, int32_t page,
                        int64_t offset, const char *in) {
  const SegmentPlan &s = storage.segments[segment];
  const SegmentStore &store = stores[segment];
  char *base = store.memory + layer * store.layerBytes + page * s.pageBytes;
  eachPiece(s, records().cache->heads, base, offset,
            [&](char *at, size_t bytes) {
              if (gpu)
                gpu->write(at, in, bytes);
              else
                std::memcpy(at, in, bytes);
              in += bytes;
            });
}

void fovea_kv::place(uint32_t segment, int32_t i, int64_t token, int32_t &page,
                     int32_t &offset) const {
  const SegmentPlan &s = storage.segments[segment];
  int64_t slot = token - tokens(segment, i).base;
  if (s.kind == FOVEA_SEGMENT_NEW && !pagedNew()) {
    page = 0;
    offset = int32_t(seqs[i].newRow + slot);
    return;
  }
  if (s.record->ring)
    slot %= s.record->ring;
  page = table(segment, i)[slot / s.pageTokens];
  offset = int32_t(slot % s.pageTokens);
}
