// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the bounds of a mask take, measured: no count of their code says how
// much of a table they search.
#include "tools/fovea/Ceilings.h"
#include "tools/fovea/Work.h"

#include <algorithm>

namespace fovea::cli {

/// Items that are timed, and how often each.
static constexpr int64_t kItems = 24, kTimes = 3;

void timeBounds(const Session &session, const Call &call, StreamWork &stream) {
  const fovea_mask_info &mask = stream.mask;
  if (!mask.bounds)
    return;
  int64_t group = std::max(mask.group, 1), items = 0;
  double seconds = 0;
  for (size_t p = 0; p < stream.parts.size(); ++p) {
    fovea_phase_info part = partOf(session, call, stream.phase, int(p));
    int64_t some = std::min(part.n_items, kItems);
    for (int64_t i = 0; i < some; ++i) {
      const fovea_abi_item &item =
          part.items[part.n_items * (2 * i + 1) / (2 * some)];
      int64_t end = std::min<int64_t>(queriesOf(mask, item.b) * group,
                                      int64_t(item.row) + part.rows);
      if ((item.flags & FOVEA_ITEM_SHARED) || item.row >= end)
        continue;
      double least = 1;
      for (int64_t t = 0; t < kTimes; ++t) {
        double start = secondsNow();
        runsOf(mask, item.b, item.head * group, item.row / group,
               (end - 1) / group + 1);
        least = std::min(least, secondsNow() - start);
      }
      seconds += least;
      ++items;
    }
  }
  if (items)
    stream.boundsMs = 1e3 * seconds / double(items);
}

} // namespace fovea::cli
