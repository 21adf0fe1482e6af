// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The importer behind importMask, for the two files that implement it:
// MaskImport.cpp walks the function and reads arguments and tables,
// MaskImportArith.cpp gives arith ops their meaning as exact integers.
#ifndef FOVEA_PASSES_ANALYSIS_MASKIMPORTER_H
#define FOVEA_PASSES_ANALYSIS_MASKIMPORTER_H

#include "dialects/tile/Tile.h"
#include "passes/analysis/MaskImport.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace fovea {

/// Types whose values the graph holds.
inline bool isMaskInteger(mlir::Type type) {
  return type.isIndex() ||
         (type.isSignlessInteger() && type.getIntOrFloatBitWidth() <= 64);
}

/// Reads one mask function into an ImportedMask.
class MaskImporter {
public:
  /// `mask.numOperands` is set, the rest of it empty.
  MaskImporter(mlir::func::FuncOp func, ImportedMask &mask)
      : func(func), mask(mask), g(mask.graph) {}
  /// Fills the mask, or says at the op what it cannot hold.
  llvm::LogicalResult run();

private:
  llvm::LogicalResult checkArguments();
  llvm::LogicalResult importOp(mlir::Operation *op);
  llvm::LogicalResult importLoad(mlir::memref::LoadOp op);
  llvm::LogicalResult importDim(mlir::memref::DimOp op);
  void importSearch(tile::SearchOp op);
  llvm::LogicalResult finish(mlir::func::ReturnOp op);

  /// Finds the tables that need a summary, and the inputs.
  void findSummaries();

  /// The node of an op with one integer result, -1 if there is none.
  MaskId build(mlir::Operation *op);
  // One op family each; -1 where these operands have no exact form.
  MaskId buildCompare(mlir::arith::CmpIOp op);
  MaskId compare(mlir::arith::CmpIPredicate p, mlir::Value l, mlir::Value r);
  MaskId buildBool(mlir::Operation *op);
  MaskId buildSelect(mlir::arith::SelectOp op);
  MaskId buildDivision(mlir::Operation *op);
  MaskId divideWithoutSign(MaskId a, int64_t d, bool isRem);
  MaskId buildBits(mlir::Operation *op);
  /// Results that are known by their bits only.
  llvm::LogicalResult makeOpaque(mlir::Operation *op);
  void bitRange(mlir::Operation *op, int64_t &lo, int64_t &hi) const;

  /// The extent of an axis of a table.
  MaskId extentOf(mlir::BlockArgument table, unsigned axis);
  MaskId at(mlir::Value v) const { return mask.nodes.lookup(v); }
  static unsigned width(mlir::Value v) {
    return v.getType().isIndex() ? 64 : v.getType().getIntOrFloatBitWidth();
  }
  /// `id` as an integer of `width` bits, sign-extended.
  MaskId wrap(MaskId id, unsigned width);
  /// The bits of `v` read without sign; -1 where 64 bits do not hold it.
  MaskId withoutSign(mlir::Value v);
  void typeRange(mlir::Type type, int64_t &lo, int64_t &hi) const;
  /// Refuses the second operand of a division or shift if it is known to have
  /// no meaning, and masks the pairs where it has none.
  llvm::LogicalResult guardSecond(mlir::Operation *op);
  /// `id` enters a sum or product, where it saturates at `limit`.
  void needExact(MaskId id, int64_t limit) {
    if (id >= 0 && g[id].isWide())
      exact.push_back(g.within(id, limit));
  }
  void needExactOperands(mlir::Operation *op);
  /// Masks the pairs where `id` is false.
  void guard(MaskId id) {
    if (id >= 0)
      guards.push_back(id);
  }

  mlir::func::FuncOp func;
  ImportedMask &mask;
  MaskGraph &g;
  llvm::SmallVector<MaskId> guards, exact;
  /// Integer nodes that a float value is computed from.
  llvm::DenseMap<mlir::Value, llvm::SmallVector<MaskId, 4>> floatInputs;
};

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKIMPORTER_H
