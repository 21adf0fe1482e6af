// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rounding of doubles to the element types that a spec stores. For the
// tolerance rule, which compares with the error of one such rounding, and for
// whoever prepares inputs.
#ifndef FOVEA_DIALECTS_REFERENCE_ROUNDING_H
#define FOVEA_DIALECTS_REFERENCE_ROUNDING_H

namespace fovea::reference {

/// Element types of tensors outside the compiler.
enum class Element { F64, F32, F16, BF16, I64, I32, I8, Bool };

/// `x` as a value of type `type`: round to nearest, ties to even; a float
/// beyond the largest finite value becomes infinite, an integer saturates.
double roundTo(Element type, double x);

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_ROUNDING_H
