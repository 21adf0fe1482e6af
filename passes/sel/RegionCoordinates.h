// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The coordinates of a mask or score region of an attention, for the passes
// that expand sugar into one.
#ifndef FOVEA_PASSES_SEL_REGIONCOORDINATES_H
#define FOVEA_PASSES_SEL_REGIONCOORDINATES_H

#include "dialects/attn/AttnInterfaces.h"
#include "dialects/sel/MaskBuilder.h"

namespace fovea {

/// Fills a new block of `region`: its arguments (b, h, q, k), behind an f32 if
/// `takesValue`, and what computes length and offset from the operands of
/// `op`. Fails where the number of keys is not known inside the function.
/// `b` is left at the end of the block.
llvm::FailureOr<sel::Coordinates>
createRegionCoordinates(mlir::OpBuilder &b, attn::AttentionOpInterface op,
                        mlir::Region &region, bool takesValue);

/// Erases what nothing uses in `block` and, before `op`, the dims that
/// createRegionCoordinates took.
void eraseUnusedCoordinates(mlir::Block &block, mlir::Operation *op);

} // namespace fovea

#endif // FOVEA_PASSES_SEL_REGIONCOORDINATES_H
