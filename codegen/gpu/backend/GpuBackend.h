// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The GPU back end behind codegen/target's interface: the same kernels for a
// GPU and for its emulator.
#ifndef FOVEA_CODEGEN_GPU_BACKEND_GPUBACKEND_H
#define FOVEA_CODEGEN_GPU_BACKEND_GPUBACKEND_H

#include "codegen/target/Backend.h"

namespace fovea {

/// The back end of sm_80 and sm_90a, real and emulated.
const TargetBackend &gpuBackend();

} // namespace fovea

#endif // FOVEA_CODEGEN_GPU_BACKEND_GPUBACKEND_H
