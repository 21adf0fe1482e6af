// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The builder of a decode stage, in four files: what an item is and where its
// keys come from (DecodeStream.cpp), segments of a cache (DecodeSegments.cpp),
// chosen units (DecodeLists.cpp), and its rows: packing and results
// (DecodeRows.cpp). Private to them.
#ifndef FOVEA_CODEGEN_CPU_DECODEBUILDER_H
#define FOVEA_CODEGEN_CPU_DECODEBUILDER_H

#include "codegen/cpu/DecodeBlock.h"

namespace fovea::cpu {

class DecodeBuilder {
public:
  DecodeBuilder(mlir::ModuleOp module, const DecodeParams &p)
      : p(p), s(p), b(mlir::OpBuilder::atBlockEnd(module.getBody())),
        f(b, module.getLoc(), p.name, p.isa), e(f.e) {}

  BuiltStage build();

private:
  using Value = mlir::Value;

  void reserveScratch();
  void readViews();

  /// Where packed row r (from 0 in the item) comes from and goes to.
  struct RowPlace {
    Value b, head, position;
  };
  RowPlace placeOf(const Item &item, Value r);
  /// The query rows of the item: packed, scaled, with their coordinates.
  void packQueries(const Item &item);
  void packRow(Value r, Value source, Elem elem);
  void packCodes(Value r, Value source, Elem elem);
  void finishItem(const Item &item, Value slot);
  /// m and l of the lanes from all keys and the sink, before they are read.
  void closeSums();
  void foldSums();
  Value sinkOf(Value head) {
    return e.load(e.f32, addressOf(e, sink, {head}, 4));
  }
  /// What holds for all heads of the item, and what is the head's.
  void beginItem(const Item &item);
  void useHead(Value head);

  /// Bundles: consecutive items that differ in their heads alone walk over
  /// their keys together, so that memory which holds the heads of a token side
  /// by side is read in order.
  void forEachBundle();
  void reserveStates();
  void useState(Value j);

  /// Walks over the item's runs, list or levels.
  void walk(const Item &item);
  void walkRuns(const Item &item);
  void walkList(const Item &item);
  void walkLevels(const Item &item);
  void walkMaskLevels(const Item &item);
  /// The source whose rows have `level` tokens (i64), and whether one has.
  SourceValues pickLevel(llvm::ArrayRef<SourceValues> all, Value level,
                         Value &known);
  /// Number of the item's runs, stored at m.runs.
  Value storeRuns(const Item &item);
  void forRuns(Value count, llvm::function_ref<void(Value lo, Value hi)> body);
  /// Address of a query row's list, number or levels in a view [b, head,
  /// block, ..].
  Value listRow(Value b, Value head, Value position, const View &view,
                unsigned bytes);
  /// Keys [lo, hi) of a source, in its own rows (of `level` tokens).
  void range(Value lo, Value hi, const SourceValues &source);
  Value classOfRun(Value lo, Value hi, const SourceValues &source);
  Value classOfBlock(Value whole, Value first, Value n,
                     const SourceValues &source);
  void block(Value first, Value n, Value kind, const SourceValues &source);
  Value classify(Value lo, Value hi, const SourceValues &source);
  void fail(StageError error) { e.store(e.cI32(error), m.error); }

  void walkSegments(const Item &item);
  void walkSegment(const Item &item, const SegmentClass &members, Value index,
                   Value runs);
  /// Tokens [lo, hi) of a segment, for all heads of the bundle.
  void segmentRange(Value lo, Value hi, const SegmentClass &members,
                    const SegmentRows &rows, const SourceValues &source);
  SourceValues segmentSource(const SegmentClass &members,
                             const SegmentRows &rows);

  /// Keys of which a list chooses: units count from token `base`, there are
  /// `limit`, and only tokens [lo, hi) of them are seen. Of a segment of a
  /// cache, or of views.
  struct ChosenKeys {
    SourceValues source;
    const SegmentClass *members = nullptr;
    const SegmentRows *rows = nullptr;
    Value base, limit, lo, hi;
  };
  /// An entry of a list (i64), and the rows that chose it: bits of an i32,
  /// null if all did.
  struct ChosenUnit {
    Value number, rows;
  };
  /// Entries [first, last) of the list of one row are the item's.
  struct ListRow {
    Value entries, first, last;
  };
  /// Whether packed rows have lists of their own.
  bool rowsChoose() const;
  void reserveLists();
  ListRow readList(const Item &item, Value b, Value head, Value position);
  Value entryOf(const ListRow &row, Value i);
  Value isUnit(Value unit, Value limit);
  void walkChosen(const Item &item, const ChosenKeys &keys);
  Value collectUnits(const Item &item, const ChosenKeys &keys, Value from);
  void walkUnits(Value count, const ChosenKeys &keys,
                 llvm::function_ref<ChosenUnit(Value)> unitAt);
  void walkPages(const Item &item, const SegmentClass &members,
                 const SegmentRows &segment, Value lo, Value hi,
                 const SourceValues &source);
  /// Of the tables of one block; `side` is 0, as much or twice that.
  int64_t tableBytes() const;
  RowTables tablesAt(Value side, const SegmentClass &members);

  bool cached() const { return !p.segments.empty(); }
  /// Scores of the elements by integer dots.
  bool integer(Elem k) const {
    return p.integerDot && k == Elem::I8 && !p.rope.rule;
  }

  const DecodeParams &p;
  const DecodeShape s;
  mlir::OpBuilder b;
  StageFunction f;
  Emitter &e;
  DecodeMemory m;
  DecodeItem it;
  Pass pass = Pass::All; ///< of the code that is being emitted
  View sink;
  View q, o, lse, mOut, lOut, wsO, wsM, wsL, list, listCount, levels, rotation;
  std::vector<std::array<View, 4>> sources;
  std::vector<SegmentClass> classes;
  bool anyFloat = false, anyCodes = false; ///< how queries are packed
  Value queries;    ///< null with a cache: they differ by sequence
  Value rotatedRow; ///< f32 [keyPad]
  Value tables;     ///< RowTables of three blocks
  /// u8 [kUnits]: rows that chose a unit; i32 and u8 [kUnits]: those that any
  /// chose and who did (rowsChoose).
  Value choosers, units, unitRows;
  int64_t heads = 1, stateBytes = 0; ///< of a bundle at most; of a state
  Value states, bundle;              ///< their memory; items of the bundle
  Value firstHead;                   ///< the bundle's first item's
  std::vector<std::pair<Value DecodeMemory::*, int64_t>> stateParts;
};

/// Keys and values of the item's head in the views of a source.
SourceValues sourceOf(Emitter &e, const DecodeParams &p,
                      const std::array<View, 4> &views, const DecodeItem &it);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_DECODEBUILDER_H
