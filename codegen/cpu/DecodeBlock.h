// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One block of keys of the decode stream: scores, softmax step, values.
// Private to the decode builder.
#ifndef FOVEA_CODEGEN_CPU_DECODEBLOCK_H
#define FOVEA_CODEGEN_CPU_DECODEBLOCK_H

#include "codegen/cpu/CacheAddress.h"
#include "codegen/cpu/DecodeStream.h"
#include "codegen/cpu/StageAbi.h"

#include <array>

namespace fovea::cpu {

/// Sizes that follow from the parameters.
///
/// Scores of a block lie as [key][row], rows padded to a power of two, so
/// that a vector holds whole keys or a whole part of one. The state m, l has
/// one lane per (key mod (state / padded), row):
///
///     lanes 16, 4 rows:   r0 r1 r2 r3 | r0 r1 r2 r3 | r0 .. | r0 .. r3
///                         key 0         key 1         key 2   key 3
struct DecodeShape {
  explicit DecodeShape(const DecodeParams &p);
  int64_t lanes;            ///< of a vector of f32
  int64_t rows;             ///< of an item
  int64_t padded;           ///< rows, to a power of two
  int64_t state;            ///< f32 of m, l and alpha
  int64_t step;             ///< keys of one step of the dot
  int64_t keys;             ///< of a block
  int64_t dotLanes;         ///< elements of one step along the key dim
  int64_t keyPad, valuePad; ///< dims, to whole vectors
  /// bf16 becomes f32 by an unpack with zeros, which is one instruction for 8
  /// numbers instead of two and leaves 16 of them in another order: queries
  /// and state lie in that order too, see crossPairs.
  bool crossed;
};

/// Addresses in the worker's scratch memory.
struct DecodeMemory {
  mlir::Value error, runs;
  mlir::Value rowQ, rowH;             ///< i32 [state]: token index, query head
  mlir::Value m, l, alpha;            ///< f32 [state], m in units of log2
  mlir::Value q;                      ///< f32 [row][keyPad]
  mlir::Value qCodes;                 ///< i16 [row][keyPad]
  mlir::Value queryScale;             ///< f32 [row], of codes
  mlir::Value o;                      ///< f32 [row][valuePad], un-normalised
  mlir::Value scores;                 ///< f32 [key][padded]
  mlir::Value keyScales, valueScales; ///< f32 [key]
  mlir::Value keyTile;                ///< f32 [key][keyPad]: rotated keys
};

/// What is fixed for an item.
struct DecodeItem {
  mlir::Value b, head, kvHead; ///< head: the first query head
  mlir::Value rows;            ///< live rows
  mlir::Value position, q0, q1, length;
  mlir::Value shared; ///< i1: rows of several sequences; null: never
};

/// A block that comes later: its head's keys and values, and its rows from
/// `first` on or, where they are no arithmetic sequence, by byte offsets.
struct BlockAhead {
  mlir::Value k, v, first, kRows, vRows;
};

/// Keys and values of the item's head. Strides in elements. `level` is null
/// where rows are tokens.
struct SourceValues {
  Elem kElem = Elem::F32, vElem = Elem::F32;
  bool integer = false; ///< scores by integer dots
  mlir::Value k, kStride, v, vStride;
  mlir::Value kScale, kScaleStride, vScale, vScaleStride;
  mlir::Value level;
  /// Where rows are no arithmetic sequence: byte offsets (i64) of the block's
  /// rows.
  mlir::Value kRows, vRows, kScaleRows, vScaleRows;
  /// The next block and, with `far`, the one after it; see prefetchAhead.
  std::array<BlockAhead, 2> ahead;
  bool far = false;
  /// Keys turn by the angles of token - shift: view of the rotation, or null
  /// data.
  View rotation, tree; ///< tree: see treePosition
  mlir::Value shift;
  /// i32: bit r where row r of the item sees the block; null: all do.
  mlir::Value unitRows;
};

/// What a walk over the keys is for: everything, or first the sums of the
/// softmax and then the values.
enum class Pass { All, Sums, Values };

/// Emits the work on one block.
class BlockBuilder {
public:
  BlockBuilder(StageFunction &f, const DecodeParams &p, const DecodeShape &s,
               const DecodeMemory &m, const DecodeItem &it,
               const SourceValues &source, Pass pass)
      : p(p), s(s), e(f.e), m(m), it(it), source(source), pass(pass) {}

