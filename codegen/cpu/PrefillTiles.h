// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pieces of the prefill stream, each over one panel of `lanes` queries:
// register-tiled scores and values, softmax, and the moves between memory and
// panels. PrefillStream.cpp puts them together.
//
// Layouts, all f32, lanes fastest:
//   Q panel [keyDim][lanes]   O panel [valueDim][lanes]   S [keys][lanes]
//   K tile  [keys][keyDim]    V tile  [keys][valueDim]
#ifndef FOVEA_CODEGEN_CPU_PREFILLTILES_H
#define FOVEA_CODEGEN_CPU_PREFILLTILES_H

#include "codegen/cpu/Emitter.h"

#include <optional>

namespace fovea::cpu {

struct PanelShape {
  int64_t regRows, lanes, keyDim, valueDim;
  int expDegree;
};

/// Cuts `total` rows into the fewest register tiles of at most `most` rows, of
/// at most two sizes that differ by one: pairs (rows, how many).
llvm::SmallVector<std::pair<int64_t, int64_t>> cutRows(int64_t total,
                                                       int64_t most);

/// The keys of a block that a panel computes, wherever they lie in it. Scores
/// and weights of a panel have no others.
struct LiveKeys {
  mlir::Value count;
  /// i32, ascending: where each is in the block; the last one once more up to a
  /// multiple of regRows. Null: the block's first `count`, and the tile of keys
  /// repeats its last row so.
  mlir::Value list;

  /// Where key i of these is in the block.
  mlir::Value at(Emitter &e, mlir::Value i) const;
};

/// The larger of all, lane by lane, in a tree: the dependent chain stays short.
mlir::Value reduceMax(Emitter &e, Values rows);

/// S[i] = K[i] . Q for the keys, rounded up to regRows: repeats do not disturb
/// the maximum. Returns the maximum of `max` and all scores, per lane, or null
/// if `max` is. Before each register tile, `ahead(first row)` may emit
/// prefetches; `hide(first row, scores)`, if any, replaces its scores.
mlir::Value emitScores(
    Emitter &e, const PanelShape &shape, mlir::Value kTile, mlir::Value qPanel,
    mlir::Value sPanel, const LiveKeys &keys, mlir::Value max,
    llvm::function_ref<void(mlir::Value row)> ahead,
    llvm::function_ref<Values(mlir::Value row, const Values &scores)> hide);

/// S[i] = 2^(S[i] - max) for `count` keys; returns the sum.
mlir::Value emitSoftmax(Emitter &e, const PanelShape &shape, mlir::Value sPanel,
                        mlir::Value count, mlir::Value max);

/// O = O * alpha + V^T S over the keys.
void emitValues(Emitter &e, const PanelShape &shape, mlir::Value vTile,
                mlir::Value sPanel, mlir::Value oPanel, const LiveKeys &keys,
                mlir::Value alpha);

/// A run of rows of K or V in memory, in one format.
struct TileSource {
  Elem elem;
  mlir::Value data;   ///< first row
  mlir::Value stride; ///< elements between rows
  mlir::Value scales; ///< of the first row; null without
  mlir::Value scaleStride;
};

/// Makes rows [0, n) available as f32 rows of `dim` and returns where: in
/// `tile` after a conversion, or in place for f32 rows that lie close together
/// if `inPlace`. Rows from n to a multiple of `pad` repeat row n - 1.
mlir::Value emitTile(Emitter &e, const TileSource &source, int64_t dim,
                     mlir::Value n, int64_t pad, mlir::Value tile,
                     bool inPlace);

/// The same for rows anywhere, into `tile`: `rowOf(i)` gives a row's address
/// and its scale, null without.
using RowOf =
    llvm::function_ref<std::pair<mlir::Value, mlir::Value>(mlir::Value i)>;
void emitTableTile(Emitter &e, Elem elem, int64_t dim, mlir::Value n,
                   int64_t pad, mlir::Value tile, RowOf rowOf);

/// Rows of `tile` from n to a multiple of `pad` repeat row n - 1.
void emitPadTile(Emitter &e, int64_t dim, mlir::Value n, int64_t pad,
                 mlir::Value tile);

/// Reads `rows` (a multiple of lanes) rows of `dim` elements through the
/// pointers at `pointers` into Q panels, times `factor` if there is one.
void emitPack(Emitter &e, const PanelShape &shape, Elem elem, int64_t dim,
              mlir::Value pointers, mlir::Value rows, mlir::Value panels,
              std::optional<float> factor);

/// Writes O panels to rows through the pointers at `pointers`. With a `factor`,
/// by the l of each panel (`state`: per panel m, then l): factor * o / l, or 0
/// where l = 0.
void emitUnpack(Emitter &e, const PanelShape &shape, Elem elem, int64_t dim,
                mlir::Value pointers, mlir::Value rows, mlir::Value panels,
                mlir::Value state, std::optional<float> factor);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_PREFILLTILES_H
