// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Functions that several stages have a copy of, the mask's above all, are
// compiled once: they are a good part of what a kernel costs to compile.
#ifndef FOVEA_CODEGEN_CPU_SHAREDFUNCTIONS_H
#define FOVEA_CODEGEN_CPU_SHAREDFUNCTIONS_H

#include "codegen/target/Backend.h"

namespace fovea::cpu {

/// Leaves private functions of `units` that `plan` has, too, under one name and
/// with one body, to the plan, where they become public; returns whether there
/// are any. `plan` may be null.
///
/// Moves others that occur in more than one unit into a unit of their own,
/// without a stage, behind the last that had one of them. Functions with
/// another body under the same name stay where they are, and so do all if there
/// is so little of them that a unit costs more. The units of one image only.
bool shareFunctions(std::vector<StageUnit> &units, mlir::ModuleOp plan);

} // namespace fovea::cpu

#endif // FOVEA_CODEGEN_CPU_SHAREDFUNCTIONS_H
