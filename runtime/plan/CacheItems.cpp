// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The items of the stages that write a cache: appended rows, and the metadata
// of the pages that they came to.
#include "runtime/base/Status.h"
#include "runtime/plan/Plan.h"

namespace fovea::rt {

fovea_status planAppend(fovea_plan &plan, Phase &phase) {
  int64_t n = 0;
  phase.costTotal = 0;
  for (int64_t b = 0; b < phase.batch; ++b) {
    int64_t rows = phase.queries(b), part = phase.partOf[b];
    int64_t tile = phase.parts[part].variant->rows;
    for (int64_t r = 0; r < rows; r += tile) {
      fovea_abi_item &item = phase.items[n];
      item = {};
      item.b = int32_t(b);
      item.row = int32_t(r);
      item.slot = -1;
      item.count = int32_t(rows - r < tile ? rows - r : tile);
      item.k0 = phase.kLen[b] - rows + r;
      item.k1 = item.k0 + item.count;
      plan.part[n] = uint8_t(part);
      phase.costs[n] = item.count;
      plan.order[n] = int32_t(n);
      ++n;
    }
    phase.costTotal += double(rows);
  }
  placeParts(plan, phase, n);
  return FOVEA_OK;
}

fovea_status planPages(fovea_plan &plan, Phase &phase) {
  const CacheStep &cache = plan.caches[size_t(phase.stage->cache)];
  int64_t n = 0;
  if (cache.appends)
    n = cache.kv->touchedPages(plan.batch, phase.items, phase.maxItems);
  int32_t part = partFor(phase, n);
  if (n > phase.maxItems || part < 0)
    return fail(FOVEA_INVALID,
                "kernel '%s': expected at most %lld items of stage '%s' (the "
                "plan's capacity), got %lld",
                plan.kernel->name(), (long long)phase.maxItems,
                plan.kernel->view().string(phase.stage->name), (long long)n);
  for (int32_t p = 0; p < phase.nParts; ++p)
    phase.parts[p].count = 0;
  phase.parts[part].first = 0;
  phase.parts[part].count = n;
  phase.parts[part].longest = phase.costLongest = n ? 1 : 0;
  phase.active[0] = uint8_t(part);
  phase.nActive = n ? 1 : 0;
  phase.shown = part;
  for (int64_t i = 0; i < n; ++i)
    phase.costs[i] = 1;
  phase.nItems = n;
  phase.costTotal = double(n);
  return FOVEA_OK;
}

} // namespace fovea::rt
