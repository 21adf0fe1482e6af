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
  StreamPlanner(fovea_plan &plan, Phase &phase) : plan(plan), phase(phase) {}

  fovea_status run();

private:
  fovea_status draft();
  fovea_status add(const fovea_abi_item &item, int32_t part, int64_t listed);
  int64_t pieces(int64_t i, double longest) const;
  int64_t deterministicSplit(int64_t i) const;
  double makespan(double longest);
  double chooseLongest();
  fovea_status split(double longest);
  fovea_status cut(int64_t i, int64_t n);
  void merge(int64_t i, int64_t row, const SharedLink *link,
             const SharedLink *end);
  void sort(int64_t n, int32_t *to);
  const fovea_bundle_variant &variant(int64_t i) const {
    return *phase.parts[plan.part[i]].variant;
  }
  bool shared(int64_t i) const {
    return phase.items[i].flags & FOVEA_ITEM_SHARED;
  }
  int64_t rowsOf(int64_t i) const {
    return itemRows(phase, phase.items[i], variant(i));
  }
  /// Slots of one record.
  int64_t slotsOf(int64_t i) const {
    return ceilDiv(rowsOf(i), phase.slotRows);
  }
  int64_t sharedRaw() const { return phase.nTiles * phase.stage->heads; }
  /// Keys of sequence b that its own items do not read.
  int64_t sharedKeys(int64_t b) const {
    return phase.nTiles ? phase.ownBegin[b] : 0;
  }

  fovea_plan &plan;
  Phase &phase;
  int64_t n = 0; // raw items
  int64_t total = 0, longestCost = 0;
};

fovea_status StreamPlanner::add(const fovea_abi_item &item, int32_t part,
                                int64_t listed) {
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  phase.items[n] = item;
  plan.part[n] = uint8_t(part);
  const fovea_bundle_variant &v = variant(n);
  fovea_status st = FOVEA_OK;
  int32_t count = itemRuns(plan, phase, item, v.rows, runs, &st);
  if (count < 0)
    return st;
  int64_t blocks = 0, keys = v.keys;
  for (int32_t r = 0; r < count; ++r)
    blocks += ceilDiv(runs[r].hi - runs[r].lo, keys);
  int64_t width = blocks * keys < listed ? blocks * keys : listed;
  plan.blocks[n] = blocks;
  int64_t rows = rowsOf(n);
  int64_t cost = width * keyCost(phase, v, rows) + overheadKeys * rows;
  phase.costs[n] = cost;
  plan.slotOf[n] = -1;
  plan.piecesOf[n] = 1;
  total += cost;
  longestCost = cost > longestCost ? cost : longestCost;
  ++n;
  return FOVEA_OK;
}

/// One raw item per (shared tile, head), then per (sequence, head group, row
/// tile).
fovea_status StreamPlanner::draft() {
  for (int64_t t = 0; t < phase.nTiles; ++t) {
    const SharedTile &tile = phase.tiles[t];
    for (int32_t h = 0; h < phase.stage->heads; ++h) {
      fovea_abi_item item{};
      item.b = tile.b;
      item.head = h;
      item.row = tile.first;
      item.count = tile.count;
      item.flags = FOVEA_ITEM_SHARED;
      item.slot = -1;
      item.k0 = tile.k0;
      item.k1 = tile.k1;
      if (fovea_status st = add(item, tile.part, INT64_MAX))
        return st;
    }
  }
  int64_t listed = listKeys(plan, phase);
  for (int64_t b = 0; b < phase.batch; ++b) {
    int32_t part = phase.partOf[b];
    int64_t rows = phase.parts[part].variant->rows;
    int64_t tiles = ceilDiv(phase.packed(b), rows);
    for (int64_t h = 0; h < phase.stage->heads; ++h)
      for (int64_t t = 0; t < tiles; ++t) {
        fovea_abi_item item{};
        item.b = int32_t(b);
        item.head = int32_t(h);
        item.row = int32_t(t * rows);
        item.slot = -1;
        item.k0 = sharedKeys(b);
        item.k1 = phase.kLen[b];
        if (fovea_status st = add(item, part, listed))
          return st;
      }
  }
  plan.boundsCalls += phase.mask.bounds ? n - sharedRaw() : 0;
  return FOVEA_OK;
}

int64_t StreamPlanner::deterministicSplit(int64_t i) const {
  int64_t p = plan.blocks[i] * variant(i).keys / deterministicKeys;
  int64_t most = deterministicPieces / ceilDiv(phase.packed(phase.items[i].b),
                                               int64_t(variant(i).rows));
  return p < most ? p : most;
}

