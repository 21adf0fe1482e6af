// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From kernels of the hw dialect to x86-64 functions that call the emulator.
#ifndef FOVEA_CODEGEN_GPU_EMULATOR_LOWERING_HWTOEMULATOR_H
#define FOVEA_CODEGEN_GPU_EMULATOR_LOWERING_HWTOEMULATOR_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

namespace fovea::gpu {

/// The dialects that lowerToEmulator produces and their translations.
void registerEmulatorDialects(mlir::DialectRegistry &registry);

/// Turns each kernel into a function
///   i32 @kernel(ptr launch, ptr table, the kernel's arguments)
/// of the llvm dialect. `launch` is a fovea_emulator_launch_t whose caller has
/// set what is not the kernel's own (size, ctas, seed, ranges), `table` the
/// emulator's; the result is a fovea_emulator_error_t. The code needs no
/// symbol.
mlir::LogicalResult lowerToEmulator(mlir::ModuleOp module);

/// Registers the pass hw-lower-to-emulator.
void registerEmulatorPasses();

} // namespace fovea::gpu
#endif
