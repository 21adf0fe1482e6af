// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Trees of uncommitted rows: the parents that batches gave, remembered until a
// commit, so that a tree may be appended level by level. A sequence whose rows
// are a chain has no entries. Entries are a list per sequence in row order.
#include "runtime/base/Status.h"
#include "runtime/kvcache/Cache.h"

using namespace fovea::rt;

using LL = long long;
using ULL = unsigned long long;

void fovea_kv::pushTree(Seq &s, int32_t parent) {
  const int32_t node = treeFree;
  treeFree = treeNodes[node].next;
  treeNodes[node] = {parent, -1};
  if (s.treeLast < 0)
    s.treeFirst = node;
  else
    treeNodes[s.treeLast].next = node;
  s.treeLast = node;
}

/// Rows of the sequence that are about to be appended. There is a free entry
/// for every row within limits.rows.
void fovea_kv::growTree(int32_t i, int64_t rows, const int32_t *parents) {
  Seq &s = seqs[i];
  bool chain = s.treeFirst < 0;
  for (int64_t r = 0; parents && r < rows; ++r)
    chain &= parents[r] == s.uncommitted + r - 1;
  if (chain)
    return;
  if (s.treeFirst < 0)
    for (int64_t r = 0; r < s.uncommitted; ++r)
      pushTree(s, int32_t(r - 1));
  for (int64_t r = 0; r < rows; ++r)
    pushTree(s, parents ? parents[r] : int32_t(s.uncommitted + r - 1));
}

void fovea_kv::cutTree(int32_t i, int64_t rows) {
  Seq &s = seqs[i];
  if (s.treeFirst < 0)
    return;
  int32_t last = -1, node = s.treeFirst;
  for (int64_t r = 0; r < rows && node >= 0; ++r) {
    last = node;
    node = treeNodes[node].next;
  }
  (last < 0 ? s.treeFirst : treeNodes[last].next) = -1;
  s.treeLast = last;
  while (node >= 0) {
    const int32_t next = treeNodes[node].next;
    treeNodes[node].next = treeFree;
    treeFree = node;
    node = next;
  }
}

void fovea_kv::copyTree(int32_t i, int32_t *out, int64_t stride) const {
  for (int32_t node = seqs[i].treeFirst; node >= 0;
       node = treeNodes[node].next, out += stride)
    *out = treeNodes[node].parent;
}

fovea_status fovea_kv::checkParents(const fovea_batch &b, int i, int32_t at,
                                    bool append) const {
  if (!b.parent)
    return FOVEA_OK;
  const int32_t begin = b.rows[i], n = b.rows[i + 1] - begin;
  const ULL id = ULL(b.seq[i]);
  // The number of the first row among the uncommitted ones. Of a borrowed cache
  // the rows of the batch are all that there are.
  int64_t first = at < 0 ? 0 : seqs[at].uncommitted - (append ? 0 : n);
  if (at >= 0 && !append && b.pos && n)
    first = b.pos[begin] - seqs[at].committed;
  const bool known = at >= 0 && !append;
  int32_t node = known ? seqs[at].treeFirst : -1;
  for (int64_t r = 0; r < first && node >= 0; ++r)
    node = treeNodes[node].next;
  for (int32_t r = 0; r < n; ++r) {
    const int64_t own = first + r;
    const int32_t got = b.parent[begin + r];
    if (known && own < 0)
      continue; // a committed token
    if (got < -1 || got >= own)
      return fail(FOVEA_INVALID,
                  "expected the parent of row %d of sequence %llu to be one of "
                  "the %lld uncommitted rows before it, or -1, got %d",
                  r, id, LL(own), got);
    if (!known)
      continue;
    const int32_t want = node < 0 ? int32_t(own - 1) : treeNodes[node].parent;
    if (got != want)
      return fail(FOVEA_INVALID,
                  "expected the parent of row %d of sequence %llu to be %d as "
                  "when it was appended, got %d",
                  r, id, want, got);
    node = node < 0 ? -1 : treeNodes[node].next;
  }
  return FOVEA_OK;
}
