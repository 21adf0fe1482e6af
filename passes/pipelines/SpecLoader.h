// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The text of a spec -> a verified module. The one way in for the compiler,
// the reference and the driver.
#ifndef FOVEA_PASSES_PIPELINES_SPECLOADER_H
#define FOVEA_PASSES_PIPELINES_SPECLOADER_H

#include "passes/pipelines/Parameters.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace fovea {

/// Substitutes parameters, parses, verifies, and checks what only a spec must
/// keep: no discardable attribute but attn.kernel, attn.name and attn.dims, no
/// public function that is not a kernel, at least one kernel, only the ops
/// that docs/spec.md lists. Arguments without attn.name get it from their SSA
/// name, tensors without attn.dims from their use (SpecDims.h). Locations and
/// diagnostics are those of the text as written; `name` is its file name in
/// them. Null after diagnostics.
mlir::OwningOpRef<mlir::ModuleOp> loadSpec(mlir::MLIRContext &context,
                                           llvm::StringRef text,
                                           llvm::StringRef name,
                                           Defines defines);

} // namespace fovea

#endif // FOVEA_PASSES_PIPELINES_SPECLOADER_H
