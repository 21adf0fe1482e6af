// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counting by bisection.
#include "tools/fovea/Counts.h"
#include "tools/fovea/Cli.h"

#include <algorithm>

namespace fovea::cli {

/// Boxes of at most so many pairs are asked pair by pair: a class costs about
/// as much as a dozen of them.
static constexpr int64_t kLeafPairs = 256, kLeafKeys = 16;

int64_t queriesOf(const fovea_mask_info &mask, int64_t b) {
  return mask.row_off ? mask.row_off[b + 1] - mask.row_off[b] : mask.sq;
}

std::vector<fovea_abi_run> runsOf(const fovea_mask_info &mask, int64_t b,
                                  int64_t h, int64_t q0, int64_t q1) {
  int64_t length = mask.k_len[b], offset = mask.q_off[b];
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  if (length <= 0)
    return {};
  if (!mask.bounds)
    return {{0, length}};
  int32_t count =
      mask.bounds(mask.args, b, h, q0 + offset, q1 + offset, length, runs);
  if (count < 0)
    throw Failure(ExitRejected, "expected the tables of the mask to be in "
                                "range, got one that is not");
  return {runs, runs + std::min(count, int32_t(FOVEA_ABI_MAX_RUNS))};
}

int32_t classOf(const fovea_mask_info &mask, int64_t b, int64_t h, int64_t q0,
                int64_t q1, int64_t k0, int64_t k1) {
  if (!mask.classify)
    return FOVEA_TILE_FULL;
  int64_t offset = mask.q_off[b];
  return mask.classify(mask.args, b, h, q0 + offset, q1 + offset, k0, k1,
                       mask.k_len[b]);
}

static bool keeps(const fovea_mask_info &mask, int64_t b, int64_t h, int64_t q,
                  int64_t k) {
  return !mask.keep ||
         mask.keep(mask.args, b, h, q + mask.q_off[b], k, mask.k_len[b]) != 0;
}

namespace {
/// Classifies the blocks of one run. Most runs are full but for a block or two
/// at their ends, so the ends are peeled off first; the rest is halved.
struct RunClassifier {
  const fovea_mask_info &mask;
  int64_t b, h, q0, q1, keys;
  llvm::function_ref<void(int32_t, int64_t, int64_t)> visit;

  bool decided(int64_t lo, int64_t hi) {
    int32_t kind = classOf(mask, b, h, q0, q1, lo, hi);
    if (kind == FOVEA_TILE_PARTIAL && hi - lo > keys)
      return false;
    visit(kind, lo, hi);
    return true;
  }
  void halves(int64_t lo, int64_t hi) {
    if (lo >= hi || decided(lo, hi))
      return;
    int64_t blocks = (hi - lo + keys - 1) / keys;
    int64_t middle = lo + blocks / 2 * keys;
    halves(lo, middle);
    halves(middle, hi);
  }
  void run(int64_t lo, int64_t hi) {
    if (lo >= hi || decided(lo, hi))
      return;
    int64_t last = lo + (hi - lo - 1) / keys * keys;
    halves(lo, lo + keys);
    halves(lo + keys, last);
    halves(last, hi);
  }
};

/// Halves boxes until class or the pairs themselves decide.
struct PairCounter {
  const fovea_mask_info &mask;
  int64_t b, h;

  int64_t count(int64_t q0, int64_t q1, int64_t k0, int64_t k1) const {
    if (q0 >= q1 || k0 >= k1)
      return 0;
    switch (classOf(mask, b, h, q0, q1, k0, k1)) {
    case FOVEA_TILE_EMPTY:
      return 0;
    case FOVEA_TILE_FULL:
      return (q1 - q0) * (k1 - k0);
    default:
      break;
    }
    if ((q1 - q0) * (k1 - k0) <= kLeafPairs) {
      int64_t pairs = 0;
      for (int64_t q = q0; q < q1; ++q)
        for (int64_t k = k0; k < k1; ++k)
          pairs += keeps(mask, b, h, q, k);
      return pairs;
    }
    if (q1 - q0 > k1 - k0) {
      int64_t middle = q0 + (q1 - q0) / 2;
      return count(q0, middle, k0, k1) + count(middle, q1, k0, k1);
    }
    int64_t middle = k0 + (k1 - k0) / 2;
    return count(q0, q1, k0, middle) + count(q0, q1, middle, k1);
  }
};

/// Collects the keys that a tile sees: add(lo, hi), ascending.
struct KeyCollector {
  const fovea_mask_info &mask;
  int64_t b, h, q0, q1;
  llvm::function_ref<void(int64_t, int64_t)> add;
  int64_t last = q0; ///< saw the key before, so asked first for the next

