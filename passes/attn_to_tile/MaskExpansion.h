// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A mask's words or region as scalar code at the builder's place: for the
// solver's function and for tile.map alike. Private to this folder.
#ifndef FOVEA_PASSES_ATTN_TO_TILE_MASKEXPANSION_H
#define FOVEA_PASSES_ATTN_TO_TILE_MASKEXPANSION_H

#include "passes/attn_to_tile/MaskFunctions.h"
#include "passes/attn_to_tile/TreeMask.h"

namespace fovea {

/// A table that the plan makes of what a mask reads: of an operand of the spec,
/// or of the cache for the tree of the batch.
struct PlanTable {
  tile::TableRule rule;
  mlir::Value source, table;
};
using PlanTables = llvm::SmallVector<PlanTable>;

/// The tables that a mask of `op` asks the plan for, made in the program;
/// lineages come first.
PlanTables planTables(ProgramBuilder &p, mlir::Operation *op,
                      const SpecMask &mask);
/// What stands for the table made of `source`; null if there is none.
mlir::Value tableOf(const PlanTables &tables, tile::TableRule rule,
                    mlir::Value source);
/// What stands for the two tables made of `parents`.
Lineage lineageOf(const PlanTables &tables, mlir::Value parents);
/// What stands for the tree of the batch; null if there is none.
mlir::Value batchTreeIn(const PlanTables &tables);
/// An element of the spec's table `source`, for which `table` stands. Where the
/// plan has a copy that is known to ascend, of that.
mlir::Value loadTable(const PlanTables &tables, TableLoad load,
                      mlir::Value source, mlir::Value table,
                      mlir::ValueRange indices);

/// The values that the mask reads from outside, in a fixed order.
llvm::SmallVector<mlir::Value> specOperands(const SpecMask &mask);
/// A copy of the scalar ops that give `value`; `argument` gives what stands for
/// an argument of the kernel. Null if that does.
mlir::Value copyScalar(mlir::OpBuilder &b, mlir::Value value,
                       llvm::function_ref<mlir::Value(mlir::Value)> argument);
/// The number of query heads of an attention or a sel.score.
int64_t queryHeadsOf(mlir::Operation *op);

/// Copies the body of a spec region; tables are read through `loadFn`, trees
/// through `tree`. Returns what it yields.
mlir::Value cloneRegion(mlir::OpBuilder &b, mlir::Region &region,
                        mlir::ValueRange args, mlir::ValueRange captured,
                        mlir::ValueRange replacements, TableLoad loadFn,
                        TreeMask &tree, const PlanTables &tables);
/// `value`, where every cast of the open block has a value, and `hidden`
/// elsewhere (mask_s3).
mlir::Value whereCastsHold(mlir::OpBuilder &b, mlir::Value value,
                           double hidden = 0);
/// The predicate at `at`: an i1, or the i32 level of a region that gives
/// levels. `tables` are those of planTables, as `loadFn` knows them.
mlir::Value buildPredicate(mlir::OpBuilder &b, mlir::Location loc,
                           const SpecMask &mask, sel::Coordinates at,
                           mlir::ValueRange operands, TableLoad loadFn,
                           const PlanTables &tables);

/// A MaskBuilder or ScoreBuilder whose tables are memrefs or views instead of
/// tensors.
template <typename Base>
class ExpansionBuilder : public Base {
public:
  ExpansionBuilder(mlir::OpBuilder &b, mlir::Location loc, sel::Coordinates at,
                   mlir::ValueRange operands, mlir::ValueRange specOperands,
                   TableLoad loadFn, TreeMask &tree, const PlanTables &tables)
      : Base(b, loc, at, operands), specOperands(specOperands), loadFn(loadFn),
        tree(tree), tables(tables) {}

  mlir::Value load(unsigned i, mlir::ValueRange indices) override {
    return loadTable(tables, loadFn, specOperands[i], this->operand(i),
                     indices);
  }
  mlir::Type operandType(unsigned i) override {
    return specOperands[i].getType();
  }
  mlir::Value ancestor(unsigned i, mlir::ValueRange indices) override {
    return tree.ancestor(lineageOf(tables, specOperands[i]), indices);
  }
  mlir::Value inTree() override { return tree.inTree(); }
  sel::Segment segment(unsigned i, mlir::Value row,
                       mlir::Value token) override {
    auto op = this->b.template create<tile::SearchOp>(
        this->loc, token,
        tableOf(tables, tile::TableRule::Boundaries, specOperands[i]), row);
    return {op.getIndex(), op.getBegin(), op.getEnd()};
  }

private:
  mlir::ValueRange specOperands;
  TableLoad loadFn;
  TreeMask &tree;
  const PlanTables &tables;
};

} // namespace fovea

#endif // FOVEA_PASSES_ATTN_TO_TILE_MASKEXPANSION_H
