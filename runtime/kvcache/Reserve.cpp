// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Room for the rows of a batch: all or nothing, with the host's eviction in
// between. Pages for tokens that a commit will move on are taken here too, so
// that a commit cannot lack any.
#include "runtime/base/Status.h"
#include "runtime/kvcache/Cache.h"

using namespace fovea::rt;

using LL = long long;
using ULL = unsigned long long;

static fovea_status badPosition(const fovea_kv &kv, const fovea_batch &b, int i,
                                int32_t row, const char *want) {
  return fail(FOVEA_INVALID,
              "expected row %d of sequence %llu (length %lld) to be at %s, got "
              "%lld",
              row - b.rows[i], ULL(b.seq[i]), LL(kv.length(kv.find(b.seq[i]))),
              want, LL(b.pos[row]));
}

fovea_status fovea_kv::checkPositions(const fovea_batch &b, int i,
                                      int64_t length, bool append) const {
  const int32_t n = b.rows[i + 1] - b.rows[i];
  if (!append && n > length)
    return fail(FOVEA_INVALID,
                "expected at most %lld rows of sequence %llu, its length, got "
                "%d",
                LL(length), ULL(b.seq[i]), n);
  for (int32_t r = b.rows[i]; b.pos && r < b.rows[i + 1]; ++r) {
    if (append ? b.pos[r] != length + (r - b.rows[i])
               : b.pos[r] < 0 || b.pos[r] >= length)
      return badPosition(*this, b, i, r,
                         append ? "the tokens that follow the last one"
                                : "a token of the sequence");
    if (r > b.rows[i] && b.pos[r] != b.pos[r - 1] + 1)
      return badPosition(*this, b, i, r, "the token after the row before");
  }
  return FOVEA_OK;
}

/// Sets batchIndex and batchRows.
fovea_status fovea_kv::checkBatch(const fovea_batch &b, bool append) {
  if (b.n < 0 || b.n > limits.seqs)
    return fail(FOVEA_INVALID,
                "expected a batch of at most %lld sequences (limits.seqs), got "
                "%d",
                LL(limits.seqs), b.n);
  if (b.n && (!b.seq || !b.rows))
    return fail(FOVEA_INVALID, "expected fovea_batch.%s, got NULL",
                b.seq ? "rows" : "seq");
  if (b.n && b.rows[0] != 0)
    return fail(FOVEA_INVALID,
                "expected fovea_batch.rows to start with 0, got "
                "%d",
                b.rows[0]);
  ++call;
  for (int i = 0; i < b.n; ++i) {
    if (b.rows[i + 1] < b.rows[i])
      return fail(FOVEA_INVALID,
                  "expected fovea_batch.rows to ascend, got %d after %d",
                  b.rows[i + 1], b.rows[i]);
    int32_t s = -1;
    if (fovea_status st = known(b.seq[i], s))
      return st;
    if (seqs[s].seen == call)
      return fail(FOVEA_INVALID,
                  "expected a sequence once in a batch, got %llu twice",
                  ULL(b.seq[i]));
    seqs[s].seen = call;
    batchIndex[i] = s;
    batchRows[i] = b.rows[i + 1] - b.rows[i];
    const int64_t length = seqs[s].length();
    if (append && batchRows[i] > limits.max_len - length)
      return fail(FOVEA_INVALID,
                  "expected at most %lld tokens of a sequence "
                  "(limits.max_len), got %lld for sequence %llu",
                  LL(limits.max_len), LL(length + batchRows[i]), ULL(b.seq[i]));
    if (fovea_status st = checkPositions(b, i, length, append))
      return st;
    if (fovea_status st = checkParents(b, i, s, append))
      return st;
  }
  return FOVEA_OK;
}

fovea_status fovea_kv::checkRows(int64_t rows) const {
  if (rows <= limits.rows - uncommittedRows)
    return FOVEA_OK;
  return fail(FOVEA_INVALID,
              "expected at most %lld uncommitted rows (limits.rows), got %lld "
              "and %lld more",
              LL(limits.rows), LL(uncommittedRows), LL(rows));
}

