// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Exact counts of what a mask lets through, by the mask's own functions: boxes
// that class proves empty or full are counted whole, the others are halved,
// and only the last 16 x 16 pairs are asked one by one. For explain and view.
//
// Queries are indices of the call, keys are tokens. Without a mask every key
// below the length is visible.
#ifndef FOVEA_TOOLS_FOVEA_COUNTS_H
#define FOVEA_TOOLS_FOVEA_COUNTS_H

#include <fovea/inspect.h>

#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <vector>

namespace fovea::cli {

/// How many queries sequence b has.
int64_t queriesOf(const fovea_mask_info &mask, int64_t b);

/// Runs of keys that queries [q0, q1) may see, as the planner has them.
std::vector<fovea_abi_run> runsOf(const fovea_mask_info &mask, int64_t b,
                                  int64_t h, int64_t q0, int64_t q1);

/// The class of queries [q0, q1) x keys [k0, k1).
int32_t classOf(const fovea_mask_info &mask, int64_t b, int64_t h, int64_t q0,
                int64_t q1, int64_t k0, int64_t k1);

/// Cuts [lo, hi) into blocks of `keys` from lo on, as a kernel does, and calls
/// visit(class, from, to) for spans of blocks, in no order: PARTIAL ones one
/// block at a time.
void classifyRun(const fovea_mask_info &mask, int64_t b, int64_t h, int64_t q0,
                 int64_t q1, int64_t lo, int64_t hi, int64_t keys,
                 llvm::function_ref<void(int32_t, int64_t, int64_t)> visit);

/// Visible pairs of queries [q0, q1) x keys [k0, k1), exactly.
int64_t countPairs(const fovea_mask_info &mask, int64_t b, int64_t h,
                   int64_t q0, int64_t q1, int64_t k0, int64_t k1);
/// The same over all keys.
int64_t countPairs(const fovea_mask_info &mask, int64_t b, int64_t h,
                   int64_t q0, int64_t q1);

/// How many of the keys [k0, k1) at least one of the queries [q0, q1) sees,
/// exactly.
int64_t liveKeys(const fovea_mask_info &mask, int64_t b, int64_t h, int64_t q0,
                 int64_t q1, int64_t k0, int64_t k1);
/// All of these keys: ascending, disjoint, not touching.
std::vector<fovea_abi_run> visibleKeys(const fovea_mask_info &mask, int64_t b,
                                       int64_t h, int64_t q0, int64_t q1);

/// Sequences and heads that a mask treats alike: `count` (b, h) pairs like the
/// one here.
struct Alike {
  int64_t b, h, count;
};
/// Classes of (sequence, query head); a mask that reads neither b nor h tells
/// sequences apart by their lengths alone.
std::vector<Alike> alike(const fovea_mask_info &mask, bool readsBatch,
                         bool readsHead);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COUNTS_H
