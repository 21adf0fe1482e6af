// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A random history of calls on a cache, each followed by a comparison with the
// model: every token of every sequence, and the owners of every page.
#ifndef FOVEA_TEST_UNIT_RUNTIME_KVHISTORY_H
#define FOVEA_TEST_UNIT_RUNTIME_KVHISTORY_H

#include "test/unit/runtime/KvFixture.h"

#include <numeric>
#include <random>
#include <string>
#include <unistd.h>

namespace fovea::test {

class History {
public:
  History(CacheKind kind, const CacheShape &shape, uint32_t seed)
      : rng(seed), limits(make(rng)), pair(kind, shape, limits) {}
  /// Of compiled stages.
  History(const std::vector<uint8_t> &bundle, CacheKind kind,
          const CacheShape &shape, uint32_t seed)
      : rng(seed), limits(make(rng)), pair(bundle, kind, shape, limits) {
    pair.steps = 1.001f;
    pair.meanError = 1e-4f;
  }

  int run(int steps) {
    for (int i = 0; i < steps && !bad; ++i) {
      step();
      bad += pair.differences();
    }
    while (!pair.model.empty())
      bad += pair.release(pair.model.begin()->first) != FOVEA_OK;
    bad += pair.bookkeeping();
    fovea_kv_stats stats = pair.stats();
    bad += stats.pages_free != stats.pages || stats.sequences != 0;
    return bad;
  }

  int64_t refused = 0, copies = 0;

private:
  static KvLimits make(std::mt19937 &rng) {
    KvLimits l;
    l.seqs = 1 + rng() % 6;
    l.maxLen = 8 + rng() % 50;
    l.rows = 4 + rng() % 24;
    l.pages = rng() % 3 ? 2 + rng() % 20 : 0;
    return l;
  }
  int64_t below(int64_t n) { return n > 0 ? int64_t(rng() % uint64_t(n)) : 0; }
  uint64_t someone() {
    auto it = pair.model.begin();
    std::advance(it, below(int64_t(pair.model.size())));
    return it->first;
  }
  void expect(fovea_status got, fovea_status want) {
    refused += want != FOVEA_OK;
    if (got == want)
      return;
    ++bad;
    ADD_FAILURE() << "expected status " << want << ", got " << got << ": "
                  << fovea_message();
  }
  void step();
  void append();
  void commit(uint64_t id);
  void fork(uint64_t id);
  void saveAndLoad(uint64_t id);

