// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The accuracy rule. What is allowed is derived from what a float32 kernel
// cannot avoid: an error of a score enters o as a relative error, and its size
// is proportional to the score.
#include "dialects/reference/Tolerance.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

using namespace fovea::reference;

/// The largest finite magnitude.
static double maxAbs(llvm::ArrayRef<double> values) {
  double largest = 0;
  for (double value : values)
    if (std::isfinite(value))
      largest = std::max(largest, std::fabs(value));
  return largest;
}

/// The largest error that rounding `values` to `type` makes.
static double maxRoundingError(llvm::ArrayRef<double> values, Element type) {
  double largest = 0;
  for (double value : values) {
    double error = std::fabs(roundTo(type, value) - value);
    if (std::isfinite(error))
      largest = std::max(largest, error);
  }
  return largest;
}

double fovea::reference::errorBound(llvm::ArrayRef<double> want, Element type,
                                    Role role, double maxScore) {
  double score = 2e-6 + 1.2e-7 * maxScore;
  switch (role) {
  case Role::Exact:
    return 0;
  case Role::LogSumExp:
    return score + std::ldexp(maxAbs(want), -24);
  case Role::Output:
    break;
  }
  double bound = score * maxAbs(want);
  if (type == Element::F16 || type == Element::BF16)
    bound += 1.5 * maxRoundingError(want, type);
  return bound;
}

double fovea::reference::weightBound(Element type, double maxValue) {
  if (type == Element::F16)
    return std::ldexp(maxValue, -12);
  return type == Element::BF16 ? std::ldexp(maxValue, -9) : 0;
}

/// |got - want|, where agreeing non-finite values are 0 apart and others
/// infinitely far.
static double distance(double got, double want) {
  if (got == want || (std::isnan(got) && std::isnan(want)))
    return 0;
  double error = std::fabs(got - want);
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

Comparison fovea::reference::compare(llvm::ArrayRef<double> got,
                                     llvm::ArrayRef<double> want,
                                     double tolerance) {
  assert(got.size() == want.size() && "shapes are compared by the caller");
  Comparison result;
  result.tolerance = tolerance;
  for (size_t i = 0; i < want.size(); ++i) {
    double error = distance(got[i], want[i]);
    if (result.worst < 0 || error > result.maxAbsError) {
      result.maxAbsError = error;
      result.worst = static_cast<int64_t>(i);
    }
  }
  double scale = maxAbs(want);
  result.maxRelError = result.maxAbsError == 0 ? 0 : result.maxAbsError / scale;
  result.ok = result.maxAbsError <= tolerance;
  return result;
}
