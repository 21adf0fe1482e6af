// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elements of host tensors, and the random numbers that fill them.
#include "tools/fovea/HostTensor.h"
#include "tools/fovea/Random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

using namespace fovea;

static uint16_t bitsOf(fovea_dtype dtype, double value) {
  HostTensor tensor(dtype, {1});
  tensor.set(0, value);
  uint16_t bits;
  std::memcpy(&bits, tensor.bytes.data(), sizeof bits);
  return bits;
}

TEST(HostTensor, HalfBits) {
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_F16, 1), 0x3c00);
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_F16, -2), 0xc000);
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_F16, 65504), 0x7bff);
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_F16, 1e6), 0x7c00);
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_F16, 0x1p-24), 0x0001);
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_F16, 0x1p-14), 0x0400);
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_F16, -0.0), 0x8000);
}

TEST(HostTensor, BfloatBits) {
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_BF16, 1), 0x3f80);
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_BF16, 1 + 0x1p-8), 0x3f80); // tie to even
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_BF16, 1 + 0x1.8p-7), 0x3f82);
  EXPECT_EQ(bitsOf(FOVEA_DTYPE_BF16, 1e39), 0x7f80);
}

TEST(HostTensor, Every16BitPatternSurvives) {
  for (fovea_dtype dtype : {FOVEA_DTYPE_F16, FOVEA_DTYPE_BF16}) {
    HostTensor in(dtype, {65536}), out(dtype, {65536});
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      uint16_t narrow = static_cast<uint16_t>(bits);
      std::memcpy(&in.bytes[2 * bits], &narrow, 2);
      out.set(bits, in.get(bits));
      if (std::isnan(in.get(bits)))
        EXPECT_TRUE(std::isnan(out.get(bits)));
      else
        EXPECT_EQ(std::memcmp(&in.bytes[2 * bits], &out.bytes[2 * bits], 2), 0)
            << bits;
    }
  }
}

TEST(HostTensor, IntegersSaturate) {
  HostTensor tensor(FOVEA_DTYPE_I8, {2});
  tensor.set(0, 300);
  tensor.set(1, -2.5);
  EXPECT_EQ(tensor.get(0), 127);
  EXPECT_EQ(tensor.get(1), -2);
}

TEST(HostTensor, ViewNamesTheType) {
  HostTensor tensor(FOVEA_DTYPE_BF16, {2, 3});
  fovea_tensor view = tensor.view();
  EXPECT_EQ(view.ndim, 2);
  EXPECT_EQ(view.shape[1], 3);
  EXPECT_EQ(view.dtype.code, kDLBfloat);
  EXPECT_EQ(view.dtype.bits, 16);
  EXPECT_EQ(tensor.bytes.size(), 12u);
}

// The stream is part of the interface: a printed seed must rerun a case on any
// machine.
TEST(Random, IsTheSameEverywhere) {
  Random random(1);
  EXPECT_EQ(random.next(), 0x910a2dec89025cc1u);
  EXPECT_EQ(random.next(), 0xbeeb8da1658eec67u);
}

TEST(Random, NormalHasMeanZeroAndVarianceOne) {
  Random random(7);
  double sum = 0, squares = 0, largest = 0;
  constexpr int n = 200000;
  for (int i = 0; i < n; ++i) {
    double x = random.normal();
    sum += x;
    squares += x * x;
    largest = std::fmax(largest, std::fabs(x));
  }
  EXPECT_NEAR(sum / n, 0, 0.01);
  EXPECT_NEAR(squares / n, 1, 0.02);
  EXPECT_LE(largest, 3.5);
}

TEST(Random, IntegersCoverTheirRange) {
  Random random(3);
  int seen[4] = {};
  for (int i = 0; i < 1000; ++i)
    ++seen[random.integer(-1, 2) + 1];
  for (int count : seen)
    EXPECT_GT(count, 150);
}
