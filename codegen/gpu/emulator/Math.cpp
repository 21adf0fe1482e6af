// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Approximations, packed formats and bits. The approximations are better than
// a GPU's; subnormal numbers are zero as with .ftz.
#include "codegen/gpu/emulator/Calls.h"
#include "codegen/gpu/emulator/Numbers.h"

using namespace fovea::emulator;

static float flush(float x) {
  return std::fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x;
}

float calls::exp2_approx(float x) { return flush(exp2f(flush(x))); }
float calls::log2_approx(float x) { return log2f(flush(x)); }
float calls::rcp_approx(float x) { return flush(1 / flush(x)); }
float calls::tanh_approx(float x) { return tanhf(x); }

uint32_t calls::pack(uint32_t kind, float low, float high) {
  switch (kind) {
  case FOVEA_EMULATOR_F16:
    return toF16(low) | toF16(high) << 16;
  case FOVEA_EMULATOR_BF16:
    return toBf16(low) | toBf16(high) << 16;
  case FOVEA_EMULATOR_E4M3:
    return toE4m3(low) | toE4m3(high) << 8;
  default:
    return toE5m2(low) | toE5m2(high) << 8;
  }
}

void calls::unpack(uint32_t kind, uint32_t pair, float *out) {
  for (int i = 0; i < 2; ++i)
    switch (kind) {
    case FOVEA_EMULATOR_F16:
      out[i] = fromF16(pair >> (16 * i));
      break;
    case FOVEA_EMULATOR_BF16:
      out[i] = floatOf(pair >> (16 * i) << 16);
      break;
    case FOVEA_EMULATOR_E4M3:
      out[i] = fromE4m3(pair >> (8 * i));
      break;
    default:
      out[i] = fromE5m2(pair >> (8 * i));
    }
}

uint32_t calls::byte_permute(uint32_t a, uint32_t b, uint32_t selector) {
  uint64_t both = uint64_t(b) << 32 | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    uint32_t nibble = selector >> (4 * i) & 15;
    uint32_t byte = both >> (8 * (nibble & 7)) & 0xff;
    if (nibble & 8)
      byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * i);
  }
  return result;
}

uint32_t calls::lop3(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
  uint32_t result = 0;
  for (int i = 0; i < 8; ++i)
    if (table >> i & 1)
      result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  return result;
}

uint32_t calls::dp4a(uint32_t a, uint32_t b, uint32_t c) {
  for (int i = 0; i < 32; i += 8)
    c += uint32_t(int8_t(a >> i) * int8_t(b >> i));
  return c;
}
