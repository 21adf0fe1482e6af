// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Casts from float to integer have no value where the type does not hold the
// number; the pairs that ask for one are hidden (mask_s3).
#ifndef FOVEA_PASSES_ATTN_TO_TILE_CASTGUARDS_H
#define FOVEA_PASSES_ATTN_TO_TILE_CASTGUARDS_H

#include "mlir/IR/Builders.h"

namespace fovea {

/// Gives every cast of `block` a number that its type holds, 0 for another.
/// Returns whether all of them have their own, computed at the builder's
/// position, the end of the block; null if there is no cast.
mlir::Value guardCasts(mlir::OpBuilder &b, mlir::Block &block);

} // namespace fovea

#endif // FOVEA_PASSES_ATTN_TO_TILE_CASTGUARDS_H
