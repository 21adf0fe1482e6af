// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits the search that decides tiles which one interval evaluation cannot.
#ifndef FOVEA_PASSES_ANALYSIS_MASKREFINE_H
#define FOVEA_PASSES_ANALYSIS_MASKREFINE_H

#include "passes/analysis/MaskImport.h"

#include "mlir/IR/BuiltinOps.h"

namespace fovea {

/// Most boxes that one search evaluates.
constexpr int64_t kMaskRefineSteps = 512;

/// Most pairs of a tile that is then looked at pair by pair: 256 rows by 64
/// keys, which is the largest tile that a kernel walks in blocks of 64.
constexpr int64_t kMaskRefinePairs = 16384;

/// Whether a search can decide more tiles than the evaluation of the predicate
/// does: it is no single comparison of variables, and intervals know it.
bool refinementHelps(const ImportedMask &mask);

/// Adds @<prefix>_refine with the signature of `tile` (operands.., b, h, q0,
/// q1, k0, k1, len) -> i32 to the module. `tile` answers for any box of keys
/// inside [0, len); `row`, unless it is null, exactly for the keys of a single
/// query (operands.., b, h, q, k0, k1, len) -> i32; `keep` for one pair
/// (operands.., b, h, q, k, len) -> i1 or the i32 level. The search begins with
/// a tile that `tile` has not decided. It classifies the first row of a box, or
/// its first key, divides the box along the axis that this has told, until it
/// has met a live and a masked pair (PARTIAL), has proved the rest (EMPTY,
/// FULL), or has looked at kMaskRefineSteps boxes. What is left of a tile of
/// kMaskRefinePairs or fewer is then decided pair by pair; a larger one is
/// PARTIAL.
mlir::func::FuncOp emitMaskRefine(mlir::ModuleOp module,
                                  mlir::func::FuncOp tile,
                                  mlir::func::FuncOp row,
                                  mlir::func::FuncOp keep,
                                  llvm::StringRef prefix);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKREFINE_H
