// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Commit: the rows to keep become tokens, and tokens move on to the next
// segment. Moves are made in token order, so that a row passes through every
// segment on its way, as if it had been committed alone.
#include "runtime/base/Status.h"
#include "runtime/kvcache/Cache.h"

using namespace fovea::rt;

using LL = long long;
using ULL = unsigned long long;

/// Sets kept[0..n) and consumer[row]: the place in `kept` of a row, or -1.
fovea_status fovea_kv::readKeep(int32_t i, const int32_t *keep, int &n) {
  const Seq &s = seqs[i];
  const int64_t rows = s.uncommitted;
  if (!keep && n < 0)
    n = int(rows);
  if (n < 0 || n > rows)
    return fail(FOVEA_INVALID,
                "expected to keep at most the %lld uncommitted rows of "
                "sequence %llu, got %d",
                LL(rows), ULL(s.id), n);
  if (!keep) {
    for (int j = 0; j < n; ++j)
      kept[j] = j;
    return FOVEA_OK;
  }
  for (int64_t r = 0; r < rows; ++r)
    consumer[r] = -1;
  for (int j = 0; j < n; ++j) {
    if (keep[j] < 0 || keep[j] >= rows)
      return fail(FOVEA_INVALID,
                  "expected keep[%d] to be one of the %lld uncommitted rows of "
                  "sequence %llu, got %d",
                  j, LL(rows), ULL(s.id), keep[j]);
    if (consumer[keep[j]] >= 0)
      return fail(FOVEA_INVALID,
                  "expected a row once in keep, got %d at %d and at %d",
                  keep[j], consumer[keep[j]], j);
    consumer[keep[j]] = j;
    kept[j] = keep[j];
  }
  return FOVEA_OK;
}

/// New rows lie in their final pages: brings the kept ones together. A row is
/// overwritten only after the one that needs it has been written.
void fovea_kv::compact(int32_t i, int64_t n) {
  const uint32_t g = uint32_t(storage.all);
  const int64_t c = seqs[i].committed;
  const int64_t bytes = rowBytes(g);
  auto copy = [&](int32_t from, int32_t to) {
    int32_t page[2], offset[2];
    place(g, i, c + from, page[0], offset[0]);
    place(g, i, c + to, page[1], offset[1]);
    moveRows(g, page[0], offset[0], page[1], offset[1], 1);
  };
  for (int32_t j = 0; j < n; ++j) {
    if (kept[j] == j)
      continue;
    int32_t last = j;
    auto next = [&] {
      int32_t k = consumer[last];
      return k >= 0 && kept[k] != k ? k : -1; // who still needs row `last`
    };
    int32_t k = next();
    for (; k >= 0 && k != j; k = next())
      last = k;
    const bool cycle = k == j;
    int32_t page, offset;
    if (cycle) {
      place(g, i, c + last, page, offset);
      for (int l = 0; l < limits.layers; ++l)
        readRow(g, l, page, offset, rowBuffer + l * bytes);
    }
    for (int32_t at = last;;) {
      int32_t from = kept[at];
      kept[at] = at; // done
      if (at == j && cycle) {
        place(g, i, c + j, page, offset);
        for (int l = 0; l < limits.layers; ++l)
          writeRow(g, l, page, offset, rowBuffer + l * bytes);
      } else {
        copy(from, at);
      }
      if (at == j)
        break;
      at = from;
    }
  }
}

/// Whether a row of one segment is stored as the same bits in another.
static bool sameFormat(const StoragePlan &plan, uint32_t a, uint32_t b) {
  const SegmentPlan &s = plan.segments[a], &t = plan.segments[b];
  uint32_t n = 0, m = 0;
  for (;; ++n, ++m) {
    while (n < s.nParts && s.parts[n].perPage())
      ++n;
    while (m < t.nParts && t.parts[m].perPage())
      ++m;
    if (n == s.nParts || m == t.nParts)
      return n == s.nParts && m == t.nParts;
    const fovea_bundle_part &x = *s.parts[n].record, &y = *t.parts[m].record;
    if (x.dtype != y.dtype || x.extent != y.extent || x.rank != y.rank ||
        strcmp(s.parts[n].name, t.parts[m].name) != 0)
      return false;
  }
}

fovea_status fovea_kv::moveKept(int32_t i, int64_t n) {
  const StoragePlan &plan = storage;
  const int64_t c = seqs[i].committed, end = c + n;
  const int64_t sink = plan.firstTokens, window = plan.recentTokens;
  int64_t count = 0;
  auto move = [&](int32_t from, int64_t token, int32_t to, int64_t as) {
    fovea_abi_move &m = moves[count++];
    m.from = from;
    m.to = to;
    place(uint32_t(from), i, token, m.from_page, m.from_offset);
    place(uint32_t(to), i, as, m.to_page, m.to_offset);
  };
  // A token that recent would hold without changing a bit need not stop there.
  const bool through =
      plan.recent >= 0 && plan.older >= 0 &&
      !sameFormat(plan, uint32_t(plan.recent), uint32_t(plan.fresh));
  for (int64_t t = c; t < end; ++t) {
    const int64_t row = c + kept[t - c];
    if (plan.all >= 0) {
      move(plan.fresh, row, plan.all, t);
      continue;
    }
    if (t < sink) {
      move(plan.fresh, row, plan.first, t);
      continue;
    }
    if (plan.recent < 0) {
      if (plan.older >= 0)
        move(plan.fresh, row, plan.older, t);
      continue;
    }
    const int64_t leaves = t - window; // makes room for t
    if (plan.older >= 0 && leaves >= sink && (through || leaves < c))
      move(plan.recent, leaves, plan.older, leaves);
    if (through || t >= end - window)
      move(plan.fresh, row, plan.recent, t);
    else if (plan.older >= 0)
      move(plan.fresh, row, plan.older, t);
  }
  return runMoves(count);
}

fovea_status fovea_kv::commit(int32_t i, const int32_t *keep, int n) {
  Seq &s = seqs[i];
  if (fovea_status st = readKeep(i, keep, n))
    return st;
  if (!s.uncommitted)
    return FOVEA_OK;
  bool inOrder = true;
  for (int j = 0; j < n; ++j)
    inOrder &= kept[j] == j;
  const int32_t g = storage.grows;
  const bool keeps = g >= 0 && storage.segments[g].kept;
  const bool whole = inOrder && n == s.uncommitted;
  const bool fresh = storage.fresh >= 0;
  if (fresh ? n > 0 || keeps : keeps && !whole)
    if (fovea_status st = canRun())
      return st;
  const TokenRange before =
      g >= 0 ? tokensOf(storage, uint32_t(g), s.committed, 0) : TokenRange{};
  if (fresh) {
    if (fovea_status st = moveKept(i, n))
      return st;
  } else if (!inOrder) {
    compact(i, n);
  }
  uncommittedRows -= s.uncommitted;
  s.committed += n;
  s.uncommitted = 0;
  s.reserved = 0;
  ++s.generation;
  shrink(i);
  // Metadata of appended rows that lie in their final pages is there already.
  if (!keeps || (!fresh && whole))
    return FOVEA_OK;
  const TokenRange after = tokens(uint32_t(g), i);
  int64_t from = before.base + before.size();
  if (!fresh && inOrder) // the open page lost rows
    from = after.end - after.size() % storage.segments[g].pageTokens;
  return refresh(uint32_t(g), i, from, after.end);
}
