// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packed formats, bits and approximations against plain formulas.
#include "test/unit/codegen/gpu/emulator/Fixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace fovea::emulator;

static float half(uint32_t bits, uint32_t kind = FOVEA_EMULATOR_F16) {
  float out[2];
  calls().unpack(kind, bits, out);
  return out[0];
}

// Every value survives; between two values the nearer wins, the even one at
// the middle.
static void checkFormat(uint32_t kind, uint32_t largest) {
  for (uint32_t bits = 0; bits < largest; ++bits) {
    float low = half(bits, kind), high = half(bits + 1, kind);
    ASSERT_LT(low, high);
    auto round = [&](double x) { return calls().pack(kind, float(x), 0); };
    EXPECT_EQ(round(low), bits);
    double middle = (double(low) + high) / 2;
    EXPECT_EQ(round(middle), bits + (bits & 1));
    EXPECT_EQ(round(middle - (double(high) - low) / 8), bits);
    EXPECT_EQ(round(middle + (double(high) - low) / 8), bits + 1);
  }
}

TEST(EmulatorNumbers, RoundToNearestEven) {
  checkFormat(FOVEA_EMULATOR_F16, 0x7bff);
  checkFormat(FOVEA_EMULATOR_BF16, 0x7f7f);
  checkFormat(FOVEA_EMULATOR_E4M3, 0x7e);
  checkFormat(FOVEA_EMULATOR_E5M2, 0x7b);
}

TEST(EmulatorNumbers, EdgesOfTheFormats) {
  EXPECT_EQ(half(0x3c00), 1.0f);
  EXPECT_EQ(half(0x3f80, FOVEA_EMULATOR_BF16), 1.0f);
  EXPECT_EQ(half(0x38, FOVEA_EMULATOR_E4M3), 1.0f);
  EXPECT_EQ(half(0x7e, FOVEA_EMULATOR_E4M3), 448.0f);
  EXPECT_EQ(half(0x3c, FOVEA_EMULATOR_E5M2), 1.0f);
  EXPECT_EQ(calls().pack(FOVEA_EMULATOR_F16, 1e9f, -1e9f), 0xfc007c00u);
  EXPECT_EQ(calls().pack(FOVEA_EMULATOR_BF16, -2, 1), 0x3f80c000u);
  EXPECT_EQ(calls().pack(FOVEA_EMULATOR_E4M3, 1e9f, -INFINITY), 0xfe7eu);
  EXPECT_EQ(calls().pack(FOVEA_EMULATOR_E5M2, 1e9f, -INFINITY), 0xfb7bu);
  for (uint32_t kind : {FOVEA_EMULATOR_F16, FOVEA_EMULATOR_BF16,
                        FOVEA_EMULATOR_E4M3, FOVEA_EMULATOR_E5M2})
    EXPECT_TRUE(std::isnan(half(calls().pack(kind, NAN, 0), kind))) << kind;
}

TEST(EmulatorNumbers, Bits) {
  EXPECT_EQ(calls().byte_permute(0x33221100, 0x77665544, 0x7531), 0x77553311u);
  EXPECT_EQ(calls().byte_permute(0x80007f00, 0, 0xb9ab), 0xff0000ffu);
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    uint32_t a = random(), b = random(), c = random();
    EXPECT_EQ(calls().lop3(a, b, c, 0xea), (a & b) | c);
    EXPECT_EQ(calls().lop3(a, b, c, 0xf0 ^ 0xcc ^ 0xaa), a ^ b ^ c);
    int32_t sum = int32_t(c) / 2;
    uint32_t start = uint32_t(sum);
    for (int k = 0; k < 4; ++k)
      sum += int32_t(int8_t(a >> 8 * k)) * int8_t(b >> 8 * k);
    EXPECT_EQ(calls().dp4a(a, b, start), uint32_t(sum));
  }
}

TEST(EmulatorNumbers, Approximations) {
  EXPECT_EQ(calls().exp2_approx(3), 8.0f);
  EXPECT_EQ(calls().exp2_approx(-INFINITY), 0.0f);
  EXPECT_EQ(calls().exp2_approx(-140), 0.0f); // subnormal
  EXPECT_EQ(calls().log2_approx(8), 3.0f);
  EXPECT_EQ(calls().log2_approx(1e-40f), -INFINITY);
  EXPECT_EQ(calls().rcp_approx(4), 0.25f);
  EXPECT_FLOAT_EQ(calls().tanh_approx(0.5f), std::tanh(0.5f));
}