/// Into how many pieces item `i` goes if none may be longer than `longest`.
int64_t StreamPlanner::pieces(int64_t i, double longest) const {
  int64_t p;
  if (plan.limits.deterministic) {
    p = deterministicSplit(i);
  } else {
    if (double(phase.costs[i]) <= longest)
      return 1;
    p = int64_t(double(phase.costs[i]) / longest) + 1;
  }
  int64_t least = ceilDiv(leastKeys, variant(i).keys);
  least = least < leastBlocks ? leastBlocks : least;
  int64_t most = plan.blocks[i] / least;
  most = shared(i) && most > sharePieces ? sharePieces : most;
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
    double cost = double(phase.costs[item]) / double(p);
    if (p > 1)
      cost += double(overheadKeys * rowsOf(item));
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

/// Replaces raw item `i` by `p` pieces of about as many blocks each, with slots
/// for their records. They partition all keys, so that a mask whose scalars
/// change before the run is still computed in full.
fovea_status StreamPlanner::cut(int64_t i, int64_t p) {
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  fovea_abi_item whole = phase.items[i];
  int64_t keys = variant(i).keys;
  fovea_status st = FOVEA_OK;
  int32_t count = 0;
  if (p > 1) {
    count = itemRuns(plan, phase, whole, variant(i).rows, runs, &st);
    if (count < 0)
      return st;
    plan.boundsCalls += phase.mask.bounds && !shared(i) ? 1 : 0;
  }
  int64_t cost = phase.costs[i], blocks = plan.blocks[i];
  plan.slotOf[i] = int32_t(phase.nSlots);
  plan.piecesOf[i] = int32_t(p);
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
    phase.items[at] = whole;
    plan.part[at] = plan.part[i];
    phase.items[at].k0 = begin;
    phase.items[at].k1 = end;
    phase.items[at].slot = int32_t(phase.nSlots);
    phase.costs[at] = cost / p;
    phase.nSlots += slotsOf(i);
    begin = end;
  }
  phase.nPieces += p;
  return FOVEA_OK;
}

/// The combine item of raw item `i`: records of the shared keys first, in the
/// order of the keys, then those of its own pieces.
void StreamPlanner::merge(int64_t i, int64_t row, const SharedLink *link,
                          const SharedLink *end) {
  SplitGroup &group = phase.groups[phase.nGroups++];
  group = phase.items[i];
  group.k0 = 0;
  group.slot = int32_t(phase.nSources);
  group.count = 0;
  auto records = [&](int64_t raw, int64_t from) {
    for (int64_t k = 0; k < plan.piecesOf[raw]; ++k) {
      phase.sources[phase.nSources++] = {
          int32_t(plan.slotOf[raw] + k * slotsOf(raw)), int32_t(from)};
      ++group.count;
    }
  };
  for (; link != end; ++link)
    records(int64_t(link->tile) * phase.stage->heads + group.head,
            link->row + row);
  if (group.k1 > sharedKeys(group.b))
    records(i, 0);
}

/// Cuts long items, gives every record a slot, and lists the records of the
/// items that have more than one.
fovea_status StreamPlanner::split(double longest) {
  int64_t whole = n, shares = sharedRaw();
  const SharedLink *link = phase.links, *links = link + phase.nLinks;
  // What the members of groups need is set aside.
  int64_t slots = phase.maxSlots, sources = phase.maxSources,
          groups = phase.maxGroups;
  for (int64_t i = 0; i < whole && shares; ++i)
    if (shared(i) || sharedKeys(phase.items[i].b))
      slots -= slotsOf(i);
  for (const SharedLink *l = link; l != links; ++l) {
    // One record of the link and one of the member's own, per head and tile.
    int64_t rows = phase.parts[phase.partOf[l->b]].variant->rows;
    int64_t merged = phase.stage->heads * ceilDiv(phase.packed(l->b), rows);
    sources -= 2 * merged;
    groups -= merged;
  }
  for (int64_t i = 0; i < shares; ++i) {
    int64_t p = pieces(i, longest);
    int64_t merges = phase.tiles[i / phase.stage->heads].merges;
    int64_t more = p < 2 ? 0 : p - 1;
    if (more * slotsOf(i) > slots || more * merges > sources)
      more = 0;
    slots -= more * slotsOf(i);
    sources -= more * merges;
    if (fovea_status st = cut(i, 1 + more))
      return st;
  }
  int64_t row = 0, before = -1;
  for (int64_t i = shares; i < whole; ++i) {
    int64_t b = phase.items[i].b;
    bool member = sharedKeys(b) > 0;
    int64_t p = pieces(i, longest);
    int64_t more = p < 2 ? 0 : member ? p - 1 : p;
    if (more * slotsOf(i) > slots || more > sources || (more && groups < 1))
      more = 0;
    if (!more && !member)
      continue;
    slots -= more * slotsOf(i);
    sources -= more;
    groups -= !member;
    if (member && b != before) {
      while (link != links && link->b < b)
        ++link;
      before = b;
    }
    row = phase.items[i].row;
    const SharedLink *end = link;
    while (member && end != links && end->b == b)
      ++end;
    if (fovea_status st = cut(i, member ? 1 + more : more))
      return st;
    merge(i, row, link, end);
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
    top = phase.costs[i] > top ? phase.costs[i] : top;
  double scale = double(classes - 1) / double(top);
  auto classOf = [&](int64_t i) {
    return classes - 1 - int(double(phase.costs[i]) * scale);
  };
  for (int64_t i = 0; i < count; ++i)
    ++start[classOf(i) + 1];
  for (int c = 0; c < classes; ++c)
    start[c + 1] += start[c];
  for (int64_t i = 0; i < count; ++i)
    to[start[classOf(i)]++] = int32_t(i);
}

fovea_status StreamPlanner::run() {
  phase.nSlots = phase.nGroups = phase.nSources = phase.nPieces = 0;
  phase.nTiles = phase.nLinks = phase.nRows = 0;
  phase.sharedGroups = phase.sharedKeys = 0;
  if (phase.maxTiles)
    planSharing(plan, phase);
  if (fovea_status st = draft())
    return st;
  if (phase.maxSlots)
    if (fovea_status st =
            split(plan.limits.deterministic ? 0 : chooseLongest()))
      return st;
  sort(n, plan.order);
  placeParts(plan, phase, n);
  phase.costTotal = double(total);
  return FOVEA_OK;
}

} // namespace

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
