// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn-expand-scores: score modifiers from words into regions.
#include "dialects/attn/Attn.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"
#include "passes/sel/RegionCoordinates.h"

using namespace mlir;
using namespace fovea;

namespace fovea {
#define GEN_PASS_DEF_ATTNEXPANDSCORES
#include "passes/Passes.h.inc"
} // namespace fovea

/// `op` is of type OpT; the region replaces the words in place.
template <typename OpT>
static LogicalResult expandScore(OpT op) {
  ArrayAttr modifiers = op.getScoreAttr();
  if (!modifiers)
    return success();
  OpBuilder b(op);
  auto attention = cast<attn::AttentionOpInterface>(op.getOperation());
  FailureOr<sel::Coordinates> at = createRegionCoordinates(
      b, attention, op.getScoreRegion(), /*takesValue=*/true);
  if (failed(at))
    return failure();
  attn::ScoreBuilder builder(b, op.getLoc(), *at, op.getScoreOperands());
  Value score = op.getScoreRegion().front().getArgument(0);
  for (Attribute modifier : modifiers)
    score = cast<attn::ScoreAttrInterface>(modifier).expand(builder, score);
  b.create<attn::YieldOp>(op.getLoc(), score);
  op.getScoreOperandsMutable().clear();
  op.removeScoreAttr();
  eraseUnusedCoordinates(op.getScoreRegion().front(), op);
  return success();
}

namespace {
struct AttnExpandScores : fovea::impl::AttnExpandScoresBase<AttnExpandScores> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk([](Operation *op) {
      LogicalResult done = success();
      if (auto attention = dyn_cast<attn::AttentionOp>(op))
        done = expandScore(attention);
      else if (auto partial = dyn_cast<attn::PartialOp>(op))
        done = expandScore(partial);
      return failed(done) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
