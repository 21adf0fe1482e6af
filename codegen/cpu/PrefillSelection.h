// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The runs of a prefill stream whose keys are selected at run time.
#ifndef FOVEA_CODEGEN_CPU_PREFILLSELECTION_H
#define FOVEA_CODEGEN_CPU_PREFILLSELECTION_H

#include "codegen/cpu/PrefillStream.h"

namespace fovea::cpu {

/// Calls the function with the entries [first, last) of a list.
using EntryLoop =
    llvm::function_ref<void(mlir::Value first, mlir::Value last,
                            llvm::function_ref<void(mlir::Value entry)>)>;

/// Emits `entries` over the chosen blocks of `tile`, or over its blocks by
/// level, and calls `body` once. `table` is the view of the list or the level
/// map, `extent` the keys in memory.
void emitSelectedRuns(StageFunction &s, const StreamParams &params,
                      const QueryTile &tile, const View &table,
                      const View &count, mlir::Value extent, EntryLoop entries,
                      StreamParams::RunBody body);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_PREFILLSELECTION_H
