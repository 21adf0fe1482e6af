// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The classes of a window of a mask as `view` draws them: the tiles of the plan
// where they are few enough, else boxes of 2, 4, 8 .. tiles.
#ifndef FOVEA_TOOLS_FOVEA_CLASSMAP_H
#define FOVEA_TOOLS_FOVEA_CLASSMAP_H

#include "tools/fovea/Counts.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace fovea::cli {

/// Queries [q0, q1) of the call x keys [k0, k1).
struct Window {
  int64_t q0 = 0, q1 = 0, k0 = 0, k1 = 0;
};

/// Keys [lo, hi) of one class, in steps from lo on: cells whose visible pairs
/// are `visible` each (the last may be cut); -1: not counted.
struct CellRun {
  int32_t kind;
  int64_t lo, hi, visible;
};

/// The cells of queries [q0, q1); what is not listed is empty.
struct CellRow {
  int64_t q0, q1;
  std::vector<CellRun> runs;
};

struct ClassMap {
  int64_t scale = 1;                     ///< tiles in a cell, on each side
  int64_t queriesStep = 1, keysStep = 1; ///< of a cell
  std::vector<CellRow> rows;
  size_t runs() const;
};

/// What a map may take: runs of cells, and pairs asked for counts.
struct MapBudget {
  size_t runs = 100000;
  int64_t pairs = int64_t(1) << 27;
};

/// Cells of `positions` x `keys`, where an item has `itemPositions`; coarser
/// if the budget asks for it. `budget` is reduced by what was used.
ClassMap classMap(const fovea_mask_info &mask, int64_t b, int64_t h,
                  const Window &window, int64_t itemPositions,
                  int64_t positions, int64_t keys, MapBudget &budget,
                  int64_t leastScale = 1);

/// Visible keys of each query of the window; nothing if they have more runs
/// than `budget`, which is reduced by what was used.
std::optional<std::vector<std::vector<fovea_abi_run>>>
visibleRows(const fovea_mask_info &mask, int64_t b, int64_t h,
            const Window &window, size_t &budget);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_CLASSMAP_H