int64_t fovea_kv::lacking(int32_t i, int64_t rows) const {
  if (storage.grows < 0 || !rows)
    return 0;
  const uint32_t g = uint32_t(storage.grows);
  const Seq &s = seqs[i];
  return needed(g, s.committed, s.uncommitted + rows) - s.nPages[g] +
         (openIsShared(g, i) ? 1 : 0);
}

bool fovea_kv::evict(int64_t missing) {
  if (!limits.evict)
    return false;
  evicting = true;
  bool again = limits.evict(limits.evict_user, this, missing);
  evicting = false;
  evictions += again;
  return again;
}

fovea_status fovea_kv::noPages(int64_t missing) const {
  const int64_t pages = stores[storage.grows].pool.count;
  return fail(FOVEA_NO_PAGES,
              "expected %lld more free pages in segment '%s', got %lld free "
              "of %lld",
              LL(missing), storage.segments[storage.grows].name,
              LL(stores[storage.grows].pool.nFree), LL(pages));
}

void fovea_kv::grow(int32_t i, int64_t rows, const int32_t *parents) {
  Seq &s = seqs[i];
  growTree(i, rows, parents);
  if (rows)
    for (uint32_t g = 0; g < storage.n; ++g) {
      if (openIsShared(g, i))
        makePrivate(g, i, tokens(g, i).size() / storage.segments[g].pageTokens);
      const int64_t pages = needed(g, s.committed, s.uncommitted + rows);
      int32_t *ids = table(g, i);
      while (s.nPages[g] < pages)
        ids[s.nPages[g]++] = stores[g].pool.take();
    }
  s.uncommitted += rows;
  uncommittedRows += rows;
  s.batch = reservation;
  s.reserved = int32_t(rows);
}

/// Rows of a sequence are neighbours in the one page of a contiguous `new`.
void fovea_kv::placeNew(int n) {
  if (!uncommittedRows)
    newTop = 0;
  bool moves = false;
  int64_t top = newTop;
  for (int b = 0; b < n; ++b) {
    const Seq &s = seqs[batchIndex[b]];
    if (!batchRows[b])
      continue;
    bool last = s.uncommitted && s.newRow + s.uncommitted == top;
    moves |= s.uncommitted && !last;
    top += batchRows[b];
  }
  if (!moves && top <= limits.rows) {
    for (int b = 0; b < n; ++b) {
      Seq &s = seqs[batchIndex[b]];
      if (!s.uncommitted)
        s.newRow = newTop;
      newTop += batchRows[b];
    }
    return;
  }
  // Pack what is there towards row 0, in order, then spread it upwards.
  int64_t live = 0;
  for (int64_t i = 0; i < limits.seqs; ++i)
    if (seqs[i].live && seqs[i].uncommitted) {
      int64_t at = live++;
      for (; at && seqs[order[at - 1]].newRow > seqs[i].newRow; --at)
        order[at] = order[at - 1];
      order[at] = int32_t(i);
    }
  const uint32_t g = uint32_t(storage.fresh);
  auto moveTo = [&](Seq &s, int64_t row) {
    if (s.newRow == row)
      return;
    moveRows(g, 0, s.newRow, 0, row, s.uncommitted);
    s.newRow = row;
    ++s.generation; // its rows are elsewhere now
  };
  int64_t packed = 0;
  for (int64_t i = 0; i < live; ++i) {
    Seq &s = seqs[order[i]];
    moveTo(s, packed);
    packed += s.uncommitted;
  }
  auto added = [&](int32_t i) -> int64_t {
    for (int b = 0; b < n; ++b)
      if (batchIndex[b] == i)
        return batchRows[b];
    return 0;
  };
  int64_t grown = packed;
  for (int64_t i = 0; i < live; ++i)
    grown += added(order[i]);
  newTop = grown;
  for (int64_t i = live; i-- > 0;) {
    Seq &s = seqs[order[i]];
    grown -= s.uncommitted + added(order[i]);
    moveTo(s, grown);
  }
  for (int b = 0; b < n; ++b) {
    Seq &s = seqs[batchIndex[b]];
    if (s.uncommitted)
      continue;
    s.newRow = newTop;
    newTop += batchRows[b];
  }
}

