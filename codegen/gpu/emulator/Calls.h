// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The calls as C++ functions, for their definitions and for the table.
#ifndef FOVEA_CODEGEN_GPU_EMULATOR_CALLS_H
#define FOVEA_CODEGEN_GPU_EMULATOR_CALLS_H

#include "codegen/gpu/emulator/Cta.h"

namespace fovea::emulator::calls {
#define Unit fovea_emulator_unit_t *
#define FOVEA_EMULATOR_CALL(result, name, parameters) result name parameters;
#include "codegen/gpu/emulator/Calls.def"
#undef FOVEA_EMULATOR_CALL
#undef Unit
} // namespace fovea::emulator::calls
#endif
