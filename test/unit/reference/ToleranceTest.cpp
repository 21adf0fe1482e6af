// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The accuracy rule and the rounding it rests on.
#include "dialects/reference/Tolerance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace fovea::reference;

static const double inf = std::numeric_limits<double>::infinity();
static const double nan_ = std::numeric_limits<double>::quiet_NaN();

TEST(Rounding, HalfHasElevenBits) {
  EXPECT_EQ(roundTo(Element::F16, 2048), 2048);
  EXPECT_EQ(roundTo(Element::F16, 2049), 2048); // a tie goes to even
  EXPECT_EQ(roundTo(Element::F16, 2051), 2052);
  EXPECT_EQ(roundTo(Element::F16, 65519), 65504);
  EXPECT_EQ(roundTo(Element::F16, 65520), inf);
  EXPECT_EQ(roundTo(Element::F16, -65520), -inf);
}

TEST(Rounding, HalfSubnormalsAreMultiplesOfTheSmallest) {
  EXPECT_EQ(roundTo(Element::F16, 0x1p-24), 0x1p-24);
  EXPECT_EQ(roundTo(Element::F16, 0x1p-25), 0); // a tie goes to even
  EXPECT_EQ(roundTo(Element::F16, 0x1.8p-24), 0x1p-23);
}

TEST(Rounding, BfloatHasEightBitsAndTheRangeOfFloat) {
  EXPECT_EQ(roundTo(Element::BF16, 257), 256);
  EXPECT_EQ(roundTo(Element::BF16, 259), 260);
  EXPECT_EQ(roundTo(Element::BF16, 3e38), 0x1.c4p127);
  EXPECT_EQ(roundTo(Element::BF16, 3.4e38), inf);
  EXPECT_EQ(roundTo(Element::BF16, 0x1p-133), 0x1p-133);
}

TEST(Rounding, EverySixteenBitValueIsItsOwnRounding) {
  for (int exponent = -20; exponent < 15; ++exponent)
    for (int bits = 1024; bits < 2048; ++bits) {
      double x = std::ldexp(bits, exponent - 10);
      EXPECT_EQ(roundTo(Element::F16, x),
                std::ldexp(std::nearbyint(std::ldexp(x, 24)), -24))
          << "only subnormals lose bits";
      if (exponent > -14) {
        EXPECT_EQ(roundTo(Element::F16, x), x);
      }
    }
}

TEST(Rounding, NonFiniteValuesStay) {
  for (Element type : {Element::F32, Element::F16, Element::BF16}) {
    EXPECT_TRUE(std::isnan(roundTo(type, nan_)));
    EXPECT_EQ(roundTo(type, -inf), -inf);
  }
}

TEST(Rounding, IntegersSaturateAndTiesGoToEven) {
  EXPECT_EQ(roundTo(Element::I8, 2.5), 2);
  EXPECT_EQ(roundTo(Element::I8, 3.5), 4);
  EXPECT_EQ(roundTo(Element::I8, 200), 127);
  EXPECT_EQ(roundTo(Element::I8, -200), -128);
}

TEST(Tolerance, FloatIsRelativeToTheLargestOutputAndGrowsWithScores) {
  double want[] = {0.5, -4, 1};
  EXPECT_DOUBLE_EQ(errorBound(want, Element::F32, Role::Output, 0), 8e-6);
  EXPECT_DOUBLE_EQ(errorBound(want, Element::F32, Role::Output, 100),
                   4 * (2e-6 + 1.2e-5));
}

TEST(Tolerance, HalfIsMeasuredByTheRoundingOfTheReference) {
  // 2049 rounds to 2048: an error of 1.
  double want[] = {2049, 16};
  EXPECT_DOUBLE_EQ(errorBound(want, Element::F16, Role::Output, 0),
                   1.5 + 2e-6 * 2049);
}

TEST(Tolerance, LseIsAbsolute) {
  double want[] = {16, -inf};
  EXPECT_DOUBLE_EQ(errorBound(want, Element::F32, Role::LogSumExp, 10),
                   2e-6 + 1.2e-6 + 0x1p-20);
}

TEST(Tolerance, NonFiniteElementsDoNotWidenTheBound) {
  double want[] = {nan_, inf, 1};
  EXPECT_DOUBLE_EQ(errorBound(want, Element::F32, Role::Output, 0), 2e-6);
}

TEST(Compare, FindsTheWorstElement) {
  double got[] = {1, 2.25, 3}, want[] = {1, 2, 3.125};
  Comparison result = compare(got, want, 0.5);
  EXPECT_TRUE(result.ok);
  EXPECT_EQ(result.worst, 1);
  EXPECT_EQ(result.maxAbsError, 0.25);
  EXPECT_EQ(result.maxRelError, 0.25 / 3.125);
  EXPECT_FALSE(compare(got, want, 0.2).ok);
}

// A checker counts only if it fails: each of these is a fault that an absolute
// difference alone would let through, because NaN compares false.
TEST(Compare, RefusesNonFiniteValuesThatDiffer) {
  double values[] = {1, nan_, inf, -inf};
  for (double got : values)
    for (double want : values) {
      bool same = got == want || (std::isnan(got) && std::isnan(want));
      EXPECT_EQ(compare(got, want, 1e300).ok, same) << got << " " << want;
    }
}

TEST(Compare, AcceptsExactlyTheBound) {
  double got = 1.5, want = 1;
  EXPECT_TRUE(compare(got, want, 0.5).ok);
  EXPECT_FALSE(compare(got, want, 0.499).ok);
}

TEST(Compare, AgreesOnNothing) {
  Comparison result = compare({}, {}, 0);
  EXPECT_TRUE(result.ok);
  EXPECT_EQ(result.worst, -1);
}
