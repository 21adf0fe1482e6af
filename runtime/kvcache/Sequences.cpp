// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sequences of a managed cache: their index by id, new, fork, trim, free.
#include "runtime/base/Status.h"
#include "runtime/cuda/Cache.h"
#include "runtime/kvcache/Cache.h"

using namespace fovea::rt;

using LL = long long;
using ULL = unsigned long long;

static uint64_t hashOf(uint64_t id) {
  id *= 0x9e3779b97f4a7c15u;
  return id ^ (id >> 32);
}

int32_t fovea_kv::find(uint64_t seq) const {
  if (borrowed)
    return borrowedRow(nTables() - 1, seq, 0);
  for (uint64_t h = hashOf(seq);; ++h) {
    int32_t entry = index[h & indexMask];
    if (!entry)
      return -1;
    if (seqs[entry - 1].id == seq)
      return entry - 1;
  }
}

int64_t fovea_kv::length(int32_t i) const {
  if (borrowed)
    return borrowedTable[nTables() - 1].end[i];
  return seqs[i].length();
}

int64_t fovea_kv::uncommitted(int32_t i) const {
  return borrowed ? length(i) : seqs[i].uncommitted;
}

uint32_t fovea_kv::generation(int32_t i) const {
  return borrowed ? 0 : seqs[i].generation;
}

int32_t fovea_kv::insert(uint64_t seq) {
  int32_t i = freeSeqs[--nFreeSeqs];
  Seq &s = seqs[i];
  uint32_t generation = s.generation;
  s = Seq{};
  s.generation = generation;
  s.id = seq;
  s.live = true;
  uint64_t h = hashOf(seq);
  while (index[h & indexMask])
    ++h;
  index[h & indexMask] = i + 1;
  return i;
}

void fovea_kv::remove(int32_t i) {
  Seq &s = seqs[i];
  uncommittedRows -= s.uncommitted;
  s.committed = s.uncommitted = 0;
  shrink(i);
  ++s.generation;
  s.live = false;
  freeSeqs[nFreeSeqs++] = i;
  uint64_t hole = hashOf(s.id);
  while (index[hole & indexMask] != i + 1)
    ++hole;
  // Entries behind the hole move up, as far as their own place allows.
  for (uint64_t h = hole + 1; index[h & indexMask]; ++h) {
    uint64_t home = hashOf(seqs[index[h & indexMask] - 1].id);
    if (((h - home) & indexMask) < ((h - hole) & indexMask))
      continue;
    index[hole & indexMask] = index[h & indexMask];
    hole = h;
  }
  index[hole & indexMask] = 0;
}

void fovea_kv::shrink(int32_t i) {
  cutTree(i, seqs[i].uncommitted);
  Seq &s = seqs[i];
  for (uint32_t g = 0; g < storage.n; ++g) {
    int64_t keep = needed(g, s.committed, s.uncommitted);
    while (s.nPages[g] > keep)
      stores[g].pool.drop(table(g, i)[--s.nPages[g]]);
  }
}

fovea_status fovea_kv::canBegin(uint64_t seq) const {
  if (find(seq) >= 0)
    return fail(FOVEA_INVALID,
                "expected an id that is not in the cache, got %llu", ULL(seq));
  if (!nFreeSeqs)
    return fail(FOVEA_INVALID,
                "expected at most %lld sequences (limits.seqs), got one more",
                LL(limits.seqs));
  return FOVEA_OK;
}

