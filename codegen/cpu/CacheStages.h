// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The stages that write a KV cache or read what it keeps per page: append,
// pages (metadata), moves between segments, scores of pages. Each is a
// function from its numbers to a fovea_stage_fn; all heads, vectorised.
#ifndef FOVEA_CODEGEN_CPU_CACHESTAGES_H
#define FOVEA_CODEGEN_CPU_CACHESTAGES_H

#include "codegen/cpu/CacheSource.h"
#include "codegen/cpu/DecodeStream.h"

namespace fovea::cpu {

/// Rows of k and v become tokens of a segment, rounded to its (plain) format.
/// Items of space `append`: rows [row, row + count) of the call's sequence b
/// become tokens [k0, k0 + count).
struct AppendParams {
  std::string name;
  Isa isa = Isa::AVX2;
  int64_t heads = 0, keyDim = 0, valueDim = 0;
  /// Views [rows, head, dim] where ragged, else [b, head, rows, dim].
  Elem k = Elem::F32, v = Elem::F32;
  unsigned kSlot = 0, vSlot = 0;
  bool ragged = false;
  CacheSource target; ///< the cache's last segment
};
BuiltStage buildAppend(mlir::ModuleOp module, const AppendParams &params);

/// What append keeps of a page's decoded keys: f32 [page, head, 2, dim] (least,
/// largest) or [page, head, dim].
struct KeptPart {
  enum Kind { MinMax, Mean };
  Kind kind = MinMax;
  unsigned slot = 0;
};

/// Computes the parts anew for the pages of one segment. Items of space
/// `pages`: page `row` of the pool holds tokens at offsets [0, k1). `head`, the
/// segment, is the one with kept parts.
struct PagesParams {
  std::string name;
  Isa isa = Isa::AVX2;
  int64_t heads = 0, keyDim = 0;
  CacheSource source;
  llvm::SmallVector<KeptPart> parts;
};
BuiltStage buildPages(mlir::ModuleOp module, const PagesParams &params);

/// plan->moves [begin, end), in order. A row is decoded from its segment's
/// format and rounded or encoded (as buildEncode does) into the other's.
struct MovesParams {
  std::string name;
  Isa isa = Isa::AVX2;
  int64_t heads = 0, keyDim = 0, valueDim = 0;
  std::vector<CacheSource> segments; ///< in the cache's order
};
BuiltStage buildMoves(mlir::ModuleOp module, const MovesParams &params);

/// Scores of the pages of one segment from what is kept of them, one row per
/// (query, query head): scale * sum_c max(q_c * min_c, q_c * max_c), or
/// scale * (q . mean); -inf for pages without tokens and past the last. Items
/// are those of a stream without packing: queries [row, row + rows) of (b,
/// query head); [k0, k1) does not count.
struct KeptScoreParams {
  std::string name;
  Isa isa = Isa::AVX2;
  int64_t rows = 1; ///< queries of an item
  int64_t dim = 0, kvGroup = 1;
  Elem q = Elem::F32;
  float scale = 1;
  /// q [rows, head, dim] and scores f32 [rows, head, page] where ragged, else
  /// [b, head, query, dim] and [b, head, query, page].
  bool ragged = false;
  unsigned qSlot = 0, scoreSlot = 0;
  KeptPart kept;
  CacheSource source; ///< pages, ranges and pageTokens count
};
BuiltStage buildKeptScore(mlir::ModuleOp module, const KeptScoreParams &params);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_CACHESTAGES_H
