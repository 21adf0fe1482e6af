// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a plan decided and what its kernels did: predictions, counters, and the
// mask's functions for tools.
#include "runtime/base/Status.h"
#include "runtime/cuda/Plan.h"
#include "runtime/plan/Plan.h"

#include <utility>

using namespace fovea::rt;

namespace {

/// Classifies the blocks of one run. Most runs are full but for a block or two
/// at their ends, so the ends are peeled off and the rest is asked at once;
/// where that fails the halves are tried.
class Classifier {
public:
  Classifier(const fovea_plan &plan, const Phase &phase,
             const fovea_bundle_variant &variant, const fovea_abi_item &item,
             int64_t row, fovea_stats &stats)
      : plan(plan), phase(phase), item(item), stats(stats), keys(variant.keys) {
    if (item.flags & FOVEA_ITEM_SHARED)
      return;
    tilePositions(phase, item.b, row, classRows(variant), q0, q1);
    int64_t off = phase.qOff[item.b];
    q0 += off;
    q1 += off;
  }

  /// Blocks [lo, lo + keys), ... of [lo, hi).
  void range(int64_t lo, int64_t hi) {
    int64_t blocks = ceilDiv(hi - lo, keys);
    if (blocks <= 0)
      return;
    int32_t c = ask(lo, hi);
    if (c == FOVEA_TILE_FULL)
      stats.tiles_full += blocks;
    else if (c == FOVEA_TILE_EMPTY)
      empty += hi - lo;
    else if (blocks == 1)
      ++stats.tiles_partial;
    else if (blocks == 2)
      halves(lo, lo + keys, hi);
    else {
      int64_t last = lo + (blocks - 1) * keys;
      range(lo, lo + keys);
      range(last, hi);
      middle(lo + keys, last);
    }
  }

  int64_t empty = 0; // keys of empty blocks

private:
  int32_t ask(int64_t lo, int64_t hi) {
    if (!phase.mask.classify || (item.flags & FOVEA_ITEM_SHARED))
      return FOVEA_TILE_FULL;
    ++stats.stats_class_calls;
    return phase.mask.classify(&plan.planned.abi, item.b,
                               int64_t(item.head) * phase.stage->group, q0, q1,
                               lo, hi, phase.kLen[item.b]);
  }
  void halves(int64_t lo, int64_t mid, int64_t hi) {
    range(lo, mid);
    range(mid, hi);
  }
  void middle(int64_t lo, int64_t hi) {
    int64_t blocks = ceilDiv(hi - lo, keys);
    int32_t c = ask(lo, hi);
    if (c == FOVEA_TILE_FULL)
      stats.tiles_full += blocks;
    else if (c == FOVEA_TILE_EMPTY)
      empty += hi - lo;
    else if (blocks == 1)
      ++stats.tiles_partial;
    else
      halves(lo, lo + blocks / 2 * keys, hi);
  }

  const fovea_plan &plan;
  const Phase &phase;
  const fovea_abi_item &item;
  fovea_stats &stats;
  int64_t keys, q0 = 0, q1 = 0;
};

} // namespace

/// What a segment has of the keys [lo, hi) of sequence b.
static std::pair<int64_t, int64_t> inSegment(const CacheStep &cache, uint32_t s,
                                             int64_t b, int64_t lo,
                                             int64_t hi) {
  const fovea_abi_range &range = cache.segments[s].ranges[b];
  return {lo > range.begin ? lo : range.begin, hi < range.end ? hi : range.end};
}

/// Bytes of the keys [lo, hi) of one head of a cache, values included.
static int64_t keyBytes(const fovea_plan &plan, const Phase &phase, int64_t b,
                        int64_t lo, int64_t hi) {
  if (phase.stage->cache < 0)
    return 0;
  const CacheStep &cache = plan.caches[size_t(phase.stage->cache)];
  int64_t bytes = 0;
  for (uint32_t s = 0; s < cache.records.segments.size(); ++s) {
    auto [begin, end] = inSegment(cache, s, b, lo, hi);
    if (begin >= end)
      continue;
    int64_t each = 0;
    for (const fovea_bundle_part &part : cache.records.parts(s))
      each += part.per_page ? 0 : part.extent * dtypeSize(part.dtype);
    bytes += (end - begin) * each;
  }
  return bytes;
}

/// Calls body(lo, hi) for what the kernels walk of a run in one piece: of a
/// cache what each of its segments has, of tokens that are dropped nothing.
template <typename Body>
static void forPieces(const fovea_plan &plan, const Phase &phase, int64_t b,
                      const fovea_abi_run &run, Body body) {
  if (phase.stage->cache < 0)
    return body(run.lo, run.hi);
  const CacheStep &cache = plan.caches[size_t(phase.stage->cache)];
  for (uint32_t s = 0; s < cache.records.segments.size(); ++s) {
    auto [lo, hi] = inSegment(cache, s, b, run.lo, run.hi);
    if (lo < hi)
      body(lo, hi);
  }
}

