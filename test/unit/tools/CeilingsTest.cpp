// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ceilings are plausible: they grow with the work, not with the time.
#include "tools/fovea/Ceilings.h"

#include <gtest/gtest.h>

using namespace fovea::cli;

TEST(Ceilings, median) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(median({}), 0);
}

TEST(Ceilings, measures) {
  if (!hostHasAVX2())
    GTEST_SKIP() << "this machine lacks AVX2";
  CeilingMeter narrow(1, false);
  double fma = narrow.fma(0.002);
  EXPECT_GT(fma, 1.0);
  EXPECT_LT(fma, 1000.0);
  double read = narrow.read(0.002);
  EXPECT_GT(read, 0.2);
  EXPECT_LT(read, 1000.0);
  EXPECT_EQ(CeilingMeter(2, true).threads(), 2);
}
