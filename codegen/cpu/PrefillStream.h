// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds the stage code of a stream with many query rows: attention with
// queries in lanes. S^T = K Q^T and O^T += V^T P^T in register tiles of
// schedule.regRows x schedule.lanes, softmax vertical, one code path for every
// storage format, block length and mask class.
#ifndef FOVEA_CODEGEN_CPU_PREFILLSTREAM_H
#define FOVEA_CODEGEN_CPU_PREFILLSTREAM_H

#include "codegen/cpu/CacheSource.h"
#include "codegen/cpu/RegionVectoriser.h"
#include "codegen/cpu/StageAbi.h"
#include "codegen/target/Schedule.h"
#include "dialects/tile/Tile.h"

#include <optional>

namespace fovea::cpu {

/// One pair of keys and values: views [b, kv head, token, dim]. Codes have
/// views [b, kv head, token] of f32 scales beside them.
struct StreamSource {
  unsigned keys = 0, values = 0;
  Elem keyElem = Elem::F32, valueElem = Elem::F32;
  std::optional<unsigned> keyScales, valueScales;
  /// A pooled source: row r stands for tokens [r * n, min((r + 1) * n, len))
  /// and its score gets ln of their number.
  int64_t tokensPerKey = 1;
};

/// Where the state of a split item goes: o [slot, row, dv], m and l
/// [slot, row], f32; o un-normalised, m natural logarithm, -1e30 where l = 0.
struct PartialViews {
  unsigned o = 0, m = 0, l = 0;
};

/// What a per-element callback can read. q and h are lanes (i32), k and the
/// others scalars (i64). k is a token index.
struct ElementContext {
  mlir::Value b, len;
  mlir::Value q, h;
  mlir::Value head; ///< i64: h where all lanes have the same, else null
  mlir::Value k;
  /// In front of the loop over keys: nothing but k changes in it.
  std::optional<mlir::OpBuilder::InsertPoint> outside;
};

/// A run of keys: rows [lo, hi) of a source (all i64).
struct KeyRun {
  mlir::Value lo, hi, source;
};

/// The query tile whose runs are wanted: token indices [q0, q1) of the query
/// heads [head, head + group).
struct QueryTile {
  mlir::Value b, head, q0, q1, len;
  mlir::Value position; ///< of the first row in the call
  mlir::Value k0, k1;   ///< the item's part: clip to it
};

/// Run-time selection. All rows of an item share one entry: the schedule's
/// rows are at most group * queries, group at most heads.
struct Selection {
  /// Chosen blocks: i32 [b, list head, query block, capacity], and their
  /// numbers [b, list head, query block]. An item's [k0, k1) counts keys along
  /// the list: entry i is [i * unit, (i + 1) * unit).
  std::optional<unsigned> list, count;
  /// Or the tokens per key of each block, i8 [b, list head, query block, key
  /// block]. 0, and what no source has, skips the block.
  std::optional<unsigned> levels;
  /// Keys of a block, query positions of a query block, and query heads that
  /// share a list.
  int64_t unit = 1, queries = 1, heads = 1;
};

struct StreamParams {
  std::string name = "stage";
  Isa isa = Isa::AVX2;
  PrefillSchedule schedule;

  int64_t keyDim = 0, valueDim = 0;
  /// Query heads packed into the rows of an item (item.head counts these
  /// groups), and query heads that share a KV head: a multiple, 0 if equal.
  int64_t group = 1, kvGroup = 0;
  float scale = 1;
  Elem queryElem = Elem::F32, outElem = Elem::F32;
  unsigned query = 0; ///< view [b, h, sq, keyDim]
  /// The plan's symbol with the number of queries; none: that of the view.
  std::optional<unsigned> querySymbol;
  unsigned out = 0;            ///< view [b, h, sq, valueDim]
  std::optional<unsigned> lse; ///< view [b, h, sq], f32
  std::vector<StreamSource> sources;
  /// Rows and keys of a plain source are positions of this walk; null: tokens.
  tile::OrderAttr order;
  /// Or the segments of a cache, as in DecodeParams.
  std::vector<CacheSource> segments;
  bool ragged = false; ///< as in DecodeParams
  RopeParams rope;
  std::optional<PartialViews> split; ///< for items with slot >= 0
  /// attn.partial: `out` gets o un-normalised, these views [b, h, sq] m and l;
  /// m = -inf where nothing is seen.
  std::optional<std::pair<unsigned, unsigned>> partial;

  /// Lanes of i1: which queries see key k. None: every key is seen. With
  /// `maskLevels` lanes of i32, the level that k has for each query, and
  /// `classify` is @levels: a source is seen where that is its tokensPerKey.
  std::function<mlir::FailureOr<mlir::Value>(Emitter &, const ElementContext &)>
      keep;
  /// The modified score (natural units) from the scaled one; it may be -inf.
  std::function<mlir::FailureOr<mlir::Value>(Emitter &, mlir::Value s,
                                             const ElementContext &)>
      score;
  /// What becomes of a weight before it meets its value: of exp(s - m), in
  /// which it is linear, or with `twice` of exp(s - m) / l. Hidden pairs stay
  /// 0.
  std::function<mlir::FailureOr<mlir::Value>(Emitter &, mlir::Value weight,
                                             const ElementContext &)>
      prob;
  /// Walk the keys once for m and l and again for o, which is then finished.
  bool twice = false;
  /// View of f32 [query head]: a key of that score and the value 0 in the
  /// softmax of every whole item.
  std::optional<unsigned> sink;
  float outFactor = 1; ///< of o, where it is divided by l
  /// @bounds and @class of the mask (abi.h), in the same module; without them
  /// the only run is [0, len) and every block counts as partial if `keep` is
  /// set.
  mlir::func::FuncOp bounds, classify;
  bool maskLevels = false;
  /// The mask reads h: classes are taken for every head of the group.
  bool maskReadsHead = false;
  /// Chosen blocks or levels instead of `bounds`; `classify` and `keep` still
  /// apply inside them.
  std::optional<Selection> selection;
  /// Replaces all of these: emits loops over the runs of the tile and calls
  /// the body exactly once. Runs must be disjoint.
  using RunBody = llvm::function_ref<void(const KeyRun &)>;
  std::function<void(StageFunction &, const QueryTile &, RunBody)> forEachRun;
};

/// Adds the stage function to the module at the builder's insertion point and
/// returns its scratch bytes, or fails with `reason`. The stage returns
/// StageListOutOfRange (DecodeStream.h) for a chosen block outside the keys.
mlir::FailureOr<int64_t> buildPrefillStream(mlir::OpBuilder &builder,
                                            mlir::Location loc,
                                            const StreamParams &params,
                                            std::string &reason);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_PREFILLSTREAM_H
