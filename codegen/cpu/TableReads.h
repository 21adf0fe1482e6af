// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads of tables inside maps: at one place, or at a place of each lane. There
// is no gather of elements below 32 bits, so lanes gather the words around them
// and keep a window of those while the loop over keys stays in it.
#ifndef FOVEA_CODEGEN_CPU_TABLEREADS_H
#define FOVEA_CODEGEN_CPU_TABLEREADS_H

#include "codegen/abi/ProgramLayout.h"
#include "codegen/cpu/RegionVectoriser.h"

namespace fovea::cpu {

/// The tables of one map.
class TableReader {
public:
  using Place = RegionVectoriser::Place;
  /// Notes a condition that a pair has to meet, and whether it changes in the
  /// loop.
  using Require = llvm::function_ref<void(mlir::Value, bool looped)>;

  /// `outside` as RegionVectoriser has it.
  TableReader(Emitter &e, const ProgramLayout &layout, int64_t lanes,
              std::optional<Place> outside)
      : e(e), layout(layout), lanes(lanes), outside(outside) {}

  /// A table as emitted: everything i64, loaded once on entry.
  struct Table {
    mlir::Value data;
    llvm::SmallVector<mlir::Value> shape, stride;
    /// For reads of words, if there are any: where to read them, and the offset
    /// of the last, and of the last stretch, in bytes.
    mlir::Value words, lastWord, lastStretch;
  };
  /// Valid until another table is asked for.
  Table &tableOf(mlir::Value view);

  /// The element of a table at `indices`: lanes if one of them is, else a
  /// scalar. What lies outside the table reads as 0, and `require` is told.
  mlir::Value read(mlir::Value view, llvm::ArrayRef<LaneValue> indices,
                   Require require);

private:
  using Value = mlir::Value;
  using Type = mlir::Type;

  /// A sum of terms of an element's offset, i64, and where its indices are
  /// inside the table; null without terms.
  struct Part {
    Value offset, inside;
    void add(Emitter &e, Value term, Value ok);
  };

  void findWords(Table &table, unsigned bytes);
  Value read(Table &table, Type element, llvm::ArrayRef<LaneValue> indices,
             Require require);
  Value readRows(Table &table, Type element, const Part &rows,
                 const Part &shared, bool looped);
  Value readScattered(Table &table, Type element, Value offset, Value inside);
  Value gatherWords(Table &table, Value bytes, Value keep);
  Value narrow(Value words, Type element);
  /// Emits in front of the loop, if there is one.
  Value hoisted(llvm::function_ref<Value()> emit);

  Emitter &e;
  const ProgramLayout &layout;
  int64_t lanes;
  std::optional<Place> outside;
  llvm::DenseMap<Value, Table> tables;
};

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_TABLEREADS_H
