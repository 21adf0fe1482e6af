// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The walk over a grid of tokens by boxes: which box to take, and which token
// is at a position of the walk. The solver's predicate and the back ends emit
// the same closed form.
#ifndef FOVEA_PASSES_ANALYSIS_TOKENORDER_H
#define FOVEA_PASSES_ANALYSIS_TOKENORDER_H

#include "dialects/tile/Tile.h"

#include "mlir/IR/Builders.h"

namespace fovea {

/// A box of at most `most` points for a row-major grid of 1 to 3 extents: near
/// a cube, so that a neighbourhood touches few boxes, and dividing the grid
/// where a divisor is near enough.
llvm::SmallVector<int64_t> chooseBox(llvm::ArrayRef<int64_t> grid,
                                     int64_t most);

/// The points of the grid.
int64_t orderPoints(tile::OrderAttr order);

/// Keys per block of a stream in this order whose table asks for `keys`: blocks
/// then begin and end with boxes where that is possible.
int64_t orderKeys(tile::OrderAttr order, int64_t keys);

/// The token at `position`, an index or i64 of the walk; position itself
/// behind the grid. A negative position gives some negative number or a
/// token, and nothing is divided by 0. With `nonNegative` it never is, and
/// cheaper divisions do.
mlir::Value emitTokenAt(mlir::OpBuilder &b, mlir::Location loc,
                        tile::OrderAttr order, mlir::Value position,
                        bool nonNegative);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_TOKENORDER_H
