// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The classes of kv's types, and the spelling of owners and units that other
// types share with them.
#ifndef FOVEA_DIALECTS_KV_KVTYPES_H
#define FOVEA_DIALECTS_KV_KVTYPES_H

#include "dialects/kv/KVCache.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpImplementation.h"

namespace fovea::kv {
/// The unit of a list, score or level map whose units are pages.
inline constexpr int64_t pageUnit = -1;
} // namespace fovea::kv

#define GET_TYPEDEF_CLASSES
#include "dialects/kv/KVTypes.h.inc"

namespace fovea::kv {

/// Parses `per = (b, h, q : 64), unit = k : 64`, or `unit = page` (pageUnit).
mlir::ParseResult parseOwner(mlir::AsmParser &parser, int64_t &queryBlock,
                             int64_t &unit);

/// Prints what parseOwner reads.
void printOwner(mlir::AsmPrinter &printer, int64_t queryBlock, int64_t unit);

/// Checks both block sizes; `label` is the constraint's label.
llvm::LogicalResult
verifyOwner(llvm::function_ref<mlir::InFlightDiagnostic()> emitError,
            int64_t queryBlock, int64_t unit, llvm::StringRef label);

/// Checks the levels of a pyramid [pyramid_c1].
llvm::LogicalResult
verifyLevels(llvm::function_ref<mlir::InFlightDiagnostic()> emitError,
             llvm::ArrayRef<int64_t> levels);

} // namespace fovea::kv

#endif // FOVEA_DIALECTS_KV_KVTYPES_H
