// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The full conversion of a module of GPU kernels, with words for the reader of
// a kernel about what cannot be converted. For both lowerings of `hw`.
#ifndef FOVEA_CODEGEN_TARGET_CONVERTKERNELS_H
#define FOVEA_CODEGEN_TARGET_CONVERTKERNELS_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/DialectConversion.h"

namespace fovea {

/// As applyFullConversion; an op that is left over is refused where it stands,
/// with what to use instead.
mlir::LogicalResult convertKernels(mlir::ModuleOp module,
                                   mlir::ConversionTarget &target,
                                   mlir::RewritePatternSet &&patterns);

} // namespace fovea

#endif // FOVEA_CODEGEN_TARGET_CONVERTKERNELS_H
