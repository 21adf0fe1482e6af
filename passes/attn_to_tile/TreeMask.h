// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Trees in masks: reads the tables that the plan makes of parents (tile.table)
// where a mask asks for ancestors, and of a batch's tree also where it or a
// modifier asks for positions.
#ifndef FOVEA_PASSES_ATTN_TO_TILE_TREEMASK_H
#define FOVEA_PASSES_ATTN_TO_TILE_TREEMASK_H

#include "dialects/sel/MaskBuilder.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace fovea {

/// Reads an element of a table, whatever stands for the table.
using TableLoad =
    llvm::function_ref<mlir::Value(mlir::Value table, mlir::ValueRange at)>;

/// What the plan makes of one table of parents (tile.table).
struct Lineage {
  mlir::Value words, sizes;
};

/// One pair's questions to trees, as scalar code at the builder's place.
class TreeMask {
public:
  /// `at` are token indices. `batchTree` stands for the table `batch_tree`, or
  /// is null.
  TreeMask(mlir::OpBuilder &b, mlir::Location loc, sel::Coordinates at,
           mlir::Value batchTree, TableLoad load)
      : b(b), loc(loc), at(at), batchTree(batchTree), load(load) {}

  /// What the rest of the mask and the modifiers know as q and k: positions
  /// where there is a batch tree. The offset moves with the query, so that
  /// their difference stays the row of the call.
  sel::Coordinates positions();
  /// An i1: whether the query descends from the key by `lineage`; `indices` as
  /// in sel.ancestor.
  mlir::Value ancestor(Lineage lineage, mlir::ValueRange indices);
  /// The same in the batch's tree.
  mlir::Value inTree();
  /// Erases what positions() built and nobody uses.
  void eraseUnused();

private:
  /// The row of a token in `batch_tree`.
  mlir::Value node(mlir::Value token);
  mlir::Value positionOf(mlir::Value token);
  mlir::Value index(int64_t value);
  mlir::Value entry(mlir::Value table, mlir::ValueRange row, int64_t column);
  mlir::Value between(mlir::Value enterKey, mlir::Value exitKey,
                      mlir::Value enterQuery, mlir::Value key,
                      mlir::Value query);

  mlir::OpBuilder &b;
  mlir::Location loc;
  sel::Coordinates at;
  mlir::Value batchTree;
  TableLoad load;
  mlir::Operation *first = nullptr, *last = nullptr; ///< of positions()
};

} // namespace fovea

#endif // FOVEA_PASSES_ATTN_TO_TILE_TREEMASK_H
