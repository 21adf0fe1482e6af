// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The accuracy rule, in one place: how far a result may lie from the float64
// reference. For `fovea verify`, the end-to-end table and the unit tests.
#ifndef FOVEA_DIALECTS_REFERENCE_TOLERANCE_H
#define FOVEA_DIALECTS_REFERENCE_TOLERANCE_H

#include "dialects/reference/Rounding.h"

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <string>

namespace fovea::reference {

/// What a result is; each kind has its own bound.
enum class Role {
  Output,    ///< o of attention or merge, averages of a pyramid
  LogSumExp, ///< lse
  Exact      ///< codes, indices, flags: no error at all
};

/// The largest accepted |got - want| for results of `type` whose reference
/// values are `want`, where no visible score exceeds `maxScore` in magnitude.
///
///   f32         (2e-6 + 1.2e-7 * maxScore) * max |want|
///   f16, bf16   1.5 * (largest error of rounding `want` to the type) + the
///               bound of f32: a value next to a tie may round the other way
///   lse         2e-6 + 1.2e-7 * maxScore + half a unit in the last place
///   exact       0
///
/// Non-finite elements of `want` take no part in the maxima.
double errorBound(llvm::ArrayRef<double> want, Element type, Role role,
                  double maxScore);

/// What is allowed besides where weights are rounded to `type` before they meet
/// the values, as the matrix products of GPUs have it: half a unit of 1 in the
/// last place, of the largest value. 0 for f32.
double weightBound(Element type, double maxValue);

/// The result of holding one tensor against its reference.
struct Comparison {
  double maxAbsError = 0; ///< inf if a non-finite value differs
  double maxRelError = 0; ///< maxAbsError / max |want|
  double tolerance = 0;   ///< the bound on maxAbsError
  bool ok = true;
  int64_t worst = -1; ///< position of the largest error; -1: no elements
};

/// Compares element by element. NaN agrees with NaN, an infinity with itself.
Comparison compare(llvm::ArrayRef<double> got, llvm::ArrayRef<double> want,
                   double tolerance);

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_TOLERANCE_H
