// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the tile program says about stages that the manifest does not keep: what
// a stream's mask reads and how much code runs per score, and what the stages
// beside attention compute. For explain, compare, view and the prediction.
#ifndef FOVEA_TOOLS_FOVEA_STREAMFACTS_H
#define FOVEA_TOOLS_FOVEA_STREAMFACTS_H

#include "tools/fovea/StageFacts.h"

#include <map>
#include <string>

namespace fovea::cli {

/// Work of a scalar region that runs over a tile with queries in lanes. Ops on
/// lanes cost a vector op each; ops on keys alone run once per key. `ops` are
/// all of these.
struct RegionCost {
  double lanes = 0, keys = 0;
  int64_t ops = 0;
};

struct StreamFacts {
  bool readsBatch = true, readsHead = true; ///< the mask does
  RegionCost mask, score;
  bool hasScore = false;
  /// Element formats of K and V as stored, "f32", "bf16", "int8<..>".
  std::string keyFormat, valueFormat;
  bool listed = false, leveled = false; ///< chosen blocks, a level map
  int64_t unit = 0, queryBlock = 0;     ///< of the list or level map
  /// Tiles are boxes of a grid: runs and queries of the plan are positions of
  /// the walk.
  bool ordered = false;
  bool cached = false; ///< over the segments of a cache
  /// A prefill computes those keys of a partial tile that one of its queries
  /// sees; else all.
  bool computesSeen = false;
  bool scoresTwice = false; ///< weights are changed as shares of their sum
};

/// By launch: the stage's name in the plan.
struct ProgramFacts {
  std::map<std::string, StreamFacts> streams; ///< attention
  std::map<std::string, StageFacts> stages;   ///< all others
};
ProgramFacts programFacts(const Session &session);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_STREAMFACTS_H
