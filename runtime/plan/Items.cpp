// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the items of a phase share with statistics and other phases: the keys
// that an item reads, and the order of the parts.
#include "runtime/base/Status.h"
#include "runtime/plan/Plan.h"

namespace fovea::rt {

void placeParts(fovea_plan &plan, Phase &phase, int64_t n) {
  for (int32_t p = 0; p < phase.nParts; ++p)
    phase.parts[p].first = phase.parts[p].count = phase.parts[p].longest = 0;
  for (int64_t i = 0; i < n; ++i) {
    Part &part = phase.parts[plan.part[i]];
    double cost = double(phase.costs[i]);
    part.longest = cost > part.longest ? cost : part.longest;
    ++part.count;
  }
  phase.nActive = 0;
  for (int32_t p = 0; p < phase.nParts; ++p) {
    if (!phase.parts[p].count)
      continue;
    int32_t at = phase.nActive++;
    for (; at &&
           phase.parts[phase.active[at - 1]].longest < phase.parts[p].longest;
         --at)
      phase.active[at] = phase.active[at - 1];
    phase.active[at] = uint8_t(p);
  }
  int64_t next = 0;
  int32_t *from = plan.order;
  if (phase.nActive > 1)
    from = plan.slotOf; // which nobody asks for any more
  for (int32_t a = 0; a < phase.nActive; ++a) {
    Part &part = phase.parts[phase.active[a]];
    part.first = next;
    next += part.count;
    for (int64_t i = 0, to = part.first; i < n && phase.nActive > 1; ++i)
      if (plan.part[plan.order[i]] == phase.active[a])
        from[to++] = plan.order[i];
  }
  // In place, one cycle after the other.
  for (int64_t i = 0; i < n; ++i) {
    if (from[i] == i)
      continue;
    fovea_abi_item item = phase.items[i];
    int64_t cost = phase.costs[i], to = i;
    for (int64_t source; (source = from[to]) != i; to = source) {
      phase.items[to] = phase.items[source];
      phase.costs[to] = phase.costs[source];
      from[to] = int32_t(to);
    }
    phase.items[to] = item;
    phase.costs[to] = cost;
    from[to] = int32_t(to);
  }
  phase.nItems = n;
  if (phase.nActive)
    phase.shown = phase.active[0];
  phase.costLongest = phase.nActive ? phase.parts[phase.active[0]].longest : 0;
}

int32_t itemRuns(const fovea_plan &plan, const Phase &phase,
                 const fovea_abi_item &item, int64_t rows, fovea_abi_run *runs,
                 fovea_status *status) {
  int64_t len = phase.kLen[item.b];
  int32_t count = 0;
  if (!phase.mask.bounds || (item.flags & FOVEA_ITEM_SHARED)) {
    runs[0] = {0, len};
    count = len > 0;
  } else if (len > 0) {
    int64_t q0, q1, off = phase.qOff[item.b];
    tilePositions(phase, item.b, item.row, rows, q0, q1);
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

} // namespace fovea::rt
