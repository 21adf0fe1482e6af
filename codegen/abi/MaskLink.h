// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Copies the functions of a solved mask into another module behind the C
// signatures of fovea/abi.h: into the module of a stage, and into the host plan
// module of a bundle.
#ifndef FOVEA_CODEGEN_ABI_MASKLINK_H
#define FOVEA_CODEGEN_ABI_MASKLINK_H

#include "codegen/abi/ProgramLayout.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fovea::cabi {

/// The wrapper `@<prefix><suffix>_abi` of the mask of `runs`, in `module`; its
/// inner function and what that calls come along as private functions.
mlir::FailureOr<mlir::func::FuncOp>
linkMaskFunction(mlir::ModuleOp module, tile::RunsOp runs,
                 llvm::StringRef suffix, const ProgramLayout &layout);

/// The module of all plan functions of `programs`: `_bounds_abi`,
/// `_class_abi` and `_keep_abi` of every mask, public.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
buildPlanModule(mlir::ModuleOp programs);

} // namespace fovea::cabi

#endif // FOVEA_CODEGEN_ABI_MASKLINK_H
