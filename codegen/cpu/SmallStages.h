// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The stages around attention: combine the states of split items, encode,
// pool, score blocks, normalize, choose, assign levels. Each is a function
// from its numbers to a fovea_stage_fn. Views are row-major unless said
// otherwise: only the last stride is 1.
#ifndef FOVEA_CODEGEN_CPU_SMALLSTAGES_H
#define FOVEA_CODEGEN_CPU_SMALLSTAGES_H

#include "codegen/cpu/DecodeStream.h"
#include "dialects/tile/Tile.h"

namespace fovea::cpu {

/// Merges the records plan->sources[slot .. slot + count) of an item, in this
/// order.
struct CombineParams {
  std::string name;
  Isa isa = Isa::AVX2;
  int64_t valueDim = 0;
  int64_t rows = 1;  ///< packed rows of a slot
  int64_t group = 1; ///< query heads packed into them
  Elem o = Elem::F32;
  /// State: f32 o [slot, row, dim], m and l [slot, row], natural units. Where
  /// l is 0, m and o do not count.
  unsigned wsO = 0, wsM = 0, wsL = 0;
  /// Results: o [b, query head, query, dim], the others [b, query head, query].
  unsigned oSlot = 0;
  int lseSlot = -1;
  int mSlot = -1, lSlot = -1; ///< o then stays un-normalised
  int sinkSlot = -1;          ///< as in DecodeParams
  float outFactor = 1;
  unsigned querySymbol = 0;
  /// Of a stage over a cache: row counts come from plan->row_off. Ragged:
  /// results are [rows, head, ..] instead of [b, head, query, ..] (then
  /// rowCounts is implied).
  bool rowCounts = false, ragged = false;
  /// Queries are positions of this walk; null: tokens.
  tile::OrderAttr order;
};
BuiltStage buildCombine(mlir::ModuleOp module, const CombineParams &params);

/// One part of a merge: f32 o [b, h, row, dim], m and l [b, h, row].
struct MergePart {
  unsigned o = 0, m = 0, l = 0;
};

/// Merges parts row by row: items cover rows [row, row + rows) of (b, head),
/// up to the item's k1.
struct MergeParams {
  std::string name;
  Isa isa = Isa::AVX2;
  int64_t rows = 1, valueDim = 0;
  llvm::SmallVector<MergePart> parts;
  Elem o = Elem::F32;
  unsigned oSlot = 0; ///< [b, h, row, dim]
  int lseSlot = -1;   ///< [b, h, row]
};
BuiltStage buildMerge(mlir::ModuleOp module, const MergeParams &params);

/// What the stages of a grid share: an item covers rows [row, row + rows) of
/// (b, head), up to the item's k1.
struct GridParams {
  std::string name;
  Isa isa = Isa::AVX2;
  int64_t rows = 1;
  /// Normalize, choose and assign: the rows are queries of the call's sequence
  /// b as plan->row_off has them, items those of a stream without packing;
  /// their views are [rows, head, ..] instead of [b, head, row, ..].
  bool ragged = false;
};

/// x [b, h, token, dim] -> codes of the same shape, f32 scales [b, h, token].
/// scale = max|x| / 127, codes to nearest even. A row of zeros has scale 0; a
/// row with a NaN or an inf has a scale that is not finite, so that what reads
/// the row becomes NaN.
struct EncodeParams : GridParams {
  int64_t dim = 0;
  Elem x = Elem::F32;
  unsigned xSlot = 0, codeSlot = 0, scaleSlot = 0;
};
BuiltStage buildEncode(mlir::ModuleOp module, const EncodeParams &params);

/// x [b, h, token, dim] -> means of `level` tokens [b, h, group, dim]; the last
/// group has the tokens that there are: the view's, or the plan's length.
struct PoolParams : GridParams {
  int64_t dim = 0, level = 1;
  Elem x = Elem::F32, out = Elem::F32;
  unsigned xSlot = 0, outSlot = 0;
  int lengthSlot = -1; ///< view of i32 [b]: tokens of each sequence
};
BuiltStage buildPool(mlir::ModuleOp module, const PoolParams &params);

/// scale * (mean of a query block . mean of a key block), f32 [b, query head,
/// query block, key block]; -inf where no pair of the blocks lives. An item is
/// a stream item of one query block: `row` is its first query, `head` the
/// query head, [k0, k1) the keys to look at.
struct ScoreParams {
  std::string name;
  Isa isa = Isa::AVX2;
  int64_t dim = 0;
  int64_t queryBlock = 1, unit = 1;
  int64_t kvGroup = 1;
  Elem q = Elem::F32, k = Elem::F32;
  float scale = 1;
  unsigned qSlot = 0, kSlot = 0, scoreSlot = 0;
  int kScaleSlot = -1; ///< of codes, f32 [b, kv head, token]
  unsigned querySymbol = 0;
  /// Class of a block; where it is partial, `keep` decides. Null: all live.
  mlir::func::FuncOp classify;
  KeepEmitter keep;
};
BuiltStage buildScore(mlir::ModuleOp module, const ScoreParams &params);

/// Softmax over the last dim of f32 [b, h, row, n] into another view of that
/// shape. -inf becomes 0, a row of only -inf zeros; NaN spreads over its row.
struct NormalizeParams : GridParams {
  unsigned scoreSlot = 0, resultSlot = 0;
};
BuiltStage buildNormalize(mlir::ModuleOp module, const NormalizeParams &params);

/// Units that count as chosen whatever their score, if it is above nothing.
struct ForcedUnits {
  bool diagonal = false; ///< units that hold a token of the block's queries
  int64_t first = 0, last = 0; ///< of the sequence
  int64_t queryBlock = 1, unit = 1;
  unsigned querySymbol = 0;
  /// The units are pages of this segment of a cache (view of its ranges), not
  /// of the sequence; -1: none.
  int rangesSlot = -1;
};

/// top_k's number or top_p's share.
struct Amount {
  enum Kind { Literal, ScalarInt, ScalarFloat, ViewI32, ViewI64, ViewF32 };
  Kind kind = Literal;
  double literal = 0;
  unsigned slot = 0; ///< of the scalar, or of the view by query head
};

/// Scores f32 [b, h, query block, unit] -> list i32 [b, h, query block,
/// capacity], ascending, and its count i32 [b, h, query block]. Forced units
/// first, then by descending score, ties to the lower index. -inf, a share of
/// 0 and NaN are never chosen.
struct ChooseParams : GridParams {
  unsigned scoreSlot = 0, listSlot = 0, countSlot = 0;
  bool byMass = false; ///< top_p: until the shares sum to the amount
  bool shares = false; ///< scores come from a normalize
  Amount amount;
  ForcedUnits forced;
};
BuiltStage buildChoose(mlir::ModuleOp module, const ChooseParams &params);

/// Shares f32 [b, h, query block, unit] -> levels i8 of that shape. By
/// descending share, a unit gets the first level whose bound is above the sum
/// of the shares before it, 0 past the last bound. Forced units get
/// `forcedLevel`; a share of 0 or NaN gets 0.
struct AssignParams : GridParams {
  unsigned scoreSlot = 0, levelSlot = 0;
  llvm::SmallVector<int64_t> levels;
  llvm::SmallVector<double> bounds;
  int64_t forcedLevel = 1;
  ForcedUnits forced;
};
BuiltStage buildAssign(mlir::ModuleOp module, const AssignParams &params);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_SMALLSTAGES_H
