// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The schedules that are worth measuring: for `fovea tune`, which walks along
// one axis after the other. All that a target's registers allow would be
// thousands, and neighbours differ by less than a measurement.
#ifndef FOVEA_CODEGEN_TARGET_CANDIDATES_H
#define FOVEA_CODEGEN_TARGET_CANDIDATES_H

#include "codegen/target/Tuning.h"

#include "llvm/ADT/ArrayRef.h"

#include <vector>

namespace fovea {

enum class TuningAxis { Rows, Keys, Tile, Convert, Prefetch };
llvm::StringRef toString(TuningAxis axis);

/// In the order in which they are to be walked. Rows and keys decide on what
/// a mask wastes and depend on each other: they come twice.
llvm::ArrayRef<TuningAxis> tuningAxes(StreamKind kind);

/// Entries that differ from `from` along `axis` only and that its target can
/// run.
std::vector<TuningEntry> tuningCandidates(const TargetInfo &target,
                                          const TuningEntry &from,
                                          TuningAxis axis);

} // namespace fovea

#endif // FOVEA_CODEGEN_TARGET_CANDIDATES_H