/// A token may only be where it would be without the ones behind it: what has
/// been encoded or dropped does not come back into `recent`.
fovea_status fovea_kv::canCut(int32_t i, int64_t len, const char *verb) const {
  if (storage.recent < 0)
    return FOVEA_OK;
  const uint32_t recent = uint32_t(storage.recent);
  TokenRange now = tokens(recent, i);
  TokenRange then = tokensOf(storage, recent, len, 0);
  if (!then.size() || then.begin >= now.begin)
    return FOVEA_OK;
  return fail(FOVEA_INVALID,
              "expected to %s sequence %llu where its tokens from %lld on are "
              "still in segment '%s', got length %lld: tokens [%lld, %lld) "
              "were %s",
              verb, ULL(seqs[i].id), LL(then.begin),
              storage.segments[recent].name, LL(len), LL(then.begin),
              LL(now.begin < len ? now.begin : len),
              storage.older >= 0 ? "encoded" : "dropped");
}

fovea_status fovea_kv::fork(int32_t parent, int64_t len, uint64_t child) {
  // Pages that are copied: open ones, and windows.
  auto lack = [&]() -> int64_t {
    if (storage.grows < 0)
      return 0;
    const uint32_t g = uint32_t(storage.grows);
    bool open =
        tokensOf(storage, g, len, 0).size() % storage.segments[g].pageTokens;
    return int64_t(open) - stores[g].pool.nFree;
  };
  seqs[parent].locked = true;
  fovea_status st = makeRoom(lack);
  seqs[parent].locked = false;
  if (!st)
    st = canBegin(child); // the callback may have begun some
  if (st)
    return st;
  int32_t i = insert(child);
  Seq &s = seqs[i];
  s.committed = len;
  for (uint32_t g = 0; g < storage.n && !st; ++g) {
    const SegmentPlan &plan = storage.segments[g];
    PagePool &pool = stores[g].pool;
    const TokenRange range = tokens(g, i);
    const int64_t pages = needed(g, len, 0);
    const bool ring = plan.record->ring != 0;
    const int64_t full = ring ? 0 : range.size() / plan.pageTokens;
    const int32_t *from = table(g, parent);
    int32_t *to = table(g, i);
    for (int64_t p = 0; p < pages; ++p) {
      if (p < full) {
        ++pool.refs[from[p]];
        to[p] = from[p];
      } else {
        to[p] = pool.take();
        copyPage(g, from[p], to[p]);
      }
    }
    s.nPages[g] = int32_t(pages);
    if (plan.kept && pages > full)
      st = refresh(g, i, range.base + full * plan.pageTokens, range.end);
  }
  if (st)
    remove(i);
  return st;
}

fovea_status fovea_kv::trim(int32_t i, int64_t len) {
  Seq &s = seqs[i];
  const int64_t c = len < s.committed ? len : s.committed;
  const int64_t u = len - c;
  if (len < s.committed)
    if (fovea_status st = canCut(i, len, "trim"))
      return st;
  // The open page's metadata is of the tokens that stay, so it is written:
  // one that is shared must be copied first.
  int32_t stale = -1;
  int64_t page = 0;
  bool copy = false;
  for (uint32_t g = 0; g < storage.n; ++g) {
    const SegmentPlan &plan = storage.segments[g];
    const int64_t n = tokensOf(storage, g, c, u).size();
    const int64_t before = tokens(g, i).size();
    if (!plan.kept || n == before || n % plan.pageTokens == 0)
      continue;
    if (fovea_status st = canRun())
      return st;
    stale = int32_t(g);
    page = n / plan.pageTokens;
    const PagePool &pool = stores[g].pool;
    copy = pool.shared(table(g, i)[page]);
    int64_t freed = pool.nFree;
    for (int64_t p = needed(g, c, u); p < s.nPages[g]; ++p)
      freed += !pool.shared(table(g, i)[p]);
    if (copy && !freed)
      return noPages(1);
  }
  uncommittedRows -= s.uncommitted - u;
  s.committed = c;
  s.uncommitted = u;
  s.reserved = 0;
  ++s.generation;
  shrink(i);
  if (stale < 0)
    return FOVEA_OK;
  const uint32_t g = uint32_t(stale);
  if (copy)
    makePrivate(g, i, page);
  const TokenRange range = tokens(g, i);
  return refresh(g, i, range.base + page * storage.segments[g].pageTokens,
                 range.end);
}

