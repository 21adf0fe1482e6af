// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// FLOPs and bytes of the stages beside attention: pooling, encoding, block and
// page scores, their softmax, choice, and what append writes and keeps. For
// explain and compare; docs/compare.md defines what counts.
#ifndef FOVEA_TOOLS_FOVEA_STAGEWORK_H
#define FOVEA_TOOLS_FOVEA_STAGEWORK_H

#include "tools/fovea/Arguments.h"
#include "tools/fovea/StageFacts.h"

#include <cstdint>
#include <string>

namespace fovea::cli {

struct StageWork {
  /// What the definition needs, each number once.
  int64_t flops = 0;
  /// As the kernel does it, where that is more and known before it runs.
  int64_t flopsExecuted = 0;
  /// Each thing that is read or written, once.
  int64_t bytes = 0;

  void add(const StageWork &other) {
    flops += other.flops;
    flopsExecuted += other.flopsExecuted;
    bytes += other.bytes;
  }
};

/// Counts phase `phase` of the last update of `call`.
StageWork countStage(const Session &session, const Arguments &arguments,
                     const Call &call, int phase, const StageFacts &facts);

/// "12 FLOPs (24 executed), 96 bytes".
std::string describe(const StageWork &work);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_STAGEWORK_H
