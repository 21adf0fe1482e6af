// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a plan decided and what its kernels did: predictions, counters, and the
// mask's functions for tools.
#include "runtime/base/Status.h"
#include "runtime/plan/Plan.h"

using namespace fovea::rt;

namespace {

/// Classifies the blocks of one run. Most runs are full but for a block or two
/// at their ends, so the ends are peeled off and the rest is asked at once;
/// where that fails the halves are tried.
class Classifier {
public:
  Classifier(const fovea_plan &plan, const Phase &phase,
             const fovea_abi_item &item, int64_t row, fovea_stats &stats)
      : plan(plan), phase(phase), item(item), stats(stats),
        keys(phase.variant->keys) {
    tilePositions(phase, row, classRows(*phase.variant), q0, q1);
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
    if (!phase.mask.classify)
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

static fovea_status streamStats(const fovea_plan &plan, const Phase &phase,
                                fovea_stats &stats) {
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  int64_t listed = listKeys(plan, phase);
  int64_t keys = phase.variant->keys,
          before = stats.tiles_full + stats.tiles_partial;
  for (int64_t i = 0; i < phase.nItems; ++i) {
    const fovea_abi_item &item = phase.items[i];
    fovea_status st = FOVEA_OK;
    int32_t count = itemRuns(plan, phase, item, runs, &st);
    if (count < 0)
      return st;
    int64_t end = item.row + phase.variant->rows;
    end = end < phase.packed ? end : phase.packed;
    int64_t step = classRows(*phase.variant), all = 0;
    for (int32_t r = 0; r < count; ++r)
      all += runs[r].hi - runs[r].lo;
    // Which blocks are chosen is known on the device only: an upper bound.
    int64_t most = all < listed ? all : listed;
    for (int64_t row = item.row; row < end; row += step) {
      int64_t width = most;
      if (listed != INT64_MAX) {
        stats.tiles_partial += ceilDiv(width, keys);
      } else {
        Classifier classifier(plan, phase, item, row, stats);
        for (int32_t r = 0; r < count; ++r)
          classifier.range(runs[r].lo, runs[r].hi);
        width -= classifier.empty;
      }
      int64_t pairs = (end - row < step ? end - row : step) * width;
      stats.pairs += pairs;
      stats.flops_executed +=
          2 * pairs * (phase.stage->key_dim + phase.stage->value_dim);
    }
  }
  int64_t all = 0;
  for (int64_t b = 0; b < phase.batch; ++b)
    all += ceilDiv(phase.kLen[b], keys);
  all *= phase.stage->heads * ceilDiv(phase.packed, classRows(*phase.variant));
  int64_t run = stats.tiles_full + stats.tiles_partial - before;
  stats.tiles_empty += all > run ? all - run : 0;
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
    const Phase &p = plan->phases[i];
    if (phase >= 0 && phase != int(i))
      continue;
    stats.items += p.nItems;
    if (p.stage->space != FOVEA_SPACE_STREAM)
      continue;
    stats.slots += p.nSlots;
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

fovea_status fovea_plan_phase(const fovea_plan *plan, int phase,
                              fovea_phase_info *out) {
  if (fovea_status st = checkPhase(plan, phase, 0))
    return st;
  const Phase &p = plan->phases[phase];
  const BundleView &view = plan->kernel->view();
  fovea_phase_info info{};
  info.space = p.stage->space;
  info.stage = view.string(p.stage->name);
  info.variant = view.string(p.variant->name);
  info.schedule = view.string(p.variant->schedule);
  info.rows = int32_t(p.variant->rows);
  info.keys = int32_t(p.variant->keys);
  info.n_items = p.nItems;
  info.items = p.items;
  info.cost_total = p.costTotal;
  info.cost_longest = p.costLongest;
  info.class_rows = int32_t(classRows(*p.variant));
  info.sources = p.abi.sources;
  return writeStruct(info, out, offsetof(fovea_phase_info, cost_total),
                     "fovea_phase_info");
}

fovea_status fovea_plan_mask(const fovea_plan *plan, int phase,
                             fovea_mask_info *out) {
  if (fovea_status st = checkPhase(plan, phase, 0))
    return st;
  const Phase &p = plan->phases[phase];
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