fovea_status fovea_kv::reserve(const fovea_batch &given, bool append) {
  fovea_batch b{};
  if (fovea_status st =
          readStruct(&given, offsetof(fovea_batch, pos), b, "fovea_batch"))
    return st;
  if (borrowed)
    return checkBorrowed(b, append);
  if (fovea_status st = append ? idle() : FOVEA_OK)
    return st;
  if (fovea_status st = checkBatch(b, append))
    return st;
  if (!append)
    return FOVEA_OK;
  if (fovea_status st = checkRows(b.n ? b.rows[b.n] : 0))
    return st;
  if (storage.grows >= 0) {
    const PagePool &pool = stores[storage.grows].pool;
    for (int i = 0; i < b.n; ++i)
      seqs[batchIndex[i]].locked = true;
    // Two sequences that are to copy the same shared page count two copies,
    // though the second could keep the page.
    fovea_status st = makeRoom([&] {
      int64_t missing = -pool.nFree;
      for (int i = 0; i < b.n; ++i)
        missing += lacking(batchIndex[i], batchRows[i]);
      return missing;
    });
    for (int i = 0; i < b.n; ++i)
      seqs[batchIndex[i]].locked = false;
    if (st)
      return st;
  }
  ++reservation;
  if (storage.fresh >= 0 && !pagedNew())
    placeNew(b.n);
  for (int i = 0; i < b.n; ++i)
    grow(batchIndex[i], batchRows[i],
         b.parent ? b.parent + b.rows[i] : nullptr);
  return FOVEA_OK;
}

void fovea_kv::rollback(const fovea_batch &b) {
  for (int i = 0; i < b.n && !borrowed; ++i) {
    int32_t at = find(b.seq[i]);
    if (at < 0 || seqs[at].batch != reservation)
      continue;
    Seq &s = seqs[at];
    s.uncommitted -= s.reserved;
    uncommittedRows -= s.reserved;
    s.reserved = 0;
    shrink(at);
  }
}

fovea_status fovea_kv_extend(fovea_kv *kv, const fovea_batch *batch) {
  if (!kv || !batch)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !kv ? "cache" : "fovea_batch");
  if (fovea_status st = kv->managed())
    return st;
  return kv->reserve(*batch, true);
}

fovea_status fovea_kv_room(const fovea_kv *kv, const uint64_t *seq,
                           const int32_t *add, int n, int64_t *missing) {
  if (!kv || !missing || (n > 0 && (!seq || !add)))
    return fail(FOVEA_INVALID, "expected %s, got NULL",
                !kv        ? "a cache"
                : !missing ? "a place for the number of pages"
                           : "sequences and rows");
  if (fovea_status st = kv->managed())
    return st;
  if (n < 0)
    return fail(FOVEA_INVALID, "expected at least 0 sequences, got %d", n);
  int64_t rows = 0, pages = 0;
  ++kv->call;
  for (int i = 0; i < n; ++i) {
    int32_t at = -1;
    if (fovea_status st = kv->known(seq[i], at))
      return st;
    if (kv->seqs[at].seen == kv->call)
      return fail(FOVEA_INVALID, "expected a sequence once, got %llu twice",
                  ULL(seq[i]));
    kv->seqs[at].seen = kv->call;
    if (add[i] < 0 || add[i] > kv->limits.max_len - kv->length(at))
      return fail(FOVEA_INVALID,
                  "expected between 0 and %lld more rows of sequence %llu "
                  "(limits.max_len), got %d",
                  LL(kv->limits.max_len - kv->length(at)), ULL(seq[i]), add[i]);
    rows += add[i];
    pages += kv->lacking(at, add[i]);
  }
  if (fovea_status st = kv->checkRows(rows))
    return st;
  *missing = kv->storage.grows < 0
                 ? 0
                 : pages - kv->stores[kv->storage.grows].pool.nFree;
  return FOVEA_OK;
}
