// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The builder of a decode stage, in three files: what an item is and where its
// keys come from (DecodeStream.cpp), segments of a cache (DecodeSegments.cpp),
// and its rows: packing and results (DecodeRows.cpp). Private to them.
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
  void finishItem(const Item &item);

  /// Walks over the item's runs, list or levels.
  void walk(const Item &item);
  void walkRuns(const Item &item);
  void walkList(const Item &item);
  void walkLevels(const Item &item);
  /// Number of the item's runs, stored at m.runs.
  Value storeRuns(const Item &item);
  void forRuns(Value count, llvm::function_ref<void(Value lo, Value hi)> body);
  /// Index of the item's list or level row in a view [b, head, block, ..].
  Value listRow(const Item &item, const View &view, unsigned bytes);
  /// Keys [lo, hi) of a source, in its own rows (of `level` tokens).
  void range(Value lo, Value hi, const SourceValues &source,
             const SegmentRows *segment = nullptr);
  void block(Value first, Value n, Value kind, const SourceValues &source);
  Value classify(Value t0, Value t1);
  void fail(StageError error) { e.store(e.cI32(error), m.error); }

  void walkSegments(const Item &item);
  void walkSegment(const Item &item, const SegmentClass &members, Value index,
                   Value runs);
  void walkPages(const Item &item, const SegmentRows &segment,
                 llvm::function_ref<void(Value, Value)> body);
  /// Of the tables of one block; `side` is 0 or as much.
  int64_t tableBytes() const;
  RowTables tablesAt(Value side, const SourceValues &source);

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
  View q, o, lse, mOut, lOut, wsO, wsM, wsL, list, listCount, levels, rotation;
  std::vector<std::array<View, 4>> sources;
  std::vector<SegmentClass> classes;
  bool anyFloat = false, anyCodes = false; ///< how queries are packed
  Value queries;    ///< null with a cache: they differ by sequence
  Value rotatedRow; ///< f32 [keyPad]
  Value tables;     ///< RowTables of two blocks
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_DECODEBUILDER_H
