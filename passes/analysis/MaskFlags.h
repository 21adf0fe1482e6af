// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits the function that looks for entries of 0 and others in a box of a
// table: what a mask asks of a table of flags for rows and keys (a block mask,
// a boolean tensor).
#ifndef FOVEA_PASSES_ANALYSIS_MASKFLAGS_H
#define FOVEA_PASSES_ANALYSIS_MASKFLAGS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fovea {

/// Most flags that one interval evaluation looks at: those of 256 queries and
/// 4096 keys. Mixed ones end the search after the first entries, and a box of
/// equal ones decides as much as was read.
constexpr int64_t kMaskFlagLimit = int64_t(1) << 20;

/// Bytes that such a function reads at a time where they lie side by side.
constexpr int64_t kMaskFlagBytes = 64;

/// What every such function's name begins with.
constexpr llvm::StringLiteral kMaskFlagPrefix = "fovea_mask_flags";

/// @<name>(table, first and end of the box along each axis) -> (least,
/// greatest), i64, of the box's entries, where those other than 0 count as 1.
/// The box has entries and lies in the table.
mlir::func::FuncOp emitMaskFlags(mlir::ModuleOp module, llvm::StringRef name,
                                 mlir::MemRefType table);

/// Lets such functions of the module read `bytes` bytes at a time instead of
/// kMaskFlagBytes: for a target without registers of that size.
void narrowMaskFlags(mlir::ModuleOp module, int64_t bytes);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKFLAGS_H
