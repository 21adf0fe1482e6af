// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a planned call has to do: visible pairs, tiles, FLOPs and bytes. Read
// from the plan and the mask's own functions, so that explain, bench and view
// cannot disagree with the kernel.
#ifndef FOVEA_TOOLS_FOVEA_WORK_H
#define FOVEA_TOOLS_FOVEA_WORK_H

#include "tools/fovea/Arguments.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fovea::cli {

struct PhaseWork {
  std::string stage, variant, schedule;
  int32_t rows = 0, keys = 0;
  int64_t items = 0;
};

struct Work {
  int64_t tilesEmpty = 0, tilesPartial = 0, tilesFull = 0;
  /// (query head, query, key) triples that the masks let through. With chosen
  /// blocks, which only the device knows, the pairs of the blocks planned.
  int64_t visiblePairs = 0;
  int64_t flopsUseful = 0, flopsExecuted = 0;
  /// Q, results, and those keys and values that any query sees, each once.
  int64_t bytes = 0;
  /// Of caches: bytes of keys and values that the plan reads, counted as often
  /// as they are read; groups of sequences whose common prefix is read once
  /// for all, and the keys per head that are so not read again.
  int64_t kvBytes = 0, sharedGroups = 0, sharedKeys = 0;
  int64_t slots = 0;
  double planMs = 0;
  std::vector<PhaseWork> phases;
  std::vector<std::string> masks;

  std::string schedule() const; ///< of the streams, for JSON
};

/// Counts for the last update of `call`.
Work countWork(const Session &session, const Arguments &arguments,
               const Call &call);

/// Visible keys of query `q` (an index of the call) of head h.
int64_t visibleKeys(const fovea_mask_info &mask, int64_t b, int64_t h,
                    int64_t q);
/// How many queries sequence b has.
int64_t queriesOf(const fovea_mask_info &mask, int64_t b);
/// Runs of keys that queries [q0, q1) of the call may see.
std::vector<fovea_abi_run> runsOf(const fovea_mask_info &mask, int64_t b,
                                  int64_t h, int64_t q0, int64_t q1);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_WORK_H