  bool sees(int64_t k) {
    if (keeps(mask, b, h, last, k))
      return true;
    for (int64_t q = q0; q < q1; ++q)
      if (q != last && keeps(mask, b, h, q, k)) {
        last = q;
        return true;
      }
    return false;
  }
  void collect(int64_t lo, int64_t hi) {
    if (lo >= hi || q0 >= q1)
      return;
    switch (classOf(mask, b, h, q0, q1, lo, hi)) {
    case FOVEA_TILE_EMPTY:
      return;
    case FOVEA_TILE_FULL:
      return add(lo, hi);
    default:
      break;
    }
    if (hi - lo > kLeafKeys) {
      int64_t middle = lo + (hi - lo) / 2;
      collect(lo, middle);
      return collect(middle, hi);
    }
    for (int64_t k = lo; k < hi; ++k)
      if (sees(k))
        add(k, k + 1);
  }
};
} // namespace

void classifyRun(const fovea_mask_info &mask, int64_t b, int64_t h, int64_t q0,
                 int64_t q1, int64_t lo, int64_t hi, int64_t keys,
                 llvm::function_ref<void(int32_t, int64_t, int64_t)> visit) {
  RunClassifier{mask, b, h, q0, q1, keys, visit}.run(lo, hi);
}

int64_t countPairs(const fovea_mask_info &mask, int64_t b, int64_t h,
                   int64_t q0, int64_t q1, int64_t k0, int64_t k1) {
  k1 = std::min(k1, std::max<int64_t>(mask.k_len[b], 0));
  return PairCounter{mask, b, h}.count(q0, q1, k0, k1);
}

int64_t countPairs(const fovea_mask_info &mask, int64_t b, int64_t h,
                   int64_t q0, int64_t q1) {
  return countPairs(mask, b, h, q0, q1, 0, mask.k_len[b]);
}

int64_t liveKeys(const fovea_mask_info &mask, int64_t b, int64_t h, int64_t q0,
                 int64_t q1, int64_t k0, int64_t k1) {
  int64_t keys = 0;
  auto add = [&](int64_t lo, int64_t hi) { keys += hi - lo; };
  KeyCollector{mask, b, h, q0, q1, add}.collect(k0, k1);
  return keys;
}

std::vector<fovea_abi_run> visibleKeys(const fovea_mask_info &mask, int64_t b,
                                       int64_t h, int64_t q0, int64_t q1) {
  std::vector<fovea_abi_run> keys;
  auto add = [&](int64_t lo, int64_t hi) {
    if (!keys.empty() && keys.back().hi == lo)
      keys.back().hi = hi;
    else
      keys.push_back({lo, hi});
  };
  KeyCollector collector{mask, b, h, q0, q1, add};
  for (const fovea_abi_run &run : runsOf(mask, b, h, q0, q1))
    collector.collect(run.lo, run.hi);
  return keys;
}

std::vector<Alike> alike(const fovea_mask_info &mask, bool readsBatch,
                         bool readsHead) {
  std::vector<Alike> classes;
  bool all = !mask.bounds;
  int64_t heads = readsHead && !all ? mask.query_heads : 1;
  for (int64_t b = 0; b < mask.batch; ++b) {
    Alike *found = nullptr;
    if (!readsBatch || all)
      for (Alike &known : classes)
        if (queriesOf(mask, known.b) == queriesOf(mask, b) &&
            mask.q_off[known.b] == mask.q_off[b] &&
            mask.k_len[known.b] == mask.k_len[b]) {
          found = &known;
          break;
        }
    for (int64_t h = 0; h < heads; ++h)
      if (found)
        found[h].count += mask.query_heads / heads;
      else
        classes.push_back({b, h, mask.query_heads / heads});
  }
  return classes;
}

} // namespace fovea::cli