static fovea_status itemStats(const fovea_plan &plan, const Phase &phase,
                              const Part &part, const fovea_abi_item &item,
                              int64_t listed, fovea_stats &stats) {
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  const fovea_bundle_variant &variant = *part.variant;
  fovea_status st = FOVEA_OK;
  int32_t count = itemRuns(plan, phase, item, variant.rows, runs, &st);
  if (count < 0)
    return st;
  bool shared = item.flags & FOVEA_ITEM_SHARED;
  int64_t first = shared ? 0 : item.row;
  int64_t end = first + itemRows(phase, item, variant);
  int64_t step = classRows(variant), all = 0, counted = 0;
  // Chosen blocks are read whole, also where a run begins or ends in one.
  int64_t unit = listed != INT64_MAX ? phase.stage->list_unit : 1;
  for (int32_t r = 0; r < count; ++r) {
    forPieces(plan, phase, item.b, runs[r], [&](int64_t lo, int64_t hi) {
      lo = lo / unit * unit;
      hi = ceilDiv(hi, unit) * unit;
      lo = lo > counted ? lo : counted;
      all += hi > lo ? hi - lo : 0;
      counted = hi > counted ? hi : counted;
    });
    stats.kv_bytes += keyBytes(plan, phase, item.b, runs[r].lo, runs[r].hi);
  }
  // Which blocks are chosen is known on the device only: an upper bound.
  int64_t most = all < listed ? all : listed;
  for (int64_t row = first; row < end; row += step) {
    int64_t width = most;
    if (listed != INT64_MAX) {
      stats.tiles_partial += ceilDiv(width, variant.keys);
    } else {
      Classifier classifier(plan, phase, variant, item, row, stats);
      for (int32_t r = 0; r < count; ++r)
        forPieces(plan, phase, item.b, runs[r],
                  [&](int64_t lo, int64_t hi) { classifier.range(lo, hi); });
      width -= classifier.empty;
    }
    int64_t pairs = (end - row < step ? end - row : step) * width;
    stats.pairs += pairs;
    stats.flops_executed +=
        2 * pairs * (phase.stage->key_dim + phase.stage->value_dim);
  }
  return FOVEA_OK;
}

static fovea_status streamStats(const fovea_plan &plan, const Phase &phase,
                                fovea_stats &stats) {
  int64_t listed = listKeys(plan, phase);
  int64_t before = stats.tiles_full + stats.tiles_partial;
  for (int32_t a = 0; a < phase.nActive; ++a) {
    const Part &part = phase.parts[phase.active[a]];
    for (int64_t i = part.first; i < part.first + part.count; ++i)
      if (fovea_status st =
              itemStats(plan, phase, part, phase.items[i], listed, stats))
        return st;
  }
  int64_t all = 0;
  for (int64_t b = 0; b < phase.batch; ++b) {
    const fovea_bundle_variant &v = *phase.parts[phase.partOf[b]].variant;
    all += ceilDiv(phase.kLen[b], v.keys) * phase.stage->heads *
           ceilDiv(phase.packed(b), classRows(v));
  }
  int64_t run = stats.tiles_full + stats.tiles_partial - before;
  stats.tiles_empty += all > run ? all - run : 0;
  stats.shared_groups += phase.sharedGroups;
  stats.shared_keys += phase.sharedKeys;
  return FOVEA_OK;
}

static fovea_status checkPhase(const fovea_plan *plan, int phase, int first) {
  if (!plan)
    return fail(FOVEA_INVALID, "expected a plan, got NULL");
  if (phase < first || phase >= int(plan->nPhases))
    return fail(FOVEA_INVALID, "expected a phase below %u, got %d",
                plan->nPhases, phase);
  if (!plan->ready)
    return fail(FOVEA_STALE, "expected a plan with a successful update, got "
                             "one without");
  return FOVEA_OK;
}

fovea_status fovea_plan_stats(const fovea_plan *plan, int phase,
                              fovea_stats *out) {
  if (fovea_status st = checkPhase(plan, phase, -1))
    return st;
  fovea_stats stats{};
  for (uint32_t i = 0; i < plan->nPhases; ++i) {
    const Phase &p = plan->phases[plan->runs[i]];
    if (phase >= 0 && phase != int(i))
      continue;
    stats.items += p.nItems;
    // Without values a stream scores blocks or pages: no products of pairs.
    if (p.stage->space != FOVEA_SPACE_STREAM || p.stage->value_dim == 0)
      continue;
    stats.slots += p.nPieces;
    if (fovea_status st = streamStats(*plan, p, stats))
      return st;
  }
  stats.bounds_calls = plan->boundsCalls;
  stats.update_ms = plan->updateMs;
  return writeStruct(stats, out, offsetof(fovea_stats, update_ms),
                     "fovea_stats");
}

