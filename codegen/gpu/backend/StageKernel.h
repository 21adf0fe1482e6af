// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Functions with the arguments of a stage as kernels.
#ifndef FOVEA_CODEGEN_GPU_BACKEND_STAGEKERNEL_H
#define FOVEA_CODEGEN_GPU_BACKEND_STAGEKERNEL_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fovea::gpu {

/// Turns `stage`, a function (args, plan, begin, end, scratch) -> i32 all of
/// whose ops are for a thread of a CTA, into
///   hw.kernel @stage(args, plan, begin, end, scratch)
/// What it would return lies in its scratch memory: StageFunction::Grid.
void makeKernel(mlir::func::FuncOp stage, int64_t threads, int64_t sharedBytes);

/// Lowers a module with one kernel for the emulator and adds @name, the
/// fovea_stage_fn that launches it with one CTA and the emulator's table, which
/// args->device points to. An error of the emulator is the stage's result,
/// StageEmulator (DecodeStream.h) added.
mlir::LogicalResult makeEmulatedStage(mlir::ModuleOp module,
                                      llvm::StringRef name);

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_BACKEND_STAGEKERNEL_H
