// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parameters are substituted, and diagnostics find the way back.
#include "passes/pipelines/Parameters.h"

#include <gtest/gtest.h>

using namespace fovea;

using Definitions = std::vector<std::pair<std::string, std::string>>;

static std::string firstError(llvm::StringRef text, Definitions defines) {
  Substituted s = substituteParameters(text, defines);
  return s.errors.empty() ? "" : s.errors[0].text;
}

static Substituted substitute(llvm::StringRef text, Definitions defines) {
  return substituteParameters(text, defines);
}

TEST(Parameters, valuesAndDefaults) {
  Substituted s = substitute("tensor<?x${H}x?x${D:64}xf32>", {{"H", "32"}});
  EXPECT_TRUE(s.errors.empty());
  EXPECT_EQ(s.text, "tensor<?x32x?x64xf32>");
  EXPECT_EQ(substitute("${D:64}", {{"D", "128"}}).text, "128");
  EXPECT_EQ(substitute("a${E:}b", {}).text, "ab");
}

TEST(Parameters, commentsAreLeftAlone) {
  Substituted s = substitute("x // ${H}\n\"//${H:1}\"", {});
  EXPECT_TRUE(s.errors.empty());
  EXPECT_EQ(s.text, "x // ${H}\n\"//1\"");
}

TEST(Parameters, columnsMapBack) {
  //                                     1234567890123456789
  Substituted s = substitute("a\nab ${HEADS} cd ${D:1} e", {{"HEADS", "4"}});
  ASSERT_EQ(s.text, "a\nab 4 cd 1 e");
  EXPECT_EQ(s.positions.originalColumn(1, 1), 1);
  EXPECT_EQ(s.positions.originalColumn(2, 1), 1);
  EXPECT_EQ(s.positions.originalColumn(2, 4), 4);   // the value
  EXPECT_EQ(s.positions.originalColumn(2, 6), 13);  // c
  EXPECT_EQ(s.positions.originalColumn(2, 9), 16);  // the second value
  EXPECT_EQ(s.positions.originalColumn(2, 11), 23); // e
  EXPECT_EQ(s.positions.originalColumn(3, 7), 7);
}

TEST(Parameters, errorsHavePlaces) {
  Substituted s = substitute("ok\n  ${H}", {});
  ASSERT_EQ(s.errors.size(), 1u);
  EXPECT_EQ(s.errors[0].text, "parameter 'H' has no value: give H=.. or write "
                              "a default, ${H:..}");
  EXPECT_EQ(s.errors[0].line, 2);
  EXPECT_EQ(s.errors[0].column, 3);
}

TEST(Parameters, everyError) {
  EXPECT_EQ(firstError("${HEADS}", {{"HEADS", "1"}, {"HAEDS", "2"}}),
            "parameter 'HAEDS' is not used by the spec: did you mean 'HEADS'?");
  EXPECT_EQ(firstError("", {{"H", "2"}}),
            "parameter 'H' is not used by the spec");
  EXPECT_EQ(firstError("", {{"1H", "2"}}),
            "expected a parameter to have a name, got '1H'");
  EXPECT_EQ(firstError("${H}", {{"H", "1"}, {"H", "2"}}),
            "expected one value for parameter 'H', got two");
  EXPECT_EQ(firstError("${H}", {{"H", "1\n2"}}),
            "expected parameter 'H' to have a value without line breaks");
  EXPECT_EQ(firstError("${H", {{"H", "1"}}), "expected '}' after '${'");
  EXPECT_EQ(firstError("${a b}", {}),
            "expected a parameter name between '${' and '}', got 'a b'");
}

TEST(Parameters, definitions) {
  std::pair<std::string, std::string> define;
  ASSERT_TRUE(parseDefine("H=a=b", define));
  EXPECT_EQ(define.first, "H");
  EXPECT_EQ(define.second, "a=b");
  EXPECT_TRUE(parseDefine("H=", define));
  EXPECT_FALSE(parseDefine("H", define));
  EXPECT_FALSE(parseDefine("=2", define));
  EXPECT_FALSE(parseDefine("1H=2", define));
}
