// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Masks to schedules: turns a mask predicate into the functions by which a
// kernel, the host planner and `explain` decide which keys a query tile
// looks at. For everyone who has a mask as a function.
#ifndef FOVEA_PASSES_ANALYSIS_MASKSOLVER_H
#define FOVEA_PASSES_ANALYSIS_MASKSOLVER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <optional>
#include <string>

namespace fovea {

/// What the choice of a schedule asks of a mask.
struct MaskTraits {
  /// Most keys that a query sees, whatever the operands hold, but for the first
  /// few queries; -1: no number.
  int64_t reach = -1;
  /// Keys of the narrowest stripe that repeats with a gap worth skipping, both
  /// numbers; 0: there is none.
  int64_t stripe = 0;
  /// Such stripes move with the query.
  bool slanted = false;
  /// Queries, and keys, side by side for which tables have one entry, the least
  /// of these numbers; 0: there is none.
  int64_t queryGroup = 0, keyGroup = 0;
  int64_t ops = 0; ///< of the predicate
};

/// What solveMask emits into the module. The functions take the mask's
/// operands, the summaries, then `index` arguments, and hold arith, scf, memref
/// and func ops on index and integers only (float compares of the predicate
/// appear in `keep` alone). docs/dialects/mask-analysis.md states what they
/// promise.
struct MaskSolution {
  /// @P_bounds(operands..., b, h, q0, q1, len, runs: memref<8x2xi64>) -> i32:
  /// the live keys of queries [q0, q1) as at most 8 runs [lo, hi), ascending,
  /// disjoint, not touching, inside [0, len).
  mlir::func::FuncOp bounds;
  /// @P_class(operands..., b, h, q0, q1, k0, k1, len) -> i32: a
  /// fovea_tile_class; EMPTY and FULL are proofs. Where it searches, the module
  /// has @P_tile as well, of the same type: what one evaluation tells.
  mlir::func::FuncOp classify;
  /// @P_keep(operands..., b, h, q, k, len) -> i1, or the i32 level (0 where
  /// the pair is masked).
  mlir::func::FuncOp keep;
  /// Level masks only: @P_level(operands..., b, h, q0, q1, k0, k1, len) ->
  /// (i32, i32), a lower and an upper bound of the levels in the tile.
  mlir::func::FuncOp level;
  /// False: nothing about the predicate is known before it runs; bounds is
  /// [0, len) and every tile PARTIAL.
  bool analysed = true;
  /// Why tiles run as partial that need not, "" if there is no reason.
  std::string remark;
  /// Pairs of an operand and an axis: tables of which the functions take a
  /// summary (fovea_abi_args), in this order. One without entries will do.
  llvm::SmallVector<int64_t> summaries;
  /// Terms of the section analysis.
  int terms = 0;
  /// Every live key is in closed form: bounds never evaluates a tile.
  bool closedForm = true;
  MaskTraits traits;
};

/// Solves `keep(operands..., b, h, q, k [, len]) -> i1 | i32` and adds the
/// functions above, named `prefix` + "_bounds" and so on, to `module`.
/// `numOperands` arguments come before b; by default all but the last four.
/// Of the last `planTables` operands no summaries are taken: the plan makes
/// these tables itself, and has none of them. `keep` itself is left alone. An
/// op that a mask cannot have is a diagnostic.
mlir::FailureOr<MaskSolution>
solveMask(mlir::ModuleOp module, mlir::func::FuncOp keep,
          llvm::StringRef prefix,
          std::optional<unsigned> numOperands = std::nullopt,
          unsigned planTables = 0);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKSOLVER_H