  std::mt19937 rng;
  KvLimits limits;
  KvPair pair;
  int bad = 0;
};

inline void History::append() {
  Batch batch;
  std::vector<int32_t> add;
  int64_t rows = 0;
  bool tooLong = false;
  for (auto &[id, s] : pair.model) {
    if (below(3) == 0)
      continue;
    int n = int(below(2) ? below(3) : below(limits.rows));
    batch.add(id, n);
    add.push_back(n);
    rows += n;
    tooLong |= int64_t(s.committed.size() + s.rows.size()) + n > limits.maxLen;
  }
  tooLong |= rows + pair.kv->uncommittedRows > limits.rows;
  int64_t missing = 0;
  fovea_status room = fovea_kv_room(pair.kv, batch.seq.data(), add.data(),
                                    int(add.size()), &missing);
  expect(room, tooLong ? FOVEA_INVALID : FOVEA_OK);
  expect(pair.append(batch), tooLong       ? FOVEA_INVALID
                             : missing > 0 ? FOVEA_NO_PAGES
                                           : FOVEA_OK);
}

inline void History::commit(uint64_t id) {
  int rows = int(pair.model[id].rows.size());
  std::vector<int32_t> keep(static_cast<size_t>(rows));
  std::iota(keep.begin(), keep.end(), 0);
  switch (below(4)) {
  case 0:
    return expect(pair.commit(id), FOVEA_OK);
  case 1:
    return expect(pair.commit(id, nullptr, int(below(rows + 1))), FOVEA_OK);
  case 2:
    std::shuffle(keep.begin(), keep.end(), rng);
    break;
  default:
    for (int i = rows; i-- > 0;)
      if (below(3) == 0)
        keep.erase(keep.begin() + i);
  }
  int n =
      int(below(2) ? int64_t(keep.size()) : below(int64_t(keep.size()) + 1));
  static const int32_t none = 0;
  expect(pair.commit(id, keep.empty() ? &none : keep.data(), n), FOVEA_OK);
}

inline void History::fork(uint64_t id) {
  int64_t c = int64_t(pair.model[id].committed.size());
  int64_t len = below(3) ? c - below(c < 3 ? c + 1 : 3) : below(c + 1);
  uint64_t child = rng() % 1000;
  fovea_status want = FOVEA_OK;
  if (pair.model.count(child) || int64_t(pair.model.size()) == limits.seqs ||
      !pair.canCut(c, len)) {
    want = FOVEA_INVALID;
  } else if (pair.kv->storage.grows >= 0) {
    // An open page of the segment that grows is copied.
    int64_t tokens = len;
    if (pair.windowed())
      tokens = std::max<int64_t>(0, KvPair::recentBegin(len) - sinkTokens);
    int64_t page = pair.shape.page ? pair.shape.page : limits.maxLen;
    if (tokens % page && pair.stats().pages_free == 0)
      want = FOVEA_NO_PAGES;
  }
  expect(pair.fork(id, len, child), want);
}

/// As a preemption does it: out to a file, and back under another id.
inline void History::saveAndLoad(uint64_t id) {
  // Several programs walk histories, at the same time under ctest.
  std::string path =
      testing::TempDir() + "fovea-kv-history-" + std::to_string(getpid());
  uint64_t again = rng() % 1000;
  expect(fovea_kv_save(pair.kv, id, path.c_str()), FOVEA_OK);
  std::vector<uint32_t> committed = pair.model[id].committed;
  expect(pair.release(id), FOVEA_OK);
  bool taken = pair.model.count(again);
  fovea_status st = fovea_kv_load(pair.kv, path.c_str(), again);
  // Pages that it shared are still in use, so there may be too few.
  if (st == FOVEA_NO_PAGES && !taken)
    return void(++refused);
  expect(st, taken ? FOVEA_INVALID : FOVEA_OK);
  if (!st)
    pair.model[again].committed = committed;
}

inline void History::step() {
  if (pair.model.empty() || below(12) == 0) {
    uint64_t id = rng() % 1000;
    bool bad =
        pair.model.count(id) || int64_t(pair.model.size()) == limits.seqs;
    return expect(pair.begin(id), bad ? FOVEA_INVALID : FOVEA_OK);
  }
  uint64_t id = someone();
  ModelSequence &s = pair.model[id];
  int64_t c = int64_t(s.committed.size()), len = c + int64_t(s.rows.size());
  switch (below(10)) {
  case 0:
    if (below(3) == 0)
      return saveAndLoad(id);
    return expect(pair.release(id), FOVEA_OK);
  case 1: {
    int64_t to = below(2) ? below(len + 1) : len - below(len < 3 ? len + 1 : 3);
    fovea_status want =
        to >= c || pair.canCut(c, to) ? FOVEA_OK : FOVEA_INVALID;
    fovea_status got = fovea_kv_trim(pair.kv, id, to);
    // Metadata of a shared page is copied before it changes.
    if (got == FOVEA_NO_PAGES && pair.stats().pages_free == 0)
      return void(++refused);
    expect(got, want);
    if (!got)
      expect(pair.trim(id, to), FOVEA_OK); // the model's part: nothing to do
    return;
  }
  case 2:
    return fork(id);
  case 3:
  case 4:
  case 5:
    return commit(id);
  default:
    return append();
  }
}

} // namespace fovea::test

#endif // FOVEA_TEST_UNIT_RUNTIME_KVHISTORY_H