fovea_status fovea_plan_counters(fovea_plan *plan, fovea_counters *out,
                                 int reset) {
  if (!plan)
    return fail(FOVEA_INVALID, "expected a plan, got NULL");
  fovea_counters sum{};
  if (plan->gpu)
    if (fovea_status st = plan->gpu->counters(sum, reset))
      return st;
  for (int32_t lane = 0; lane < plan->nLanes; ++lane)
    for (int32_t w = 0; w < plan->scratchCount; ++w) {
      auto *c = reinterpret_cast<fovea_abi_counters *>(
          plan->lanes[lane].scratch + plan->scratchBytes * size_t(w));
      sum.tiles_full += c->tiles_full;
      sum.tiles_partial += c->tiles_partial;
      sum.pairs += c->pairs;
      sum.items += c->items;
      if (reset)
        *c = {};
    }
  if (!out && reset)
    return FOVEA_OK;
  return writeStruct(sum, out, offsetof(fovea_counters, items),
                     "fovea_counters");
}

static void describe(const fovea_plan &plan, const Phase &p, const Part &part,
                     fovea_phase_info &info) {
  const BundleView &view = plan.kernel->view();
  info.space = p.stage->space;
  info.stage = view.string(p.stage->name);
  info.variant = view.string(part.variant->name);
  info.schedule = view.string(part.variant->schedule);
  info.rows = int32_t(part.variant->rows);
  info.keys = int32_t(part.variant->keys);
  info.class_rows = int32_t(classRows(*part.variant));
  info.n_parts = p.nActive;
  info.sources = p.abi.sources;
  info.shared_rows = p.abi.rows;
}

fovea_status fovea_plan_phase(const fovea_plan *plan, int phase,
                              fovea_phase_info *out) {
  if (fovea_status st = checkPhase(plan, phase, 0))
    return st;
  const Phase &p = plan->phases[plan->runs[phase]];
  fovea_phase_info info{};
  describe(*plan, p, p.parts[p.shown], info);
  info.n_items = p.nItems;
  info.items = p.items;
  info.costs = p.costs;
  info.cost_total = p.costTotal;
  info.cost_longest = p.costLongest;
  return writeStruct(info, out, offsetof(fovea_phase_info, cost_total),
                     "fovea_phase_info");
}

fovea_status fovea_plan_part(const fovea_plan *plan, int phase, int part,
                             fovea_phase_info *out) {
  if (fovea_status st = checkPhase(plan, phase, 0))
    return st;
  const Phase &p = plan->phases[plan->runs[phase]];
  if (part < 0 || part >= p.nActive)
    return fail(FOVEA_INVALID, "expected a part below %d, got %d", p.nActive,
                part);
  const Part &own = p.parts[p.active[part]];
  fovea_phase_info info{};
  describe(*plan, p, own, info);
  info.n_items = own.count;
  info.items = p.items + own.first;
  info.costs = p.costs + own.first;
  info.cost_total = p.costTotal;
  info.cost_longest = own.longest;
  return writeStruct(info, out, offsetof(fovea_phase_info, cost_total),
                     "fovea_phase_info");
}

fovea_status fovea_plan_mask(const fovea_plan *plan, int phase,
                             fovea_mask_info *out) {
  if (fovea_status st = checkPhase(plan, phase, 0))
    return st;
  const Phase &p = plan->phases[plan->runs[phase]];
  if (p.stage->space != FOVEA_SPACE_STREAM)
    return fail(FOVEA_INVALID,
                "expected a phase that streams keys, got stage '%s'",
                plan->kernel->view().string(p.stage->name));
  fovea_mask_info info{};
  info.analysed = p.mask.record ? int32_t(p.mask.record->analysed) : 1;
  info.text =
      p.mask.record ? plan->kernel->view().string(p.mask.record->text) : "";
  info.bounds = p.mask.bounds;
  info.classify = p.mask.classify;
  info.keep = p.mask.keep;
  info.args = &plan->planned.abi;
  info.batch = p.batch;
  info.query_heads = int64_t(p.stage->heads) * p.stage->group;
  info.sq = p.sq;
  info.sk = p.sk;
  info.q_off = p.qOff;
  info.k_len = p.kLen;
  info.group = p.stage->group;
  info.kv_group = p.stage->kv_group;
  info.key_dim = p.stage->key_dim;
  info.value_dim = p.stage->value_dim;
  info.row_off = p.rowOff;
  return writeStruct(info, out, offsetof(fovea_mask_info, group),
                     "fovea_mask_info");
}

fovea_status fovea_plan_dim(const fovea_plan *plan, const char *name,
                            int64_t *out) {
  if (fovea_status st = checkPhase(plan, -1, -1))
    return st;
  for (uint32_t i = 0; i < plan->kernel->symbols.size(); ++i)
    if (name && out && !strcmp(name, plan->kernel->symbolName(i))) {
      *out = plan->symbols[i];
      return FOVEA_OK;
    }
  return fail(FOVEA_INVALID,
              "kernel '%s': expected the name of a dim, got '%s'",
              plan->kernel->name(), name ? name : "NULL");
}
