// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads a mask predicate (a scalar function) into the expression graph.
#ifndef FOVEA_PASSES_ANALYSIS_MASKIMPORT_H
#define FOVEA_PASSES_ANALYSIS_MASKIMPORT_H

#include "passes/analysis/MaskExpr.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

#include <string>

namespace fovea {

/// A predicate as a graph.
///
/// Meaning fixed by the import (docs/dialects/mask-analysis.md):
///  - integers are exact; an op on a type narrower than 64 bits wraps in it;
///  - a pair whose evaluation reads a table outside its extents, divides by a
///    run-time number below 1 or shifts by one that its type does not have, is
///    masked, whichever way a select goes.
struct ImportedMask {
  MaskGraph graph;
  /// What the function returns: a predicate, or the integer level.
  MaskId value = -1;
  bool isLevel = false;
  /// The pair is live: value (level != 0) and every table index in range.
  MaskId live = -1;
  /// Table indices and shifts in range, divisors positive.
  MaskId valid = -1;
  /// Every run-time number that the graph saturates is small enough for that
  /// to make no difference; elsewhere nothing that the graph says counts.
  MaskId exact = -1;
  bool isAlwaysExact() const {
    return graph[exact].op == MaskOp::Bool && graph[exact].imm;
  }
  /// Node of every integer value of the function, for copying opaque ops.
  llvm::DenseMap<mlir::Value, MaskId> nodes;
  /// The first op that the analysis cannot look into, "" if none.
  std::string opaqueOp;
  unsigned numOperands = 0;
  unsigned planTables = 0; ///< of the operands, the last ones: not summarised
  bool hasLen = false;
  /// Operands whose entries ascend along the last axis, as the plan has seen
  /// to: tables of boundaries.
  llvm::SmallDenseSet<unsigned> ascending;
  /// Tables that are read over stretches of an axis, each once. The emitted
  /// functions take a summary of each behind the operands.
  struct Summary {
    unsigned operand, axis;
  };
  llvm::SmallVector<Summary, 4> summaries;
  /// Tables that are read at other entries for other queries, and of which
  /// nothing is asked but which entries are 0. A summary would cost a reading
  /// of each row, which is all that there is to read.
  llvm::SmallVector<unsigned, 2> flags;
  /// The inputs of the emitted functions before b.
  llvm::SmallVector<mlir::Type> inputs;
  /// The summary of a table along `axis` as an index of `inputs`; -1: none.
  int summaryOf(unsigned operand, unsigned axis) const;
};

/// An op that traps on some divisors: below 1, or where it reads bits without
/// sign, on 0.
bool isMaskDivision(mlir::Operation *op);
/// A division of fewer than 64 bits without sign: with 64, which an index has,
/// a divisor below 0 would be beyond every number that matters.
bool dividesBits(mlir::Operation *op);
/// An op that has no meaning for some second operands: those that are not below
/// the bits of its type.
bool isMaskShift(mlir::Operation *op);

/// Imports `keep(operands..., b, h, q, k [, len])`; `numOperands` arguments
/// come before b. Fails with a diagnostic at the op that a mask cannot have.
mlir::FailureOr<ImportedMask> importMask(mlir::func::FuncOp keep,
                                         unsigned numOperands,
                                         unsigned planTables = 0);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKIMPORT_H
