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

cpu::BuiltStage buildScore(mlir::ModuleOp module,
                           const cpu::ScoreParams &params);
cpu::BuiltStage buildKeptScore(mlir::ModuleOp module,
                               const cpu::KeptScoreParams &params);
cpu::BuiltStage buildNormalize(mlir::ModuleOp module,
                               const cpu::NormalizeParams &params);
cpu::BuiltStage buildChoose(mlir::ModuleOp module,
                            const cpu::ChooseParams &params);
cpu::BuiltStage buildAssign(mlir::ModuleOp module,
                            const cpu::AssignParams &params);

/// All of them.
inline cpu::StageBuilders stageBuilders() {
  cpu::StageBuilders all;
  all.combine = buildCombine;
  all.merge = buildMerge;
  all.encode = buildEncode;
  all.pool = buildPool;
  all.score = buildScore;
  all.normalize = buildNormalize;
  all.choose = buildChoose;
  all.assign = buildAssign;
  all.append = buildAppend;
  all.pages = buildPages;
  all.moves = buildMoves;
  all.keptScore = buildKeptScore;
  return all;
}

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_TEMPLATES_WARPSTAGES_H
