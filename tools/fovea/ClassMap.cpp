// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Class maps at the scale that a picture can hold.
#include "tools/fovea/ClassMap.h"

#include <algorithm>

namespace fovea::cli {

size_t ClassMap::runs() const {
  size_t sum = 0;
  for (const CellRow &row : rows)
    sum += row.runs.size();
  return sum;
}

namespace {
/// Builds one map; gives up when it has too many runs.
class MapBuilder {
public:
  MapBuilder(const fovea_mask_info &mask, int64_t b, int64_t h,
             const Window &window, ClassMap &map, MapBudget &budget)
      : mask(mask), b(b), h(h), window(window), map(map), budget(budget) {}

  bool build(int64_t itemPositions) {
    int64_t step = map.queriesStep;
    for (int64_t q0 = window.q0 / step * step; q0 < window.q1; q0 += step) {
      int64_t q1 = std::min(q0 + step, queriesOf(mask, b));
      map.rows.push_back({q0, q1, {}});
      // The runs of a tile are those of its item.
      int64_t item = std::max(itemPositions, step), i0 = q0 / item * item;
      int64_t i1 = std::min(i0 + item, queriesOf(mask, b));
      for (const fovea_abi_run &run : runsOf(mask, b, h, i0, i1)) {
        // Blocks start where the run does, whatever the window shows.
        int64_t skip = std::max<int64_t>(window.k0 - run.lo, 0) / map.keysStep *
                       map.keysStep;
        cells(q0, q1, run.lo + skip, std::min(run.hi, window.k1));
      }
      // Parts of a run come in no order.
      auto &runs = map.rows.back().runs;
      std::sort(runs.begin(), runs.end(),
                [](const CellRun &l, const CellRun &r) { return l.lo < r.lo; });
      merge(runs);
      used += runs.size();
      if (used > budget.runs)
        return false;
    }
    budget.runs -= used;
    return true;
  }

private:
  void cells(int64_t q0, int64_t q1, int64_t lo, int64_t hi) {
    classifyRun(mask, b, h, q0, q1, lo, hi, map.keysStep,
                [&](int32_t kind, int64_t from, int64_t to) {
                  if (kind == FOVEA_TILE_EMPTY)
                    return;
                  int64_t cell = (q1 - q0) * std::min(map.keysStep, to - from);
                  int64_t visible = cell;
                  if (kind == FOVEA_TILE_PARTIAL) {
                    visible = -1;
                    // A partial cell may need all of its pairs.
                    if (budget.pairs >= cell) {
                      budget.pairs -= cell;
                      visible = countPairs(mask, b, h, q0, q1, from, to);
                    }
                  }
                  map.rows.back().runs.push_back({kind, from, to, visible});
                });
  }
  /// Neighbours of one class and count become one run.
  void merge(std::vector<CellRun> &runs) const {
    size_t kept = 0;
    for (const CellRun &run : runs) {
      CellRun *last = kept ? &runs[kept - 1] : nullptr;
      if (last && last->hi == run.lo && last->kind == run.kind &&
          last->visible == run.visible &&
          (last->hi - last->lo) % map.keysStep == 0)
        last->hi = run.hi;
      else
        runs[kept++] = run;
    }
    runs.resize(kept);
  }

  const fovea_mask_info &mask;
  int64_t b, h;
  const Window &window;
  ClassMap &map;
  MapBudget &budget;
  size_t used = 0;
};
} // namespace

ClassMap classMap(const fovea_mask_info &mask, int64_t b, int64_t h,
                  const Window &window, int64_t itemPositions,
                  int64_t positions, int64_t keys, MapBudget &budget,
                  int64_t leastScale) {
  for (int64_t scale = leastScale;; scale *= 2) {
    ClassMap map;
    map.scale = scale;
    map.queriesStep = positions * scale;
    map.keysStep = keys * scale;
    int64_t pairs = budget.pairs;
    bool last = map.queriesStep >= window.q1 - window.q0 &&
                map.keysStep >= window.k1 - window.k0;
    if (MapBuilder(mask, b, h, window, map, budget).build(itemPositions) ||
        last)
      return map;
    budget.pairs = pairs;
  }
}

std::optional<std::vector<std::vector<fovea_abi_run>>>
visibleRows(const fovea_mask_info &mask, int64_t b, int64_t h,
            const Window &window, size_t &budget) {
  std::vector<std::vector<fovea_abi_run>> rows;
  size_t used = size_t(window.q1 - window.q0);
  if (used > budget)
    return std::nullopt;
  for (int64_t q = window.q0; q < window.q1; ++q) {
    rows.emplace_back();
    for (fovea_abi_run run : visibleKeys(mask, b, h, q, q + 1)) {
      run.lo = std::max(run.lo, window.k0);
      run.hi = std::min(run.hi, window.k1);
      if (run.lo < run.hi)
        rows.back().push_back(run);
    }
    used += rows.back().size();
    if (used > budget)
      return std::nullopt;
  }
  budget -= used;
  return rows;
}

} // namespace fovea::cli
