// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a planned call has to do: visible pairs, tiles, FLOPs and bytes, item by
// item. Read from the plan and the mask's own functions, so that explain, bench
// and view cannot disagree with the kernel.
#ifndef FOVEA_TOOLS_FOVEA_WORK_H
#define FOVEA_TOOLS_FOVEA_WORK_H

#include "tools/fovea/Arguments.h"
#include "tools/fovea/Counts.h"
#include "tools/fovea/StageWork.h"
#include "tools/fovea/StreamFacts.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fovea::cli {

/// A variant that a phase runs, over some of its items.
struct PartWork {
  std::string variant, schedule;
  int32_t rows = 0, keys = 0, classRows = 0;
  int64_t items = 0;
  /// Of a prefill that computes only keys that are seen: keys of a register
  /// tile of scores, whose last is filled up with repeats. Else 0.
  int32_t registerKeys = 0;
  bool matrix = false; ///< products are a matrix unit's
};

/// The queries [q0, q1) of a tile and how many of its rows exist.
struct TileRows {
  int64_t b, h, q0, q1, rows;
};

/// One item of a stream. A tile is the rows that are classified together (a
/// panel) x a block of keys.
struct ItemWork {
  int32_t part = 0;
  int64_t rows = 0;                  ///< that exist
  int64_t blocks = 0, blockKeys = 0; ///< of keys, whatever their class
  int64_t fullTiles = 0, partialTiles = 0, emptyTiles = 0;
  int64_t fullKeys = 0, partialKeys = 0; ///< of those tiles
  /// Of the keys of partial tiles those that are computed, and how many tiles
  /// have any.
  int64_t liveKeys = 0, liveTiles = 0;
  /// Keys whose scores are computed, repeats that fill register tiles included.
  int64_t scoredKeys = 0;
  int64_t pairs = 0; ///< (row that exists, key) in tiles that run
  int64_t pairsComputed = 0, pairsScored = 0; ///< likewise

  /// Counts the keys [lo, hi), all in tiles of the class `kind`.
  void add(const fovea_mask_info &mask, const TileRows &tile, int32_t kind,
           int64_t lo, int64_t hi, const PartWork &part);
  bool split = false;
};

/// One phase of attention.
struct StreamWork {
  int phase = 0;
  std::string name, maskText;
  bool analysed = true, shared = false;
  fovea_mask_info mask{};
  StreamFacts facts;
  std::vector<PartWork> parts;
  std::vector<ItemWork> items; ///< in the order of execution
  int64_t tilesEmpty = 0, tilesPartial = 0, tilesFull = 0;
  int64_t pairsVisible = 0, pairsExecuted = 0, pairsAll = 0;
  /// Of those executed what the products compute: in a partial tile a prefill
  /// leaves keys out that none of its queries sees.
  int64_t pairsComputed = 0;
  int64_t flopsExecuted = 0;
  int64_t pieces = 0;
  double boundsMs = 0; ///< of an item, measured

  /// Which blocks or levels are read only the device knows: counts are of
  /// those planned.
  bool chosen() const { return facts.listed || facts.leveled; }
  double efficiency() const {
    return pairsExecuted ? double(pairsVisible) / double(pairsExecuted) : 1;
  }
  /// The share of what is computed that is visible.
  double useful() const {
    return pairsComputed ? double(pairsVisible) / double(pairsComputed) : 1;
  }
};

struct PhaseWork {
  std::string stage, variant, schedule;
  int32_t rows = 0, keys = 0;
  int64_t items = 0;
  /// Of a phase that is no attention.
  std::optional<StageWork> other;
};

/// The counts but `other` are those of attention.
struct Work {
  int64_t tilesEmpty = 0, tilesPartial = 0, tilesFull = 0;
  /// (query head, query, key) triples that the masks let through. With chosen
  /// blocks, which only the device knows, the pairs of the blocks planned.
  int64_t visiblePairs = 0;
  /// Triples of the tiles that are run, those of them that are computed, and
  /// of all queries with all keys.
  int64_t executedPairs = 0, computedPairs = 0, allPairs = 0;
  /// Of the two products, over pairs that are visible and over all that are
  /// computed for rows that exist, repeats in register tiles included.
  int64_t flopsUseful = 0, flopsExecuted = 0;
  /// Q, results, and those keys and values that any query sees, each once.
  int64_t bytes = 0;
  /// Of caches: bytes of keys and values that the plan reads, counted as often
  /// as they are read; groups of sequences whose common prefix is read once
  /// for all, and the keys per head that are so not read again.
  int64_t kvBytes = 0, sharedGroups = 0, sharedKeys = 0;
  int64_t slots = 0;
  /// Of all phases that are no attention.
  StageWork other;
  double planMs = 0, countMs = 0;
  std::vector<PhaseWork> phases;
  std::vector<StreamWork> streams;
  std::vector<std::string> masks;

  /// Whether a matrix unit does products of a part that runs.
  bool matrix() const;
  std::string schedule() const; ///< of the streams, for JSON
  /// Visible pairs over those of the tiles run: what masks waste is the rest.
  double efficiency() const {
    return executedPairs ? double(visiblePairs) / double(executedPairs) : 1;
  }
  double useful() const {
    return computedPairs ? double(visiblePairs) / double(computedPairs) : 1;
  }
  double density() const {
    return allPairs ? double(visiblePairs) / double(allPairs) : 0;
  }
};

/// Counts for the last update of `call`.
Work countWork(const Session &session, const Arguments &arguments,
               const Call &call);

/// A part of a phase of the call's plan, with its items.
fovea_phase_info partOf(const Session &session, const Call &call, int phase,
                        int part);

/// Walks the items of stream phase `phase` (StreamWork with mask and facts).
void walkItems(const Session &session, const Call &call, StreamWork &stream);

/// Measures what the bounds of an item take.
void timeBounds(const Session &session, const Call &call, StreamWork &stream);

/// Counts every pair of `work` one by one and holds tiles, pairs and classes
/// against it: the first difference, "" if there is none. For small calls.
std::string checkCounts(const Session &session, const Call &call,
                        const Work &work);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_WORK_H
