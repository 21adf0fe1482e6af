// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The small number formats, to and from float, rounding to nearest even.
#ifndef FOVEA_CODEGEN_GPU_EMULATOR_NUMBERS_H
#define FOVEA_CODEGEN_GPU_EMULATOR_NUMBERS_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace fovea::emulator {

inline uint32_t bitsOf(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}
inline float floatOf(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

/// Widens a float of `exponent` and `mantissa` bits; the highest exponent is
/// that of infinity and NaN.
inline float widen(uint32_t bits, int exponent, int mantissa) {
  uint32_t sign = bits >> (exponent + mantissa) & 1;
  uint32_t e = bits >> mantissa & ((1u << exponent) - 1);
  uint32_t m = bits & ((1u << mantissa) - 1);
  int bias = (1 << (exponent - 1)) - 1;
  if (e == (1u << exponent) - 1)
    return floatOf(sign << 31 | 0x7f800000 | m << (23 - mantissa));
  float x = e ? ldexpf(float(m | 1u << mantissa), int(e) - bias - mantissa)
              : ldexpf(float(m), 1 - bias - mantissa);
  return sign ? -x : x;
}

/// Rounds a finite number to a multiple of its unit in the last place.
inline uint32_t narrow(float x, int exponent, int mantissa) {
  int bias = (1 << (exponent - 1)) - 1;
  uint32_t sign = uint32_t(std::signbit(x)) << (exponent + mantissa);
  x = fabsf(x);
  int e;
  frexpf(x, &e);
  int ulp = (x && e - 1 > 1 - bias ? e - 1 : 1 - bias) - mantissa;
  // Exact but for the rounding itself, which is to even.
  uint32_t m = uint32_t(nearbyint(ldexp(double(x), -ulp)));
  // A carry out of the mantissa counts the exponent up by itself.
  return sign | (uint32_t(ulp + mantissa + bias - 1) << mantissa) + m;
}

inline float fromF16(uint32_t bits) { return widen(bits & 0xffff, 5, 10); }
inline float fromBf16(uint32_t bits) { return floatOf(bits << 16); }

inline uint32_t toF16(float x) {
  if (std::isnan(x))
    return 0x7fff;
  if (fabsf(x) >= 65520.0f)
    return std::signbit(x) ? 0xfc00 : 0x7c00;
  return narrow(x, 5, 10);
}
inline uint32_t toBf16(float x) {
  uint32_t bits = bitsOf(x);
  if (std::isnan(x))
    return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/// E4M3 has no infinity: 0x7f and 0xff are NaN, 448 is the largest.
inline float fromE4m3(uint32_t bits) {
  bits &= 0xff;
  if ((bits & 0x7f) == 0x7f)
    return NAN;
  // The highest exponent is an ordinary one.
  if ((bits & 0x78) == 0x78) {
    float x = ldexpf(float(8 + (bits & 7)), 8 - 3);
    return bits & 0x80 ? -x : x;
  }
  return widen(bits, 4, 3);
}
inline float fromE5m2(uint32_t bits) { return widen(bits & 0xff, 5, 2); }

/// Both saturate, infinity too.
inline uint32_t toE4m3(float x) {
  if (std::isnan(x))
    return 0x7f;
  if (fabsf(x) >= 448)
    return std::signbit(x) ? 0xfe : 0x7e;
  return narrow(x, 4, 3);
}
inline uint32_t toE5m2(float x) {
  if (std::isnan(x))
    return 0x7f;
  if (fabsf(x) >= 57344)
    return std::signbit(x) ? 0xfb : 0x7b;
  return narrow(x, 5, 2);
}

} // namespace fovea::emulator
#endif
