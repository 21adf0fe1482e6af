// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pieces of the prefill stream on a matrix unit: what PrefillTiles.h does
// in f32, with bf16 factors and f32 sums. Scores, softmax and output stay f32
// and lie as there; weights are rounded to bf16 for their product.
//
// Layouts ("pairs" are two bf16 side by side, as a row of a right tile wants):
//   Q panel [keyDim / 2][lanes] pairs    K tile [keys][keyDim] bf16
//   weights [keys / 2][lanes] pairs      V tile [valueDim][keys] bf16
#ifndef FOVEA_CODEGEN_CPU_PREFILLMATRIX_H
#define FOVEA_CODEGEN_CPU_PREFILLMATRIX_H

#include "codegen/cpu/MatrixUnit.h"
#include "codegen/cpu/PrefillTiles.h"
#include "codegen/target/Schedule.h"

namespace fovea::cpu {

/// Of keys and channels: two tiles of each side make four sums.
static_assert(kMatrixStep == 2 * MatrixUnit::kRows);

/// Makes rows [0, n) of bf16 keys available, in place or in `tile`, and repeats
/// row n - 1 up to a multiple of kMatrixStep. Returns where.
mlir::Value emitMatrixKeys(Emitter &e, const TileSource &source, int64_t dim,
                           mlir::Value n, mlir::Value tile);

/// The V tile of `keys` columns from n rows of bf16, and from a row of `zeros`
/// up to a multiple of kMatrixStep: no weight of 0 meets a value that is not
/// finite.
void emitMatrixValueTile(Emitter &e, int64_t dim, mlir::Value n, int64_t keys,
                         mlir::Value tile, mlir::Value zeros, RowOf rowOf);

/// S[i] = K[i] . Q for `count` keys and those that pad them. Before each step,
/// `ahead(first row)` may emit prefetches.
void emitMatrixDots(Emitter &e, MatrixUnit &unit, const PanelShape &shape,
                    mlir::Value kTile, mlir::Value qPanel, mlir::Value sPanel,
                    mlir::Value count,
                    llvm::function_ref<void(mlir::Value row)> ahead);

/// The rest of emitScores, a pass of its own: products take long to arrive.
/// Scores of the keys are multiplied by `factor`, if there is one. Their number
/// is rounded up to 4: behind it lie repeats.
mlir::Value emitMatrixMaximum(
    Emitter &e, const PanelShape &shape, std::optional<float> factor,
    mlir::Value sPanel, const LiveKeys &keys, mlir::Value max,
    llvm::function_ref<Values(mlir::Value row, const Values &scores)> hide);

/// `n` rounded up to a multiple of kMatrixStep.
mlir::Value paddedKeys(Emitter &e, mlir::Value n);
/// Rows of the panel's scores or weights from n to paddedKeys(n) become `x`.
void emitPadPanel(Emitter &e, const PanelShape &shape, mlir::Value sPanel,
                  mlir::Value n, float x);

/// Weights exp2(factor * S - max), their sums, and pairs of them in the place
/// of the scores. An even `count`.
mlir::Value emitPairedSoftmax(Emitter &e, const PanelShape &shape, float factor,
                              mlir::Value sPanel, mlir::Value count,
                              mlir::Value max);
/// Pairs of the f32 weights in the same place.
void emitPairs(Emitter &e, const PanelShape &shape, mlir::Value sPanel,
               mlir::Value count);

/// O = O * alpha + V^T P over the `count` keys of a V tile of `keys` columns, a
/// multiple of kMatrixStep. The sums go on from O: what f32 loses of them is
/// less than what the weights' rounding does.
void emitMatrixValues(Emitter &e, MatrixUnit &unit, const PanelShape &shape,
                      int64_t keys, mlir::Value vTile, mlir::Value pairs,
                      mlir::Value oPanel, mlir::Value count, mlir::Value alpha);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_PREFILLMATRIX_H
