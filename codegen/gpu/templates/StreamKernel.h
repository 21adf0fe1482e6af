// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The template of every attention stream on sm_80 (T2 and T3): a CTA of four
// warps takes items of 16 to 64 packed rows; the warps share the rows, or
// where there are few of them the keys of a block. S = Q K^T and O += P V by
// mma.sync on fragments, keys and values through a ring in shared memory.
//
//   for item (persistent CTAs)
//     rows of q to shared memory
//     for so many live blocks as can be noted: find them, all threads at once
//       for block: the next one's copies | scores, mask, softmax, values
//     states of the warps merged, results
//
// Seven files: items and the ring (StreamKernel.cpp), the blocks of their keys
// (StreamBlocks.cpp), tiles from global to shared memory (StreamRows.cpp), what
// becomes of codes there (StreamCodes.cpp) and of rows that are rotated
// (StreamRotate.cpp), fragments (StreamFragments.cpp), results
// (StreamResults.cpp).
#ifndef FOVEA_CODEGEN_GPU_TEMPLATES_STREAMKERNEL_H
#define FOVEA_CODEGEN_GPU_TEMPLATES_STREAMKERNEL_H

#include "codegen/cpu/StreamWalk.h"
#include "codegen/gpu/templates/HwEmitter.h"

namespace fovea::gpu {

/// The sizes of a CTA's work, fixed when it is compiled, and where they lie in
/// shared memory (bytes).
struct StreamShape {
  StreamShape(const cpu::StreamParams &p);

  int64_t warpRows, warpKeys; ///< warps side by side along rows and keys
  int64_t
      rowTiles; ///< fragments of 16 rows that a warp has one above the other
  int64_t rows, keys; ///< of an item, of a block; whole fragments
  int64_t ownKeys;    ///< keys of a block that a warp takes
  /// Keys that are noted at a time, and how many of these runs are a block:
  /// several where chosen units are shorter than it.
  int64_t runKeys, runs;
  int64_t noted;            ///< runs that a walk notes; whole blocks
  int64_t keyDim, valueDim; ///< padded to what a fragment takes
  int64_t qStride, vStride; ///< bytes of a row of q and keys, of values
  int64_t oStride;          ///< of a row of f32 sums
  // Offsets.
  int64_t q, ring, kTile, vTile, kScale, vScale, stage, blocks, rowInfo, state,
      places, total;

  /// The accumulators take half of a thread's registers.
  bool wide() const { return valueDim > 128; }

  /// Tiles of a ring.
  static constexpr int64_t kStages = 2;
};

class StreamKernel final : cpu::StreamWalk {
public:
  StreamKernel(mlir::OpBuilder &builder, mlir::Location loc,
               const cpu::StreamParams &p);

  /// The function whose body is the kernel's, or a reason.
  mlir::FailureOr<mlir::func::FuncOp> build(std::string &reason);
  int64_t sharedBytes() const { return shape.total; }
  uint64_t scratchBytes() const { return s.scratchBytes(); }

private:
  /// What a thread keeps of its rows while it walks the keys: sums of o by
  /// fragments, then the maxima (powers of two) and sums of every row.
  struct State {
    Values o, m, l;
    Values flat() const;
  };
  enum class Pass { All, Sums, Values };
  /// A block in shared memory. k, n and source are i64, kind i32; k is the
  /// first key that lives.
  struct Block {
    Value k, n, source, kind;
    Value whole;   ///< i1: every pair of every column lives
    Value chooser; ///< i32: which list has it, from 1; 0: all rows see it
    Value runs;    ///< i32: offset of what is noted of its runs
    Value stage;   ///< i32: offset of its tiles
    Value places;  ///< i32: offset of where its rows lie in a cache
  };

  /// Rows in memory and as a tile: `dim` elements of `elem` become `padded` of
  /// the products' format, `stride` bytes apart.
  struct TileRows {
    Elem elem;
    int64_t dim, padded, stride, rows;
  };
  using RowAddress = llvm::function_ref<Value(Value row)>;
  /// Rows that lie `step` bytes (i64) from one another.
  struct Run {
    Value first, step;
  };
  /// Codes that are copied at a time, and the alignment of their rows.
  static int64_t codePiece(int64_t dim) { return dim % 16 ? 8 : 16; }

  // StreamKernel.cpp
  void findPlace();
  void part(llvm::function_ref<void(const cpu::Item &)> body);
  void checkAlignment();
  void emitItem(const cpu::Item &item);
  State emitKeys(State state);
  Value parkedAt(int64_t i);
  void parkOutputs(const Values &o);
  Values resumeOutputs(Value done);
  State drain(Value count, State state);
  Value keysOf(const Block &block);
  void countBlocks(Value blocks, Value full, Value keys);

  // StreamBlocks.cpp
  void emitRows(const cpu::SegmentClass &members, Value index,
                const cpu::SegmentRows &segment, Value lo, Value hi) override;
  void forLists(llvm::function_ref<void(Value listHead)> body) override;
  void forEntries(Value first, Value last,
                  llvm::function_ref<void(Value)> body) override;
  void pushRun(Value source, Value lo, Value hi);
  void note(Value source, Value k, Value n, Value there);
  void noteAt(Value at, Value wanted, llvm::ArrayRef<Value> parts);
  void closeBlock();
  Block loadBlock(Value index);
  /// The key of a column (i64) of the block, and whether there is one; where
  /// there is none, a key that can be read.
  std::pair<Value, Value> keyAt(const Block &block, Value column);
  void
  forRunsOf(const Block &block,
            llvm::function_ref<void(Value mine, Value n, Value kind)> body);

