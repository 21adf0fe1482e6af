// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes that have a flag, for the tools and the pipelines.
#ifndef FOVEA_PASSES_PASSES_H
#define FOVEA_PASSES_PASSES_H

#include "mlir/Pass/Pass.h"

namespace fovea {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

} // namespace fovea

#endif // FOVEA_PASSES_PASSES_H
