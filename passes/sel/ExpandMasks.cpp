// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sel-expand-masks: masks from words into regions.
#include "dialects/attn/Attn.h"
#include "dialects/sel/Sel.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"
#include "passes/sel/RegionCoordinates.h"

using namespace mlir;
using namespace fovea;

namespace fovea {
#define GEN_PASS_DEF_SELEXPANDMASKS
#include "passes/Passes.h.inc"
} // namespace fovea

/// `op` is of type OpT; the region replaces the words in place.
template <typename OpT>
static LogicalResult expandMask(OpT op) {
  sel::MaskAttrInterface mask = op.getMaskAttr();
  if (!mask)
    return success();
  OpBuilder b(op);
  auto attention = cast<attn::AttentionOpInterface>(op.getOperation());
  FailureOr<sel::Coordinates> at = createRegionCoordinates(
      b, attention, op.getMaskRegion(), /*takesValue=*/false);
  if (failed(at))
    return failure();
  sel::MaskBuilder builder(b, op.getLoc(), *at, op.getMaskOperands());
  b.create<sel::YieldOp>(op.getLoc(), mask.expand(builder));
  op.getMaskOperandsMutable().clear();
  op.removeMaskAttr();
  eraseUnusedCoordinates(op.getMaskRegion().front(), op);
  return success();
}

namespace {
struct SelExpandMasks : fovea::impl::SelExpandMasksBase<SelExpandMasks> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk([](Operation *op) {
      LogicalResult done = success();
      if (auto attention = dyn_cast<attn::AttentionOp>(op))
        done = expandMask(attention);
      else if (auto partial = dyn_cast<attn::PartialOp>(op))
        done = expandMask(partial);
      return failed(done) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