fovea_status fovea_kv_new(fovea_kv *kv, uint64_t seq) {
  if (!kv)
    return fail(FOVEA_INVALID, "expected a cache, got NULL");
  if (fovea_status st = kv->managed())
    return st;
  if (fovea_status st = kv->canBegin(seq))
    return st;
  kv->insert(seq);
  return FOVEA_OK;
}

fovea_status fovea_kv_fork(fovea_kv *kv, uint64_t parent, int64_t len,
                           uint64_t child) {
  if (!kv)
    return fail(FOVEA_INVALID, "expected a cache, got NULL");
  int32_t i = -1;
  fovea_status st = kv->idle();
  if (!st)
    st = kv->known(parent, i);
  if (!st)
    st = kv->canBegin(child);
  if (!st && (len < 0 || len > kv->seqs[i].committed))
    st = fail(FOVEA_INVALID,
              "expected a fork of sequence %llu at a length between 0 and its "
              "%lld committed tokens, got %lld",
              ULL(parent), LL(kv->seqs[i].committed), LL(len));
  if (!st)
    st = kv->canCut(i, len, "fork");
  if (!st && kv->gpu)
    kv->gpu->changed();
  return st ? st : kv->fork(i, len, child);
}

/// For calls that take tokens or pages away.
static fovea_status unlocked(fovea_kv *kv, uint64_t seq, int32_t &i) {
  if (!kv)
    return fail(FOVEA_INVALID, "expected a cache, got NULL");
  if (fovea_status st = kv->managed())
    return st;
  if (fovea_status st = kv->known(seq, i))
    return st;
  if (kv->seqs[i].locked)
    return fail(FOVEA_INVALID,
                "expected a sequence outside the batch that is being "
                "reserved, got %llu",
                ULL(seq));
  if (kv->gpu)
    kv->gpu->changed();
  return FOVEA_OK;
}

fovea_status fovea_kv_trim(fovea_kv *kv, uint64_t seq, int64_t len) {
  int32_t i = -1;
  if (fovea_status st = unlocked(kv, seq, i))
    return st;
  if (len < 0 || len > kv->length(i))
    return fail(FOVEA_INVALID,
                "expected to trim sequence %llu to between 0 and its length "
                "%lld, got %lld",
                ULL(seq), LL(kv->length(i)), LL(len));
  return len == kv->length(i) ? FOVEA_OK : kv->trim(i, len);
}

fovea_status fovea_kv_free(fovea_kv *kv, uint64_t seq) {
  int32_t i = -1;
  if (fovea_status st = unlocked(kv, seq, i))
    return st;
  kv->remove(i);
  return FOVEA_OK;
}

fovea_status fovea_kv_commit(fovea_kv *kv, uint64_t seq, const int32_t *keep,
                             int n, fovea_stream stream) {
  int32_t i = -1;
  if (fovea_status st = unlocked(kv, seq, i))
    return st;
  if (stream && !kv->gpu)
    return fail(FOVEA_INVALID, "expected no stream on the CPU, got %p", stream);
  if (!kv->gpu)
    return kv->commit(i, keep, n);
  UseGpu use(kv->gpu->deviceOf());
  fovea_status st = use.status() ? use.status() : kv->commit(i, keep, n);
  // Later work of the host on this stream sees the rows in their places.
  return st || !stream ? st : kv->gpu->beforeRun(stream);
}

fovea_status fovea_kv_length(const fovea_kv *kv, uint64_t seq, int64_t *len,
                             int64_t *uncommitted) {
  if (!kv)
    return fail(FOVEA_INVALID, "expected a cache, got NULL");
  int32_t i = -1;
  if (fovea_status st = kv->known(seq, i))
    return st;
  if (len)
    *len = kv->length(i);
  if (uncommitted)
    *uncommitted = kv->borrowed ? 0 : kv->uncommitted(i);
  return FOVEA_OK;
}
