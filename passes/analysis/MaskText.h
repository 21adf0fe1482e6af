// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plan functions that are written as text. Internal to passes/analysis.
#ifndef FOVEA_PASSES_ANALYSIS_MASKTEXT_H
#define FOVEA_PASSES_ANALYSIS_MASKTEXT_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fovea {

/// Adds the one function that `text` holds to `module`. It may call functions
/// of the module: the text is not verified on its own.
mlir::func::FuncOp addFunctionText(mlir::ModuleOp module, llvm::StringRef text);

} // namespace fovea
#endif // FOVEA_PASSES_ANALYSIS_MASKTEXT_H
