// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From kernels of the hw dialect to PTX text, in this process. Needs nothing of
// CUDA.
#ifndef FOVEA_CODEGEN_GPU_PTX_PTX_H
#define FOVEA_CODEGEN_GPU_PTX_PTX_H

#include "codegen/gpu/ptx/Architecture.h"

#include "mlir/IR/DialectRegistry.h"

namespace fovea::gpu {

/// The dialects that generatePtx produces, and their translations to LLVM IR.
void registerPtxDialects(mlir::DialectRegistry &registry);

/// Turns kernels of hw, with arith, scf, func and llvm in them, into functions
/// of the llvm dialect. What the architecture lacks is refused by name.
mlir::LogicalResult lowerToNvvm(mlir::ModuleOp module,
                                const Architecture &arch);

/// PTX of a module of kernels, or the LLVM IR before it; the module is left in
/// the llvm dialect.
llvm::Expected<std::string> generatePtx(mlir::ModuleOp module,
                                        const Architecture &arch,
                                        bool asLlvm = false);

/// Registers the pass hw-lower-to-nvvm.
void registerPtxPasses();

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_PTX_PTX_H
