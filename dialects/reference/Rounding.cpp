// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rounding to storage types, written out so that it depends neither on the
// compiler's half-precision support nor on the code that it judges.
#include "dialects/reference/Rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace fovea::reference;

/// Rounds to `precision` significant bits; 2^lowest is the smallest step (that
/// of the subnormals) and `largest` the largest finite value.
static double roundBinary(double x, int precision, int lowest, double largest) {
  if (!std::isfinite(x) || x == 0)
    return x;
  int exponent; // |x| is in [2^(exponent - 1), 2^exponent)
  std::frexp(x, &exponent);
  int step = std::max(exponent - precision, lowest);
  double rounded = std::ldexp(std::nearbyint(std::ldexp(x, -step)), step);
  if (std::fabs(rounded) > largest)
    return std::copysign(std::numeric_limits<double>::infinity(), x);
  return rounded;
}

static double roundInteger(double x, double low, double high) {
  return std::isnan(x) ? 0 : std::clamp(std::nearbyint(x), low, high);
}

double fovea::reference::roundTo(Element type, double x) {
  switch (type) {
  case Element::F64:
    return x;
  case Element::F32:
    return static_cast<float>(x);
  case Element::F16:
    return roundBinary(x, 11, -24, 65504);
  case Element::BF16:
    return roundBinary(x, 8, -133, std::ldexp(255, 120));
  case Element::I64:
    return roundInteger(x, -0x1p63, 0x1p63);
  case Element::I32:
    return roundInteger(x, -0x1p31, 0x1p31 - 1);
  case Element::I8:
    return roundInteger(x, -128, 127);
  case Element::Bool:
    return x != 0;
  }
  return x;
}
