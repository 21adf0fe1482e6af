// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The items of an attention: one per sequence, head group and row tile; long
// ones are split along the keys; the longest go first.
//
// The mask's bounds function is called once per row tile (and again for the
// few tiles that are split); class and keep never. The cost of an item is its
// (row, key) pairs in whole blocks plus an overhead per row.
#include "runtime/base/Status.h"
#include "runtime/plan/Plan.h"

#include <initializer_list>

namespace fovea::rt {
namespace {

/// Packing the queries and storing the output, in keys.
constexpr int64_t overheadKeys = 64;
/// No piece of a split item is shorter.
constexpr int64_t leastBlocks = 4, leastKeys = 256;
/// A plan is good when its longest worker is at most this above the average.
constexpr double goodBalance = 1.05;
/// Deterministic plans split by these alone.
constexpr int64_t deterministicKeys = 2048, deterministicPieces = 32;
/// Pieces are not made shorter than this share of one worker's work...
constexpr int64_t finestShare = 8;
/// ... so that at most this many slots per worker exist: a piece is longer
/// than half of that.
constexpr int64_t slotsPerWorker = 2 * finestShare;

class StreamPlanner {
public:
  StreamPlanner(fovea_plan &plan, Phase &phase)
      : plan(plan), phase(phase), keys(phase.variant->keys) {}

  fovea_status run();

private:
  fovea_status draft();
  int64_t pieces(int64_t i, double longest) const;
  int64_t deterministicSplit(int64_t i) const;
  double makespan(double longest);
  double chooseLongest();
  fovea_status split(double longest);
  fovea_status cut(int64_t i, int64_t n);
  void sort(int64_t n, int32_t *to);
  int64_t rowsOf(const fovea_abi_item &item) const {
    int64_t left = phase.packed - item.row;
    return left < phase.variant->rows ? left : phase.variant->rows;
  }

