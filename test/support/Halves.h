// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 16-bit floats as bits, for tests: to and from float, to nearest even.
// Includes nothing of ours.
#ifndef FOVEA_TEST_SUPPORT_HALVES_H
#define FOVEA_TEST_SUPPORT_HALVES_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace halves {

inline float fromBF16(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float x;
  std::memcpy(&x, &wide, 4);
  return x;
}

inline uint16_t toBF16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  if (std::isnan(x))
    return 0x7fc0;
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float fromF16(uint16_t bits) {
  int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  float sign = bits & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31)
    return fraction ? NAN : sign * INFINITY;
  if (exponent == 0)
    return sign * std::ldexp(float(fraction), -24);
  return sign * std::ldexp(float(fraction + 1024), exponent - 25);
}

inline uint16_t toF16(float x) {
  uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  x = std::fabs(x);
  if (std::isnan(x))
    return 0x7e00;
  if (x >= 65520.0f)
    return sign | 0x7c00;
  if (x < 6.103515625e-05f) // subnormal: a multiple of 2^-24
    return sign | uint16_t(std::nearbyint(std::ldexp(x, 24)));
  int exponent;
  float fraction = std::frexp(x, &exponent); // [0.5, 1)
  int scaled = int(std::nearbyint(std::ldexp(fraction, 11)));
  return sign | uint16_t(((exponent + 14) << 10) + scaled - 1024);
}

} // namespace halves

#endif // FOVEA_TEST_SUPPORT_HALVES_H
