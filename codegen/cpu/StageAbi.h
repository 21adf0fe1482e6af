// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How emitted code reads the structs of fovea/abi.h: views, scalars, items
// and plan tables. One place knows the offsets.
#ifndef FOVEA_CODEGEN_CPU_STAGEABI_H
#define FOVEA_CODEGEN_CPU_STAGEABI_H

#include "codegen/cpu/Emitter.h"

#include <functional>
#include <optional>

namespace fovea::cpu {

/// A strided tensor of the arguments, as emitted values.
struct View {
  mlir::Value data;
  llvm::SmallVector<mlir::Value, 6> shape, stride; ///< i64, in elements
};

/// The fields of one item of the plan, all i64.
struct Item {
  mlir::Value b, head, row, slot, k0, k1, count, flags;
  mlir::Value index; ///< its number in the plan
};

/// The class (fovea_tile_class, i32) of rows of `tokens` tokens (i64) in a tile
/// of which @levels says `levels`: the least level in bits 0 to 7, the greatest
/// above.
mlir::Value classOfLevels(Emitter &e, mlir::Value levels, mlir::Value tokens);

/// A stage: (args, plan, begin, end, scratch) -> i32, see fovea_stage_fn.
/// Creates the function and reads its arguments.
class StageFunction {
public:
  /// Adds a public function `name` to the module at the builder's position.
  StageFunction(mlir::OpBuilder &builder, mlir::Location loc,
                llvm::StringRef name, Isa isa);

  /// How a stage runs on a grid of CTAs, all of whose threads are here. Set it
  /// before anything is emitted.
  struct Grid {
    mlir::Value cta, ctas; ///< i64: this CTA takes every ctas-th item
    /// Adds n (i64) to the counter at an address, once for a CTA.
    std::function<void(mlir::Value at, mlir::Value n)> add;
  };
  std::optional<Grid> grid;

  mlir::func::FuncOp fn;
  Emitter e;
  mlir::Value args, plan, begin, end, scratch;

  /// Reads view `slot`; loads are hoisted by LLVM only if emitted outside
  /// loops, so call it in the entry block.
  View view(unsigned slot, unsigned rank);
  /// The same for a slot that is known at run time (i64).
  View viewAt(mlir::Value slot, unsigned rank);
  /// A scalar operand: i64, or f32 from a stored double.
  mlir::Value scalarInt(unsigned slot);
  mlir::Value scalarF32(unsigned slot);
  /// The value of a symbol of the manifest.
  mlir::Value symbol(unsigned slot);
  /// Token index of query 0, and number of keys, of batch b.
  mlir::Value qOffset(mlir::Value b);
  mlir::Value kLength(mlir::Value b);
  /// First row of sequence b of the call, and the number of its rows.
  mlir::Value rowOffset(mlir::Value b);
  mlir::Value rowCount(mlir::Value b);
  /// Where record i of the split items lies, both i64.
  struct Record {
    mlir::Value slot, row;
  };
  Record source(mlir::Value i);
  /// plan->rows[i]: {b, position}.
  std::pair<mlir::Value, mlir::Value> sharedRow(mlir::Value i);
  /// Adds n (i64) to a counter of fovea_abi_counters.
  enum Counter { TilesFull, TilesPartial, Pairs, Items };
  void count(Counter counter, mlir::Value n);
  Item itemAt(mlir::Value i);
  /// for (i = begin; i < end; ++i) body(items[i]); counts the items.
  void forEachItem(llvm::function_ref<void(const Item &)> body);
  /// Scratch memory behind the counters: reserves `bytes` (64-byte aligned).
  mlir::Value reserve(int64_t bytes);
  /// What the stage needs in all (the manifest's scratch_bytes).
  int64_t scratchBytes() const { return used; }
  /// Lets the stage fail. Call it once, in the entry block. A grid finds its
  /// result cleared, behind the counters, and leaves it there.
  void allowErrors();
  /// Remembers `code` (StageError) as the stage's result; the stage goes on.
  void fail(int32_t code);
  /// Emits the return: 0, or the last error.
  void finish();

private:
  int64_t used;
  mlir::Value error;
};

/// Address of data[indices...] of a view with elements of `bytes`.
mlir::Value addressOf(Emitter &e, const View &view,
                      llvm::ArrayRef<mlir::Value> indices, unsigned bytes);

/// Address of the row of query `position` of (b, head) in a view [b, head,
/// position, ..], or, token-major, [row, head, ..] with the plan's rows.
mlir::Value rowAddress(StageFunction &f, const View &view, bool tokenMajor,
                       mlir::Value b, mlir::Value head, mlir::Value position,
                       unsigned bytes);

/// The signature of fovea_bounds_fn, fovea_class_fn and fovea_keep_fn.
mlir::FunctionType boundsType(mlir::MLIRContext *ctx);
mlir::FunctionType classType(mlir::MLIRContext *ctx);
mlir::FunctionType keepType(mlir::MLIRContext *ctx);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_STAGEABI_H
