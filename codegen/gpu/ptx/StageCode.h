// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stages as code for a GPU: what a bundle holds of them.
#ifndef FOVEA_CODEGEN_GPU_PTX_STAGECODE_H
#define FOVEA_CODEGEN_GPU_PTX_STAGECODE_H

#include "codegen/gpu/ptx/Architecture.h"
#include "codegen/target/Backend.h"
#include "dialects/hw/Hw.h"

namespace fovea::gpu {

/// Says once, before stages are compiled, what becomes of them: a remark where
/// there is no ptxas, so that the bundle holds PTX alone and the driver
/// compiles it when it is loaded. Fails where one was named that is not there.
mlir::LogicalResult reportAssembler(mlir::ModuleOp module);

/// Makes a kernel (args, plan, begin, end, scratch) one (args, plan, range,
/// scratch), which reads the items that are its launch's from memory, so that a
/// captured launch runs those of any plan.
mlir::LogicalResult readRange(hw::KernelOp kernel);

/// Compiles a module with one kernel (args, plan, begin, end, scratch), which
/// becomes one (args, plan, range, scratch) called `symbol`
/// (fovea_bundle_launch). The object is its PTX and, with ptxas, its cubin;
/// assembly is the PTX.
llvm::Expected<llvm::SmallVector<char, 0>>
compileStage(mlir::ModuleOp module, llvm::StringRef symbol,
             const Architecture &arch, UnitOutput output);

/// Whether an object is one of those, and not machine code of a CPU.
bool isStageCode(llvm::StringRef object);

/// The objects of all units as the code of a target.
llvm::Expected<LinkedCode> linkStages(llvm::ArrayRef<StageUnit> units,
                                      llvm::ArrayRef<llvm::StringRef> objects);

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_PTX_STAGECODE_H