  // StreamRows.cpp
  void loadRows();
  void loadQueries();
  /// Token and query head of a row (i32) of the item, i64, as loadRows noted
  /// them.
  Value tokenOfRow(Value row);
  Value headOfRow(Value row);
  /// Address of row i of o (i64), as loadRows noted it.
  Value outAddress(Value row);
  void issue(const Block &block);
  /// Offset of where the rows of block number `index` (i64) lie, i32.
  Value placesOf(Value index);
  Values lookUp(Value index, Value count);
  void notePlaces(Value index, mlir::ValueRange place);
  void loadTile(const TileRows &tile, Value to, RowAddress there,
                RowAddress address);
  void loadRun(const TileRows &tile, Value to, Value n, const Run &run);

  // StreamCodes.cpp
  void loadScales(const Block &block, Value to, RowAddress address);
  void ifCodes(int part, Value source, llvm::function_ref<void()> body);
  void expandCodes(const Block &block);
  void expandTile(const TileRows &tile, Value to);

  // StreamRotate.cpp
  /// Turns n rows (i64) of queries or keys in shared memory; of each row (i64)
  /// its position (i64) and a factor (f32), or none.
  void rotateTile(Value tile, Value n, RowAddress position, RowAddress scale);
  void rotateKeys(const Block &block);

  // StreamResults.cpp
  void reduceSums(State &state);
  void shareSums(const State &state);
  /// Maximum and sum of row i (i32) over the warps, with the sink in it.
  std::pair<Value, Value> mergedSums(Value i, Value sink);
  Value sinkOf(Value head);
  void closeSums(State &state);
  void emitResults(const cpu::Item &item, State state);
  void emitRowResults(const cpu::Item &item);
  void emitOutput(const cpu::Item &item);

  // StreamFragments.cpp
  State emptyState();
  State stateOf(mlir::ValueRange flat);
  /// Rows that a thread has: lane / 4 of its warp's and every eighth below.
  unsigned ownRows() const { return 2 * shape.rowTiles; }
  /// Row number r (i32) of the thread in the item, i32.
  Value ownRow(Value r);
  Value ownRow(unsigned r) { return ownRow(h.c32(r)); }
  /// Which of them element i of `count` in fragments lies in, and its tile.
  unsigned elementRow(size_t i, size_t count) const;
  unsigned elementTile(size_t i, size_t count) const;
  /// Beyond, they would not fit beside the accumulators.
  bool queriesInRegisters() const {
    return shape.keyDim * shape.rowTiles <= 64;
  }
  Values queryFragment(int64_t step, int64_t rowTile);
  /// Scores are nothing but products: their factor is part of the exponent.
  bool plainScores() const;
  State compute(const Block &block, State state);
  void addProduct(Values &c, int64_t tile, llvm::ArrayRef<Value> a,
                  llvm::ArrayRef<Value> b);
  Values scores(const Block &block);
  Values adjust(const Block &block, Values s);
  Value isFull(const Block &block);
  Value livePairs(const Block &block);
  Values hide(const Values &s, Value bits);
  /// The thread's pairs of a block, and an integer with a bit for each.
  int64_t pairs() const { return shape.rowTiles * shape.ownKeys / 2; }
  Type pairWord() { return pairs() > 32 ? e.i64 : e.i32; }
  /// Rows of an item have lists of their own.
  bool hasLists() const { return p.selection && p.group > p.selection->heads; }
  Values weights(const Block &block, Values p);
  Values addValues(const Block &block, const Values &weights, Values o);
  /// Factors of a block's columns, by tile and element of a pair.
  Values columnScales(const Block &block, int64_t from);
  /// Column of the block, i64: element 0 or 1 of a fragment's pair.
  Value column(Value tile, Value element);
  cpu::ElementContext contextOf(Value r);

  using View = cpu::View;

  StreamShape shape;
  HwEmitter h;
  Elem elem; ///< of the matrix products
  Pass pass = Pass::All;
  bool coded[2] = {false, false}; ///< keys, values have scales
  bool anyCodes = false;

  // Of the part of the kernel.
  Value warpRow, warpKey; ///< i32: first row and key of the warp
  Value warpAlong;        ///< i32: its number along the keys
  Value active;           ///< i1: no warp before it has the same rows and keys
  Value quadRow, quadColumn; ///< i32: lane / 4, 2 * (lane % 4)
  // Of the kernel.
  Value chooser;     ///< i64: the list whose runs are noted; null: none
  Value entry;       ///< i1: the thread has an entry of it; null: no list
  Value entryKey;    ///< i64: and the keys of it that others have
  Value found, skip; ///< runs found in this walk (stack), and not wanted
  cpu::SegmentClass allSegments;
  // Of the item.
  Value itemIndex; ///< its number in the plan, i32
  Values q;        ///< fragments, where they stay in registers
};

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_TEMPLATES_STREAMKERNEL_H
