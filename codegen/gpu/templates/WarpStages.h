// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The stages around attention for a GPU, a warp for each row: builders with the
// parameters of those for CPUs. Rows have a multiple of four elements.
#ifndef FOVEA_CODEGEN_GPU_TEMPLATES_WARPSTAGES_H
#define FOVEA_CODEGEN_GPU_TEMPLATES_WARPSTAGES_H

#include "codegen/cpu/StageBuilders.h"

namespace fovea::gpu {

cpu::BuiltStage buildCombine(mlir::ModuleOp module,
                             const cpu::CombineParams &params);
cpu::BuiltStage buildMerge(mlir::ModuleOp module,
                           const cpu::MergeParams &params);

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_TEMPLATES_WARPSTAGES_H
