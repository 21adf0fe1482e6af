// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stages of many small pieces of work, a warp for each: what they share. Lanes
// lie along a row, four neighbouring elements each, so that a warp reads whole
// lines; where rows are short it has several beside one another.
#ifndef FOVEA_CODEGEN_GPU_TEMPLATES_WARPSTAGE_H
#define FOVEA_CODEGEN_GPU_TEMPLATES_WARPSTAGE_H

#include "codegen/cpu/DecodeStream.h"
#include "codegen/gpu/templates/HwEmitter.h"

#include "mlir/IR/BuiltinOps.h"

namespace fovea::gpu {

using cpu::Item;
using cpu::View;

/// How the lanes of a warp lie on rows of `dim` elements: of step i a lane has
/// the four from column + 4 * width * i on.
struct RowLanes {
  int64_t dim;
  int64_t width = 1; ///< lanes of a row, a power of two
  int64_t rows;      ///< beside one another
  int64_t steps;
  mlir::Value row, column; ///< i64: which of the rows, its first element
  mlir::Value first;       ///< i1: the row's first lane
  mlir::Value leading;     ///< i1: in the first row

  RowLanes(HwEmitter &h, int64_t dim);
};

/// A stage as a kernel of warps. Emits its start; the caller then reads its
/// views, each with `view`, and the rest.
class WarpStage {
public:
  using Value = mlir::Value;
  /// A step of a row: four f32.
  using Quad = Values;
  /// All steps of a row, one after the other.
  using Row = Values;
  using Combine = llvm::function_ref<Value(Value, Value)>;

  WarpStage(mlir::ModuleOp module, llvm::StringRef name);

  mlir::OpBuilder b;
  cpu::StageFunction s;
  Emitter &e;
  HwEmitter h;

  /// A view of the arguments whose rows are read or written four elements at a
  /// time: with one instruction where all such views are aligned.
  View view(unsigned slot, unsigned rank, Elem elem);
  /// Behind the last such view.
  void viewsAreRead();

  /// A warp for each number in [lo, hi), on the whole grid.
  void forEachWarp(Value lo, Value hi, llvm::function_ref<void(Value)> body);
  /// A warp for each part of each item; counts the items.
  void forEachUnit(int64_t parts,
                   llvm::function_ref<void(const Item &, Value part)> body);
  cpu::BuiltStage finish();
  /// Remembers an error; one lane at least.
  void fail(int32_t code);

  // Rows, as f32. Lanes without columns have zeros.
  Row load(const RowLanes &lanes, Elem elem, Value row);
  /// `where` may be null.
  void store(const RowLanes &lanes, Elem elem, const Row &x, Value row,
             Value where);
  Row zeros(const RowLanes &lanes, float v = 0) {
    return Row(4 * lanes.steps, e.cF32(v));
  }

  // Numbers of several lanes as one, which all of them get.
  /// Of the lanes of a row; of the same columns of the rows beside it.
  Value alongRow(const RowLanes &lanes, Value v, Combine combine);
  Value acrossRows(const RowLanes &lanes, Value v, Combine combine);
  /// Sums, over the rows beside one another, of each column.
  void sumRows(const RowLanes &lanes, Row &x);
  Value sumOf(const RowLanes &lanes, Value v) {
    return alongRow(lanes, v, [&](Value x, Value y) { return e.fadd(x, y); });
  }

  /// Orders what the lanes did before it.
  void warpBarrier();
  Value isLane(int64_t i) {
    return e.cmp(mlir::arith::CmpIPredicate::eq, h.lane, h.c32(i));
  }
  Value logical(Value x, Value y) { return x && y ? e.andI(x, y) : x ? x : y; }

private:
  /// `left`: how many of the four there are; null for all.
  Quad loadQuad(Elem elem, Value p, Value left);
  void storeQuad(Elem elem, mlir::ValueRange x, Value p, Value left);
  Value elementsLeft(const RowLanes &lanes, int64_t step);
  /// Whether the lane has columns in step i; null where all do.
  Value hasColumns(const RowLanes &lanes, int64_t step);
  Value reduce(Value v, int64_t from, int64_t to, Combine combine);

  Value misaligned; ///< bits that are set in addresses or strides
  Value aligned;
};

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_TEMPLATES_WARPSTAGE_H
