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
  EXPECT_EQ(failure([] {
              checkShapeNames(parseExtents("sqq=1"), {"b", "sq", "sk"});
            }),
            "unknown dim 'sqq', did you mean 'sq'? (dims: b, sq, sk)");
}

/// "rows lengths rest", or what is missing.
static std::string sequences(const std::string &text,
                             const std::string &defaults = "",
                             const std::string &rowsName = "rows") {
  Extents extents = parseExtents(text);
  std::string missing;
  auto taken =
      takeSequences(extents, parseExtents(defaults), rowsName, missing);
  return taken ? toString(taken->rows) + " " + toString(taken->lengths) + " " +
                     toString(numbersOf(extents))
               : "no " + missing;
}

TEST(Shape, listsSequences) {
  EXPECT_EQ(sequences("b=3,rows=1,sk=1K,d=64"), "1 1024 d=64");
  EXPECT_EQ(sequences("rows=[300,1x40],sk=1000"), "[300,1x40] 1000 ");
  EXPECT_EQ(sequences("rows=[2,2,5x1,1x2],sk=[9x2,10,11x2],b=5"),
            "[2x2,5,1x2] [9x2,10,11x2] ");
  EXPECT_EQ(sequences("rows=1,sk=[5,7],prefix=4"), "1 [5,7] ");
  EXPECT_EQ(sequences("b=2,sq=3,sk=7", "", "sq"), "3 7 ");
  EXPECT_EQ(sequences("b=2,rows=3,sk=7", "", "sq"), "3 7 ");
  EXPECT_EQ(sequences("b=0,rows=3,sk=7"), "0 0 ");
  EXPECT_EQ(sequences("", "b=3,rows=[257,1],sk=[300,20]"),
            "[257,1,257] [300,20,300] ");
  EXPECT_EQ(sequences("rows=1,sk=2"), "no b");
  EXPECT_EQ(sequences("b=1,sk=2"), "no rows");
  EXPECT_EQ(sequences("rows=[1]"), "no sk");
}

TEST(Shape, refusesLists) {
  EXPECT_EQ(failure([] { parseShape("b=2,sq=[1,2]"); }),
            "expected --shape to give dim 'sq' a number, got a list: only rows "
            "and sk of a kernel with a cache have one");
  EXPECT_EQ(failure([] { parseExtents("rows=[1,2"); }),
            "expected --shape to end the list of dim 'rows' with ']', got "
            "'[1,2'");
  EXPECT_EQ(failure([] { parseExtents("rows=[1,x2]"); }),
            "expected --shape to give dim 'rows' a number, got ''");
  EXPECT_EQ(failure([] { parseExtents("rows=[]"); }),
            "expected --shape to give dim 'rows' a number, got ''");
  EXPECT_EQ(failure([] { parseExtents("rows=[1x2M]"); }),
            "expected --shape to list at most 1048576 sequences, got more for "
            "dim 'rows'");
  EXPECT_EQ(failure([] { sequences("b=2,rows=[1,2,3],sk=9"); }),
            "expected --shape to list 2 sequences for dim 'rows' as for 'b', "
            "got 3");
  EXPECT_EQ(failure([] { sequences("b=[1,2],rows=1,sk=9"); }),
            "expected --shape to give dim 'b' a number, got a list");
  EXPECT_EQ(failure([] { sequences("rows=[1,20],sk=9"); }),
            "expected sk to count the rows too: sequence 1 has 20 rows and "
            "sk=9");
  EXPECT_EQ(failure([] { sequences("rows=1,sk=[5,9],prefix=5"); }),
            "expected prefix to be at most the tokens before the rows, 4 of "
            "sequence 0, got 5");
  EXPECT_EQ(failure([] { sequences("rows=1,sq=1,b=1,sk=1", "", "sq"); }),
            "expected --shape to give rows or sq, got both: they are the same");
}
