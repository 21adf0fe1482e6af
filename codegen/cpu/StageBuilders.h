// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Who builds the stages around attention. What a stage needs is read from its
// roles in one place; a back end for other machines puts builders of its own
// here.
#ifndef FOVEA_CODEGEN_CPU_STAGEBUILDERS_H
#define FOVEA_CODEGEN_CPU_STAGEBUILDERS_H

#include "codegen/cpu/CacheStages.h"
#include "codegen/cpu/SmallStages.h"

namespace fovea::cpu {

template <typename Params>
using StageBuilder = BuiltStage (*)(mlir::ModuleOp, const Params &);

/// The builders for CPUs.
struct StageBuilders {
  StageBuilder<CombineParams> combine = buildCombine;
  StageBuilder<MergeParams> merge = buildMerge;
  StageBuilder<EncodeParams> encode = buildEncode;
  StageBuilder<PoolParams> pool = buildPool;
  StageBuilder<ScoreParams> score = buildScore;
  StageBuilder<NormalizeParams> normalize = buildNormalize;
  StageBuilder<ChooseParams> choose = buildChoose;
  StageBuilder<AssignParams> assign = buildAssign;
  StageBuilder<AppendParams> append = buildAppend;
  StageBuilder<PagesParams> pages = buildPages;
  StageBuilder<MovesParams> moves = buildMoves;
  StageBuilder<KeptScoreParams> keptScore = buildKeptScore;
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_STAGEBUILDERS_H