  fovea_plan &plan;
  Phase &phase;
  int64_t keys;
  int64_t n = 0; // raw items
  int64_t total = 0, longestCost = 0;
};

/// One raw item per (sequence, head group, row tile).
fovea_status StreamPlanner::draft() {
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  int64_t tiles = rowTiles(phase);
  int64_t listed = listKeys(plan, phase);
  for (int64_t b = 0; b < phase.batch; ++b)
    for (int64_t h = 0; h < phase.stage->heads; ++h)
      for (int64_t t = 0; t < tiles; ++t) {
        fovea_abi_item &item = plan.raw[n];
        item = {};
        item.b = int32_t(b);
        item.head = int32_t(h);
        item.row = int32_t(t * phase.variant->rows);
        item.slot = -1;
        item.k1 = phase.kLen[b];
        fovea_status st = FOVEA_OK;
        int32_t count = itemRuns(plan, phase, item, runs, &st);
        if (count < 0)
          return st;
        int64_t blocks = 0;
        for (int32_t r = 0; r < count; ++r)
          blocks += ceilDiv(runs[r].hi - runs[r].lo, keys);
        int64_t width = blocks * keys < listed ? blocks * keys : listed;
        plan.blocks[n] = blocks;
        int64_t cost = (width + overheadKeys) * rowsOf(item);
        plan.cost[n] = cost;
        total += cost;
        longestCost = cost > longestCost ? cost : longestCost;
        ++n;
      }
  plan.boundsCalls += phase.mask.bounds ? n : 0;
  return FOVEA_OK;
}

int64_t StreamPlanner::deterministicSplit(int64_t i) const {
  int64_t p = plan.blocks[i] * keys / deterministicKeys;
  int64_t most = deterministicPieces / rowTiles(phase);
  return p < most ? p : most;
}

/// Into how many pieces item `i` goes if none may be longer than `longest`.
int64_t StreamPlanner::pieces(int64_t i, double longest) const {
  int64_t p;
  if (plan.limits.deterministic) {
    p = deterministicSplit(i);
  } else {
    if (double(plan.cost[i]) <= longest)
      return 1;
    p = int64_t(double(plan.cost[i]) / longest) + 1;
  }
  int64_t least = ceilDiv(leastKeys, keys);
  least = least < leastBlocks ? leastBlocks : least;
  int64_t most = plan.blocks[i] / least;
  return p < most ? p : most;
}

/// The time of the busiest worker if each takes the next item when it is free;
/// plan.order lists the items, longest first.
double StreamPlanner::makespan(double longest) {
  int32_t workers = plan.workers;
  double *heap = plan.load; // the least loaded worker at 0
  for (int32_t w = 0; w < workers; ++w)
    heap[w] = 0;
  double most = 0;
  for (int64_t i = 0; i < n; ++i) {
    int64_t item = plan.order[i];
    int64_t p = pieces(item, longest);
    p = p < 1 ? 1 : p;
    double cost = double(plan.cost[item]) / double(p);
    if (p > 1)
      cost += double(overheadKeys * rowsOf(plan.raw[item]));
    for (int64_t k = 0; k < p; ++k) {
      double load = heap[0] + cost;
      most = load > most ? load : most;
      int32_t at = 0;
      for (int32_t child; (child = 2 * at + 1) < workers; at = child) {
        if (child + 1 < workers && heap[child + 1] < heap[child])
          ++child;
        if (heap[child] >= load)
          break;
        heap[at] = heap[child];
      }
      heap[at] = load;
    }
  }
  return most;
}

/// The longest piece that the plan allows; infinity: nothing is split.
double StreamPlanner::chooseLongest() {
  double none = __builtin_huge_val();
  double ideal = double(total) / plan.workers;
  if (plan.workers == 1 || n == 0)
    return none;
  // With many items per worker only one that dwarfs the rest can hurt.
  if (n > 64 * int64_t(plan.workers))
    return double(longestCost) > 0.5 * ideal ? 0.5 * ideal : none;
  sort(n, plan.order);
  double best = none, bestSpan = makespan(none);
  for (double share : {0.5, 0.25, 1.0 / finestShare}) {
    if (bestSpan <= goodBalance * ideal)
      break;
    double span = makespan(share * ideal);
    if (span < bestSpan) {
      best = share * ideal;
      bestSpan = span;
    }
  }
  return best;
}

/// Replaces raw item `i` by `p` pieces of about as many blocks each. They
/// partition all keys, so that a mask whose scalars change before the run is
/// still computed in full.
fovea_status StreamPlanner::cut(int64_t i, int64_t p) {
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  fovea_abi_item whole = plan.raw[i];
  fovea_status st = FOVEA_OK;
  int32_t count = itemRuns(plan, phase, whole, runs, &st);
  if (count < 0)
    return st;
  plan.boundsCalls += phase.mask.bounds ? 1 : 0;
  int64_t cost = plan.cost[i], blocks = plan.blocks[i];
  SplitGroup &group = phase.groups[phase.nGroups++];
  group = whole;
  group.slot = int32_t(phase.nSlots);
  group.count = int32_t(p);
  int64_t begin = whole.k0, seen = 0;
  int32_t run = 0;
  for (int64_t k = 0; k < p; ++k) {
    int64_t end = whole.k1;
    if (k + 1 < p) {
      int64_t want = blocks * (k + 1) / p;
      for (; run < count; ++run) {
        int64_t here = ceilDiv(runs[run].hi - runs[run].lo, keys);
        if (want < seen + here)
          break;
        seen += here;
      }
      // Tables that change under the planner may have shortened the runs.
      if (run < count)
        end = runs[run].lo + (want - seen) * keys;
    }
    // The first piece takes the item's place, the others go to the end.
    int64_t at = k ? n++ : i;
    plan.raw[at] = whole;
    plan.raw[at].k0 = begin;
    plan.raw[at].k1 = end;
    plan.raw[at].slot = int32_t(phase.nSlots);
    phase.sources[phase.nSlots] = {int32_t(phase.nSlots), 0};
    ++phase.nSlots;
    plan.cost[at] = cost / p;
    begin = end;
  }
  return FOVEA_OK;
}

fovea_status StreamPlanner::split(double longest) {
  int64_t whole = n;
  for (int64_t i = 0; i < whole; ++i) {
    int64_t p = pieces(i, longest);
    if (p < 2 || phase.nSlots + p > phase.maxSlots)
      continue;
    if (fovea_status st = cut(i, p))
      return st;
  }
  return FOVEA_OK;
}

/// Item numbers by descending cost. Among items of about the same cost the
/// order stays, so that neighbours share keys: a stable counting sort over
/// classes of cost, finer where there are few items to balance.
void StreamPlanner::sort(int64_t count, int32_t *to) {
  constexpr int most = 256;
  int classes = count > 32 * int64_t(plan.workers) ? 16 : most;
  int32_t start[most + 1] = {};
  int64_t top = 1;
  for (int64_t i = 0; i < count; ++i)
    top = plan.cost[i] > top ? plan.cost[i] : top;
  double scale = double(classes - 1) / double(top);
  auto classOf = [&](int64_t i) {
    return classes - 1 - int(double(plan.cost[i]) * scale);
  };
  for (int64_t i = 0; i < count; ++i)
    ++start[classOf(i) + 1];
  for (int c = 0; c < classes; ++c)
    start[c + 1] += start[c];
  for (int64_t i = 0; i < count; ++i)
    to[start[classOf(i)]++] = int32_t(i);
}

fovea_status StreamPlanner::run() {
  phase.nSlots = phase.nGroups = 0;
  if (fovea_status st = draft())
    return st;
  if (phase.maxSlots)
    if (fovea_status st =
            split(plan.limits.deterministic ? 0 : chooseLongest()))
      return st;
  sort(n, plan.order);
  longestCost = 0;
  for (int64_t i = 0; i < n; ++i) {
    phase.items[i] = plan.raw[plan.order[i]];
    int64_t cost = plan.cost[plan.order[i]];
    longestCost = cost > longestCost ? cost : longestCost;
  }
  phase.nItems = n;
  phase.costTotal = double(total);
  phase.costLongest = double(longestCost);
  return FOVEA_OK;
}

} // namespace

int32_t itemRuns(const fovea_plan &plan, const Phase &phase,
                 const fovea_abi_item &item, fovea_abi_run *runs,
                 fovea_status *status) {
  int64_t len = phase.kLen[item.b];
  int32_t count = 0;
  if (!phase.mask.bounds) {
    runs[0] = {0, len};
    count = len > 0;
  } else if (len > 0) {
    int64_t q0, q1, off = phase.qOff[item.b];
    tilePositions(phase, item.row, phase.variant->rows, q0, q1);
    count = phase.mask.bounds(&plan.planned.abi, item.b,
                              int64_t(item.head) * phase.stage->group, off + q0,
                              off + q1, len, runs);
    const fovea_kernel &kernel = *plan.kernel.get();
    const char *text = kernel.view().string(phase.mask.record->text);
    if (count < 0) {
      *status = fail(FOVEA_INVALID,
                     "kernel '%s': expected the tables of mask '%s' to be in "
                     "range, got error %d (sequence %d, head %d, rows from %d)",
                     kernel.name(), text, count, item.b, item.head, item.row);
      return -1;
    }
    int64_t end = 0;
    for (int32_t r = 0; r < count && r < FOVEA_ABI_MAX_RUNS; ++r) {
      if (runs[r].lo < end || runs[r].hi <= runs[r].lo || runs[r].hi > len)
        count = FOVEA_ABI_MAX_RUNS + 1;
      end = runs[r].hi;
    }
    if (count > FOVEA_ABI_MAX_RUNS) {
      *status = fail(FOVEA_BAD_BUNDLE,
                     "kernel '%s': expected the plan code of mask '%s' to give "
                     "at most %d ascending runs inside [0, %lld)",
                     kernel.name(), text, FOVEA_ABI_MAX_RUNS, (long long)len);
      return -1;
    }
  }
  // Only what the item covers.
  int32_t kept = 0;
  for (int32_t r = 0; r < count; ++r) {
    int64_t lo = runs[r].lo > item.k0 ? runs[r].lo : item.k0;
    int64_t hi = runs[r].hi < item.k1 ? runs[r].hi : item.k1;
    if (lo < hi)
      runs[kept++] = {lo, hi};
  }
  return kept;
}

int64_t listKeys(const fovea_plan &plan, const Phase &phase) {
  const fovea_bundle_stage &s = *phase.stage;
  if (s.list_slot < 0)
    return INT64_MAX;
  const fovea_kernel &kernel = *plan.kernel.get();
  int64_t capacity = 0; // the last extent of the list
  for (const fovea_bundle_arg &a : kernel.args)
    if (a.kind == FOVEA_ARG_TENSOR && int64_t(a.slot) == s.list_slot && a.rank)
      capacity = plan.planned.views[a.slot].shape[a.rank - 1];
  for (const fovea_bundle_buffer &w : kernel.buffers)
    if (int64_t(w.slot) == s.list_slot && w.rank) {
      Extent e = plan.extent(w.extent[w.rank - 1]);
      capacity = e.ok ? e.value : INT64_MAX;
    }
  Extent all = Extent{capacity} * Extent{s.list_unit};
  return all.ok ? all.value : INT64_MAX;
}

fovea_status planStream(fovea_plan &plan, Phase &phase) {
  return StreamPlanner(plan, phase).run();
}

int64_t slotCapacity(const fovea_plan &plan, const fovea_bundle_stage &stage) {
  if (!plan.limits.deterministic)
    return plan.workers > 1 ? slotsPerWorker * plan.workers : 0;
  const Capacity &caps = plan.capacity;
  // Runs are counted in whole blocks.
  int64_t slack = 0;
  for (const fovea_bundle_variant &v : plan.kernel->variants(stage))
    slack = slack > int64_t(v.keys) ? slack : int64_t(v.keys);
  Extent longest = Extent{caps.most[stage.k_symbol]} +
                   Extent{FOVEA_ABI_MAX_RUNS} * Extent{slack};
  if (longest.ok && longest.value < 2 * deterministicKeys)
    return 0;
  int64_t seqs = stage.grid[0].symbol >= 0 ? caps.most[stage.grid[0].symbol]
                                           : caps.fixedBatch;
  Extent slots =
      Extent{seqs} * Extent{stage.heads} * Extent{deterministicPieces};
  return slots.ok && slots.value < (int64_t(1) << 30) ? slots.value
                                                      : int64_t(1) << 30;
}

} // namespace fovea::rt
