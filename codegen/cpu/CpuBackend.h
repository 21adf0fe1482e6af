// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The CPU back end behind codegen/target's interface.
#ifndef FOVEA_CODEGEN_CPU_CPUBACKEND_H
#define FOVEA_CODEGEN_CPU_CPUBACKEND_H

#include "codegen/target/Backend.h"

namespace fovea {

/// The back end of every x86-64 target.
const TargetBackend &cpuBackend();

} // namespace fovea

#endif // FOVEA_CODEGEN_CPU_CPUBACKEND_H
