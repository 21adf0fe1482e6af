// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The architectures that GPU code is generated for, and what each lacks.
#ifndef FOVEA_CODEGEN_GPU_PTX_ARCHITECTURE_H
#define FOVEA_CODEGEN_GPU_PTX_ARCHITECTURE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace fovea::gpu {

/// One NVIDIA architecture as LLVM and ptxas name it.
struct Architecture {
  /// "sm_80": -arch of ptxas and the processor of LLVM.
  llvm::StringLiteral name;
  /// The PTX version, as a feature of LLVM.
  llvm::StringLiteral ptx;
  /// Most dynamic shared memory of a CTA.
  int32_t sharedBytes;
  /// Has mbarrier transactions, TMA, wgmma and 8-bit floats.
  bool hopper;
};

/// The architecture of that name, or an error with all names.
llvm::Expected<const Architecture *> findArchitecture(llvm::StringRef name);

/// Refuses, by name, every op of the hw dialect that the architecture lacks.
mlir::LogicalResult checkArchitecture(mlir::ModuleOp module,
                                      const Architecture &arch);

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_PTX_ARCHITECTURE_H
