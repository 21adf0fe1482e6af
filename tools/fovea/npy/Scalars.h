// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Conversions of single elements, to nearest even, for the driver's data.
#ifndef FOVEA_TOOLS_FOVEA_NPY_SCALARS_H
#define FOVEA_TOOLS_FOVEA_NPY_SCALARS_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace fovea::npy {

inline uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

inline float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline float fromBF16(uint16_t bits) { return floatOf(uint32_t(bits) << 16); }

inline uint16_t toBF16(float value) {
  uint32_t bits = bitsOf(value);
  if (std::isnan(value))
    return uint16_t((bits >> 16) | 0x40); // stays a NaN, quiet
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float fromF16(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16;
  uint32_t exponent = (bits >> 10) & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0x1f)
    return floatOf(sign | 0x7f800000 | (mantissa << 13));
  if (exponent == 0) {
    float value = std::ldexp(float(mantissa), -24);
    return sign ? -value : value;
  }
  return floatOf(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

inline uint16_t toF16(float value) {
  uint32_t bits = bitsOf(value);
  uint16_t sign = uint16_t((bits >> 16) & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return uint16_t(sign | 0x7e00);
  if (magnitude >= 0x477ff000) // 65520 and above round to infinity
    return uint16_t(sign | 0x7c00);
  if (magnitude < 0x38800000) { // below 2^-14: units of 2^-24
    float units = std::ldexp(floatOf(magnitude), 24);
    return uint16_t(sign | uint16_t(std::nearbyint(units)));
  }
  uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return uint16_t(sign | ((rounded - 0x38000000) >> 13));
}

/// A float that rounds on to any narrower type as `value` itself would: the
/// last bit remembers that something was cut off.
inline float toFloatForRounding(double value) {
  float nearest = float(value);
  if (std::isnan(value) || double(nearest) == value)
    return nearest;
  uint32_t bits = bitsOf(nearest);
  if (std::fabs(double(nearest)) > std::fabs(value))
    --bits;
  return floatOf(bits | 1);
}

} // namespace fovea::npy

#endif // FOVEA_TOOLS_FOVEA_NPY_SCALARS_H
