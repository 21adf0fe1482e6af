// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The builder of a prefill stage, in five files: items, runs and blocks
// (PrefillStream.cpp), masks and modifiers (PrefillMask.cpp), segments of a
// cache (PrefillSegments.cpp), probabilities (PrefillProb.cpp), and rows:
// pointers, packing and results (PrefillRows.cpp). Private to them.
#ifndef FOVEA_CODEGEN_CPU_PREFILLBUILDER_H
#define FOVEA_CODEGEN_CPU_PREFILLBUILDER_H

#include "codegen/cpu/CacheAddress.h"
#include "codegen/cpu/PrefillStream.h"
#include "codegen/cpu/PrefillTiles.h"

namespace fovea::cpu {

namespace prefill {
constexpr float kLog2E = 1.44269504088896340736f;
constexpr float kLn2 = 0.693147180559945309417f;
/// Running maxima start here: finite, so that a row that has seen nothing
/// never computes inf - inf.
constexpr float kNoMax = -1e30f;

constexpr auto kSlt = mlir::arith::CmpIPredicate::slt;
constexpr auto kSge = mlir::arith::CmpIPredicate::sge;
constexpr auto kEq = mlir::arith::CmpIPredicate::eq;
constexpr auto kNe = mlir::arith::CmpIPredicate::ne;
} // namespace prefill

class PrefillBuilder {
public:
  PrefillBuilder(mlir::OpBuilder &builder, mlir::Location loc,
                 const StreamParams &p)
      : p(p), s(builder, loc, p.name, p.isa), e(s.e), lanes(p.schedule.lanes),
        shape{p.schedule.regRows, lanes, p.keyDim, p.valueDim,
              // Both errors vanish in the rounding of a 16-bit result.
              p.outElem == Elem::F32 || p.split ? 5 : 4} {}

  mlir::FailureOr<int64_t> build();

private:
  using Value = mlir::Value;
  using Type = mlir::Type;

  void reserveScratch();
  void readViews();
  void emitItem(const Item &item);
  void emitPointers(const View &view, unsigned bytes, Value spare);
  void emitRuns(const Item &item, StreamParams::RunBody body);
  void emitLevelRuns(const QueryTile &tile, StreamParams::RunBody body);
  /// Tokens of a row of the source, i64.
  Value tokensOf(Value source);
  void emitPrefetch(Value panel, Value firstRow);
  void emitBlock(Value source, Value k, Value n, Value kind);
  void emitPanels(Value source, Value k, Value n, Value kind, Value keys,
                  Value values);
  QueryTile tileOf(const Item &item);
  void forRuns(const QueryTile &tile,
               llvm::function_ref<void(Value, Value)> body);

  bool cached() const { return !p.segments.empty(); }
  void emitSegments(const Item &item);
  void emitSegment(const Item &item, const SegmentClass &members, Value index);
  void emitPages(const SegmentRows &segment, const Item &item,
                 llvm::function_ref<void(Value, Value)> body);
  void emitRows(const SegmentClass &members, Value index,
                const SegmentRows &segment, Value lo, Value hi);
  void emitTiles(const SegmentClass &members, Value index,
                 const SegmentRows &segment, const RowTables &rows, Value k,
                 Value n);
  RowTables tablesAt(Value side, const SegmentClass &members);
  int64_t tableBytes() const;
  void unlessEmpty(Value source, Value k, Value n,
                   llvm::function_ref<void(Value kind)> body);
  Value emitClass(Value panel, Value source, Value k, Value n, Value kind);
  Value solveClass(Value first, Value count, Value source, Value k, Value n);
  Value emitAdjust(Value panel, Value source, Value k, Value n, Value max,
                   bool masked);
  Value solvePairs(Value panel, Value source, Value k, Value n);
  Value loadSeen(Value row);
  Values hideUnseen(Value first, Values scores);
  Value emitKeep(ElementContext &context, Value key, Value source);
  void emitFinish(const Item &item);
  void emitKeys(const Item &item);
  /// Rows of the panel's lanes, but for the key.
  ElementContext contextOf(Value panel);
  void emitSink();
  Value emitProb(Value weight, Value hidden, const ElementContext &context);
  void emitWeights(Value panel, Value source, Value k, Value n);
  void emitShares(Value panel, Value source, Value k, Value n);
  /// The token that row `key` of a source is or begins with.
  Value tokenOf(Value source, Value key);
  void emitRowScalars(const View &view, bool bySlot, const Item &item,
                      llvm::function_ref<Value(Value m, Value l)> value);

  /// A row of the item: which query of which sequence.
  struct RowPlace {
    Value b, head, position;
  };
  /// body(i, place) for each of the item's rows, up to `count`.
  void forRows(Value count,
               llvm::function_ref<void(Value i, const RowPlace &)> body);
  void emitQueries();
  /// The token at a position of the walk.
  Value tokenAt(Value position);
  /// The key of row i of the block that begins at k.
  Value keyAt(Value k, Value i);
  Value emitOrderedTile(Elem elem, const View &view, const View &scales,
                        int64_t dim, Value k, Value n, int64_t pad, Value tile);
  Value perSource(Value source,
                  llvm::function_ref<Value(const StreamSource &, unsigned)> f,
                  Type type);
  Value panelState(Value panel) {
    return e.at(state, e.mul(panel, 2 * lanes), 4);
  }
  bool pooled() const {
    return llvm::any_of(
        p.sources, [](const StreamSource &s) { return s.tokensPerKey != 1; });
  }

  struct SourceViews {
    View keys, values, keyScales, valueScales;
  };

  const StreamParams &p;
  StageFunction s;
  Emitter &e;
  int64_t lanes;
  PanelShape shape;
  bool refused = false;
  /// What the code that is being emitted does with the keys: all at once, or
  /// first the sums of the softmax and then the values.
  enum class Pass { All, Sums, Values } pass = Pass::All;

  /// Rows that the next block will read.
  struct Prefetch {
    Value data, strideBytes;
    int64_t rowBytes;
    Value table; ///< of the rows' offsets, instead of a stride
  };
  llvm::SmallVector<Prefetch> prefetches;

  // Scratch.
  Value qPanels, oPanels, state, sPanel, kTile, vTile, pointers, spareRow,
      rowValues;
  Value seen; ///< bits of a block and a panel: an integer of lanes for each key
  // Arguments.
  Value queries;
  View query, out, lse, partM, partL, splitO, splitM, splitL, sink;
  View list, listCount;
  std::vector<SourceViews> sources;
  // Of the item.
  Value itemB, head, kvHead, row, rows, rowCount, padded, panelCount, qOff, len;
  // With a cache: i1, rows of several sequences.
  Value shared, sharedFirst;
  // With a cache or an order: token index of each row, i32.
  Value rowTokens;
  Value keyTokens; ///< with an order: token index of each key of a block, i32
  Value rotatedRows, tables; ///< f32 [row][keyDim]; RowTables of two blocks
  View rotation;
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_PREFILLBUILDER_H
