// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The builder of a prefill stage, in five files: items, runs and blocks
// (PrefillStream.cpp), masks and modifiers (PrefillMask.cpp), segments of a
// cache (PrefillSegments.cpp), probabilities (PrefillProb.cpp), and rows:
// pointers, packing and results (PrefillRows.cpp). Private to them.
#ifndef FOVEA_CODEGEN_CPU_PREFILLBUILDER_H
#define FOVEA_CODEGEN_CPU_PREFILLBUILDER_H

#include "codegen/cpu/PrefillMatrix.h"
#include "codegen/cpu/PrefillTiles.h"
#include "codegen/cpu/StreamWalk.h"

namespace fovea::cpu {

class PrefillBuilder final : StreamWalk {
public:
  PrefillBuilder(mlir::OpBuilder &builder, mlir::Location loc,
                 const StreamParams &p)
      : StreamWalk(builder, loc, p, p.schedule.lanes),
        shape{p.schedule.regRows, lanes, p.keyDim, p.valueDim,
              // Both errors vanish in the rounding of a 16-bit result, not in
              // sums that are handed out.
              p.outElem == Elem::F32 || p.split || p.lse || p.partial ? 5 : 4} {
  }

  mlir::FailureOr<int64_t> build();

private:
  void reserveScratch();
  /// Bytes of an element of Q panels and of tiles of keys and values.
  int64_t factorBytes() const { return p.schedule.matrix ? 2 : 4; }
  int64_t blockKeys() const;
  /// What turns a product into a score.
  float scoreFactor() const;
  void emitItem(const Item &item);
  void emitPointers(const View &view, unsigned bytes, Value spare);
  void emitPrefetch(Value panel, Value firstRow);
  void emitBlock(Value source, Value k, Value n, Value kind);
  /// Softmax leaves pairs for the unit; regions want the weights in f32.
  bool pairsWeights() const { return unit && !p.prob && pass != Pass::Values; }
  /// Scores of a panel that nobody but the softmax reads stay products.
  bool keepsProducts() const {
    return unit && !p.score && !p.prob && !pooled() && scoreFactor() > 0;
  }
  Value emitUnitScores(Value keys, Value qPanel, const LiveKeys &live,
                       Value max, llvm::function_ref<void(Value)> ahead,
                       llvm::function_ref<Values(Value, const Values &)> hide);
  /// What a panel computes on the unit, and from which tiles.
  struct UnitTiles {
    Value keys, values;
    LiveKeys live;
  };
  UnitTiles chooseTiles(Value keys, const LiveKeys &block,
                        const LiveKeys &live);
  void emitUnitValues(const LiveKeys &keys, Value tile);
  void emitProducts(Value values, Value oPanel, const LiveKeys &keys,
                    Value alpha);
  void emitPanels(Value source, Value k, Value n, Value kind, Value keys,
                  Value values);
  void emitRows(const SegmentClass &members, Value index,
                const SegmentRows &segment, Value lo, Value hi) override;
  void emitTiles(const SegmentClass &members, Value index,
                 const SegmentRows &segment, const RowTables &rows, Value k,
                 Value n);
  RowTables tablesAt(Value side, const SegmentClass &members);
  int64_t tableBytes() const;
  void unlessEmpty(Value source, Value k, Value n,
                   llvm::function_ref<void(Value kind)> body);
  struct PanelClass {
    Value kind; ///< null without a mask
    LiveKeys keys;
  };
  PanelClass emitClass(Value panel, Value source, Value k,
                       const LiveKeys &block, Value kind);
  Value emitAdjust(Value panel, Value source, Value k, const LiveKeys &keys,
                   Value max, bool masked);
  std::pair<Value, Value> solvePairs(Value panel, Value source, Value k,
                                     Value n);
  Value everyKey(Value n);
  /// Keys that are listed need no rows behind the last.
  int64_t keyPad() const { return p.keep ? 1 : shape.regRows; }
  Value loadSeen(Value place);
  Values hideUnseen(const LiveKeys &keys, Value first, Values scores);
  void emitFinish(const Item &item);
  void emitKeys(const Item &item);
  /// Rows of the panel's lanes, but for the key.
  ElementContext contextOf(Value panel);
  void emitSink();
  Value emitProb(Value weight, Value hidden, const ElementContext &context);
  void emitWeights(Value panel, Value source, Value k, const LiveKeys &keys);
  void emitShares(Value panel, Value source, Value k, const LiveKeys &keys);
  void emitRowScalars(const View &view, bool bySlot, const Item &item,
                      llvm::function_ref<Value(Value m, Value l)> value);

  /// body(i, place) for each of the item's rows, up to `count`.
  void forRows(Value count,
               llvm::function_ref<void(Value i, const RowPlace &)> body);
  void emitQueries();
  /// The key of row i of the block that begins at k.
  Value keyAt(Value k, Value i);
  Value emitOrderedTile(Elem elem, const View &view, const View &scales,
                        int64_t dim, Value k, Value n, int64_t pad, Value tile);
  Value panelState(Value panel) {
    return e.at(state, e.mul(panel, 2 * lanes), 4);
  }
  PanelShape shape;
  std::optional<MatrixUnit> unit; ///< null: products by vectors
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
  // Of a block and a panel: lists of LiveKeys, and for each key of the first
  // one an integer with a bit for each lane that sees it.
  Value liveList, everyList, seen;
  // For the matrix unit: tiles of live keys, and whether the block's V tile is
  // there (i64); of the block, its rows of values and elements between them.
  Value kLive, vLive, transposed, zeroRow;
  Value valueRows, valueStride;
  // Of the item.
  Value padded, panelCount;
  // With a cache or an order: token index of each row, i32.
  Value rowTokens;
  Value keyTokens; ///< with an order: token index of each key of a block, i32
  Value rotatedRows, tables; ///< f32 [row][keyDim]; RowTables of two blocks
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_PREFILLBUILDER_H
