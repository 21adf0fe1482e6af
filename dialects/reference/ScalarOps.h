// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The meaning of the arith and math ops that scalar code may use. Private to
// the interpreter.
#ifndef FOVEA_DIALECTS_REFERENCE_SCALAROPS_H
#define FOVEA_DIALECTS_REFERENCE_SCALAROPS_H

#include "dialects/reference/ScalarProgram.h"

#include "mlir/IR/Operation.h"

namespace fovea::reference {

/// A scalar function of up to three operands; `width` is the number of bits of
/// the first. Integers come sign-extended (i1: as 0 or 1), and the result is
/// truncated to its own width by the caller.
using ScalarFunction = Cell (*)(Cell, Cell, Cell, unsigned width);

/// The function that `op` computes; null if the op has no place in scalar code.
ScalarFunction scalarFunction(mlir::Operation &op);

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_SCALAROPS_H
