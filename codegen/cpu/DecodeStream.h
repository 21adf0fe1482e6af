// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The stream stage for few rows: one decoded token, a speculative or chunked
// step of a few. The head dim lies in lanes, the rows of an item share every
// key that is read. Beside plain runs of keys it takes lists of chosen blocks
// and level maps over pooled keys (at correctness, not at full speed, there).
#ifndef FOVEA_CODEGEN_CPU_DECODESTREAM_H
#define FOVEA_CODEGEN_CPU_DECODESTREAM_H

#include "codegen/cpu/CacheSource.h"
#include "codegen/cpu/StageAbi.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <string>
#include <vector>

namespace fovea::cpu {

/// Where a pair of the score matrix lies. `b` is a scalar i64; the others
/// are vectors of i32, one lane per pair. q and k are token indices, h is the
/// query head.
struct PairLanes {
  mlir::Value b, h, q, k;
  mlir::Value head; ///< i64: h where all lanes have the same, else null
};

/// Emits which pairs live (i1 lanes), or the modified scores (f32 lanes).
using KeepEmitter = std::function<mlir::Value(Emitter &, const PairLanes &)>;
using ScoreEmitter =
    std::function<mlir::Value(Emitter &, mlir::Value s, const PairLanes &)>;

/// Keys and values of one level: views [b, kv head, token, dim], and, for
/// codes, their f32 scales [b, kv head, token].
struct KeySource {
  int64_t level = 1; ///< tokens in a row
  unsigned k = 0, v = 0;
  int kScale = -1, vScale = -1;
};

/// What a decode stream computes, and the schedule's numbers for it.
struct DecodeParams {
  std::string name;
  Isa isa = Isa::AVX2;
  /// The processor has the 16-bit dot of AVX512-VNNI.
  bool vnni = false;

  int64_t keyDim = 0, valueDim = 0;
  Elem q = Elem::F32, k = Elem::F32, v = Elem::F32, o = Elem::F32;
  float scale = 1.0f;

  /// Query heads packed into the rows of an item and query heads that share a
  /// KV head; the former divides the latter.
  int64_t group = 1, kvGroup = 1;

  /// View slots: q, o [b, query head, query, dim], lse [b, query head, query].
  unsigned qSlot = 0, oSlot = 0;
  int lseSlot = -1;
  /// Where o is to stay un-normalised: views of m and l, [b, query head,
  /// query], natural units; -inf and 0 for a row that sees nothing.
  int mSlot = -1, lSlot = -1;
  /// State of a split item: f32 o [slot, row, dim], m and l [slot, row].
  /// -1 where items are never split.
  int wsO = -1, wsM = -1, wsL = -1;
  /// The plan's symbol that holds the number of queries.
  unsigned querySymbol = 0;

  /// One source, or one per level of the map.
  llvm::SmallVector<KeySource> sources;
  /// Or the segments of a cache, in token order, chained over one state; k and
  /// v above do not count then. The numbers of rows come from plan->row_off,
  /// and items may be shared (FOVEA_ITEM_SHARED). A list restricts the
  /// segments that are `listed`; the others belong to the item with k0 = 0.
  std::vector<CacheSource> segments;
  /// q and o are token-major [rows, head, dim], lse, m and l [rows, head], and
  /// a list [rows, list head, capacity] with counts [rows, list head].
  bool ragged = false;
  RopeParams rope;

  /// Solved mask: functions of the ABI's signatures in the same module, and
  /// the predicate. All null: every key is visible.
  mlir::func::FuncOp bounds, classify;
  KeepEmitter keep;
  /// `keep` gives i32 levels and `classify` is @levels: a source is seen where
  /// the level is its own.
  bool maskLevels = false;
  /// Score region, on scaled scores.
  ScoreEmitter score;
  /// What becomes of a weight before it meets its value: of exp(s - m), in
  /// which it is linear, or with `twice` of exp(s - m) / l. Hidden pairs stay
  /// 0.
  ScoreEmitter prob;
  /// Walk the keys once for m and l and again for o, which is then finished.
  bool twice = false;
  /// View of f32 [query head]: a key of that score and the value 0 in the
  /// softmax of every whole item. -1: none.
  int sinkSlot = -1;
  float outFactor = 1; ///< of o, where it is divided by l

  /// Chosen blocks: i32 [b, list head, query block, capacity], and their
  /// numbers [b, list head, query block]. An item's [k0, k1) then counts keys
  /// along the list: entry i is [i * listUnit, (i + 1) * listUnit).
  int listSlot = -1, listCountSlot = -1;
  /// Or a level per block: i8 [b, list head, query block, key block]. 0, and
  /// what no source has, skips the block.
  int levelSlot = -1;
  /// Keys of a block, query positions of a query block, and query heads that
  /// share a list.
  int64_t listUnit = 0, listQueries = 1, listHeads = 1;

  // The schedule.
  int64_t rows = 1;         ///< packed rows of an item
  int64_t keys = 32;        ///< keys of a block
  bool prefetchV = true;    ///< the block's values during its scores
  bool prefetchNext = true; ///< the next block's keys during the values
  /// Instead, in caches: keys and values of the next block and of the one after
  /// it, each during its own kind, where an item has more than two rows.
  bool prefetchFar = true;
  /// Scores of coded keys by 16-bit integer dots with a quantised query: for
  /// outputs of 16 bits.
  bool integerDot = false;
};

/// What a builder hands to the manifest.
struct BuiltStage {
  mlir::func::FuncOp function;
  uint64_t scratchBytes = 0;
};

/// Error numbers of stages.
enum StageError : int32_t {
  StageOk = 0,
  StageListOutOfRange = 1, ///< a chosen block outside the keys
  StageListTooShort = 2,   ///< more units chosen than the list holds
  StageMisaligned = 3,     ///< rows that a GPU's 16-byte copies cannot read
  StageEmulator = 64       ///< plus a fovea_emulator_error_t
};

/// Appends the stage to `module`.
BuiltStage buildDecodeStream(mlir::ModuleOp module, const DecodeParams &params);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_DECODESTREAM_H
