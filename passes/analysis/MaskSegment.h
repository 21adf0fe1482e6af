// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits the function that finds the segment of a token in a table of ascending
// boundaries.
#ifndef FOVEA_PASSES_ANALYSIS_MASKSEGMENT_H
#define FOVEA_PASSES_ANALYSIS_MASKSEGMENT_H

#include "passes/analysis/MaskExpr.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fovea {

/// @<name>(table [, row], token: i64) -> i64, the part of a segment node;
/// `name` gets the part at its end. The one that the module has, or a new one.
/// Reads nothing outside of the table, and ends whatever the entries are.
mlir::func::FuncOp emitMaskSegment(mlir::ModuleOp module, std::string name,
                                   mlir::MemRefType table, MaskPart part);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKSEGMENT_H
