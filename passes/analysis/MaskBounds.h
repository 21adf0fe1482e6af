// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits the body of a mask's `bounds` function. Internal to passes/analysis.
#ifndef FOVEA_PASSES_ANALYSIS_MASKBOUNDS_H
#define FOVEA_PASSES_ANALYSIS_MASKBOUNDS_H

#include "passes/analysis/MaskEmit.h"

#include "mlir/IR/BuiltinOps.h"

namespace fovea {

/// Fills `bounds` (an empty function of the type MaskSolver.h states) and adds
/// the helper it calls to `module` if it is not there yet.
void emitMaskBounds(mlir::ModuleOp module, mlir::func::FuncOp bounds,
                    const ImportedMask &mask, const MaskSections &sections);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKBOUNDS_H
