// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits the function that finds the least and greatest entry of a stretch of a
// table, by its summary where the caller has one.
#ifndef FOVEA_PASSES_ANALYSIS_MASKSCAN_H
#define FOVEA_PASSES_ANALYSIS_MASKSCAN_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fovea {

/// The summary of a table along `axis` as a function argument: i64 with the
/// table's dims, those of `axis` counted in blocks, and a last dim of least and
/// greatest (fovea_abi_args); without any block where there is none.
mlir::MemRefType maskSummaryType(mlir::MemRefType table);
/// Whether a table can have a summary: it and the last dim fit a view.
bool canSummarise(mlir::MemRefType table);

/// @<name>(table, summary, indices of the other axes.., lo, hi) -> (least,
/// greatest), i64, over the entries [lo, hi) along `axis`, which must lie in
/// the table.
mlir::func::FuncOp emitMaskScan(mlir::ModuleOp module, llvm::StringRef name,
                                mlir::MemRefType table, unsigned axis);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKSCAN_H
