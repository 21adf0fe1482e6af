// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// --shape is read, and wrong words get the nearest right ones.
#include "tools/fovea/Shape.h"
#include "tools/fovea/Cli.h"

#include <gtest/gtest.h>

using namespace fovea::cli;

template <typename Fn>
static std::string failure(Fn fn) {
  try {
    fn();
  } catch (const Failure &f) {
    EXPECT_EQ(f.code, ExitUsage);
    return f.what();
  }
  return "";
}

TEST(Shape, parses) {
  Shape shape = parseShape("b=2,sq=257,sk=128K,d=0");
  EXPECT_EQ(toString(shape), "b=2,d=0,sk=131072,sq=257");
  EXPECT_TRUE(parseShape("").empty());
}

TEST(Shape, refuses) {
  EXPECT_EQ(failure([] { parseShape("b=2,sq"); }),
            "expected --shape= NAME=VALUE, got 'sq'");
  EXPECT_EQ(failure([] { parseShape("b=x"); }),
            "expected --shape to give dim 'b' a number, got 'x'");
  EXPECT_EQ(failure([] { parseShape("b=-1"); }),
            "expected --shape to give dim 'b' a number, got '-1'");
  EXPECT_EQ(failure([] { parseShape("b=99999999999999999999"); }),
            "expected --shape to give dim 'b' a number, got "
            "'99999999999999999999'");
  EXPECT_EQ(failure([] { parseShape("b=1,b=2"); }),
            "expected --shape to name 'b' once, got two");
  EXPECT_EQ(
      failure([] { checkShapeNames(parseShape("sqq=1"), {"b", "sq", "sk"}); }),
      "unknown dim 'sqq', did you mean 'sq'? (dims: b, sq, sk)");
}