  /// A whole block whose every pair lives.
  void emitFull(mlir::Value first);
  /// n keys; `unmasked` (i1) where every pair of them lives.
  void emitPartial(mlir::Value first, mlir::Value n, mlir::Value unmasked);

private:
  using Value = mlir::Value;
  /// `count`: keys rounded up to steps. `last`: index of the last key that
  /// may be read, null where all may.
  void copyScales(Value first, Value count, Value last);
  void rotateKeys(Value first, Value count, Value last);
  /// Key row t of the block that starts at `first`.
  Value keyRow(Value first, Value t, Value last);
  Value valueRow(Value first, Value t, Value last);
  void scores(Value first, Value count, Value last);
  Values dot(llvm::ArrayRef<Value> keyRows, int64_t row0, int64_t nRows);
  Values dotFloat(llvm::ArrayRef<Value> keyRows, int64_t row0, int64_t nRows);
  Values dotCodes(llvm::ArrayRef<Value> keyRows, int64_t row0, int64_t nRows);
  void modify(Value first, Value count, Value end, bool masked);
  /// -inf to the rows that did not choose the block.
  void hideRows(Value count);
  /// Scores to weights, m and l, or in the second walk to shares; and what the
  /// probability region makes of them.
  void weigh(Value first, Value count, Value end);
  void softmax(Value first, Value count, Value end);
  void shares(Value first, Value count, Value end);
  /// Lanes [v, v + lanes) of the scores from key t on. `row` gets their keys in
  /// the source, dead ones included.
  PairLanes lanesAt(Value first, Value t, int64_t v, Value end, Value &row);
  Value probOf(Value weight, Value hidden, const PairLanes &at);
  /// A part of the values: `count` vectors, the last of `tail` elements, for
  /// `rows` rows from row0 on; one of `of` such parts along the value dim.
  struct ValueChunk {
    int64_t count, tail, of, row0, rows;
    bool full, prefetch;
  };
  void values(Value first, Value n, bool full);
  void valueChunk(Value first, Value n, Value d, Value index,
                  const ValueChunk &chunk);
  /// Where the keys or the values of later blocks are prefetched from.
  enum class Part { Keys, Values };
  /// What is prefetched during a chunk of values: `rows` rows in `turns` turns
  /// of two tokens, `perTurn` lines in each; chunk i begins with row i * share.
  /// No rows: nothing.
  struct BehindPlan {
    Part part = Part::Keys;
    int64_t turns = 1, rows = 0, perTurn = 0, share = 0;
    bool linear = false; ///< the same number of bytes on with every row
  };
  BehindPlan planBehind(const ValueChunk &chunk);
  void prefetchBehind(const BehindPlan &plan, Value index, Value t);
  /// `lines` lines from byte `line` on of row t of the blocks ahead. Nearly all
  /// walks are bound by the lines in flight, and the processor fetches ahead
  /// only within 4 KB. Where few rows make the arithmetic short: the values of
  /// the block itself during its scores, the keys of the next during its
  /// values. Else (`far`) each kind during its own: the block after the next as
  /// one that will not stay, and the next again, where it may have been lost.
  void prefetchAhead(Part part, Value t, Value line, int64_t lines);
  Value rowAhead(Part part, const BlockAhead &block, Value t);
  void prefetchLines(int n, Value from, int64_t lines);
  Value keep(const PairLanes &at, Value row);
  Value scaleLanes(Value table, Value firstKey);
  /// Offset of the first score of key `key`.
  Value scoreAt(Value key) { return e.at(m.scores, e.mul(key, s.padded), 4); }

  const DecodeParams &p;
  const DecodeShape &s;
  Emitter &e;
  const DecodeMemory &m;
  const DecodeItem &it;
  const SourceValues source;
  const Pass pass;
};

/// Combines the lanes of equal lane mod padded, into all of them.
mlir::Value
foldRows(Emitter &e, mlir::Value v, int64_t padded,
         llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);

/// Two vectors of 8 f32 between the order of memory and that of the unpacks:
/// numbers 4 .. 7 and 8 .. 11 change places.
std::pair<mlir::Value, mlir::Value> crossPairs(Emitter &e, mlir::Value x,
                                               mlir::Value y);

/// 16 bf16 at p as two vectors of f32, crossed.
std::pair<mlir::Value, mlir::Value> loadCrossed(Emitter &e, mlir::Value p);

/// f32 to i32, to nearest even; for values that fit.
mlir::Value roundToInt(Emitter &e, mlir::Value v);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_DECODEBLOCK_H
