// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The stages around attention for a GPU, a warp for each row: builders with the
// parameters of those for CPUs.
#ifndef FOVEA_CODEGEN_GPU_TEMPLATES_WARPSTAGES_H
#define FOVEA_CODEGEN_GPU_TEMPLATES_WARPSTAGES_H

#include "codegen/cpu/StageBuilders.h"

namespace fovea::gpu {

cpu::BuiltStage buildCombine(mlir::ModuleOp module,
                             const cpu::CombineParams &params);
cpu::BuiltStage buildMerge(mlir::ModuleOp module,
                           const cpu::MergeParams &params);
cpu::BuiltStage buildEncode(mlir::ModuleOp module,
                            const cpu::EncodeParams &params);
cpu::BuiltStage buildPool(mlir::ModuleOp module, const cpu::PoolParams &params);
cpu::BuiltStage buildPages(mlir::ModuleOp module,
                           const cpu::PagesParams &params);
cpu::BuiltStage buildAppend(mlir::ModuleOp module,
                            const cpu::AppendParams &params);
cpu::BuiltStage buildMoves(mlir::ModuleOp module,
                           const cpu::MovesParams &params);

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_TEMPLATES_WARPSTAGES_H
