// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Mask regions that divide by, shift by and add up numbers that have no
// meaning there: kernels hide the pairs that the reference hides, whichever
// variant runs, and none of them traps. The solver's part is in test/zoo.
#include "dialects/RegisterDialects.h"
#include "passes/pipelines/SpecLoader.h"
#include "test/e2e/Compiled.h"
#include "tools/fovea/Verify.h"

#include <gtest/gtest.h>

#include <limits>

using namespace fovea;
using namespace fovea::e2e;

namespace {

constexpr int64_t kNumbers[] = {0,
                                -1,
                                1,
                                3,
                                31,
                                32,
                                63,
                                64,
                                std::numeric_limits<int32_t>::min(),
                                int64_t(1) << 31,
                                (int64_t(1) << 40) + 1,
                                std::numeric_limits<int64_t>::min(),
                                std::numeric_limits<int64_t>::max()};

/// `op` of key - 5 and a number: the scalar %n, or the entry of a table by key.
std::string specOf(const std::string &op, const std::string &type, bool byKey) {
  std::string cast = "arith.index_cast ";
  std::string small = type == "i32"
                          ? "    %w = arith.index_cast %s : index to "
                            "i64\n    %x = arith.trunci %w : i64 to "
                            "i32\n"
                          : "    %x = " + cast + "%s : index to i64\n";
  return "!q = tensor<?x1x?x8xf32>\n"
         "func.func @guard(%q: !q, %k: !q, %v: !q, " +
         (byKey ? "%n: tensor<?x" + type + "> {attn.dims = \"sk\"}"
                : "%n: " + type) +
         ") -> !q attributes {attn.kernel} {\n"
         "  %o = attn.attention %q, %k, %v mask { ^bb0(%b: index, %h: index, "
         "%i: index, %j: index):\n"
         "    %five = arith.constant 5 : index\n"
         "    %s = arith.subi %j, %five : index\n" +
         small +
         (byKey ? "    %m = tensor.extract %n[%j] : tensor<?x" + type + ">\n"
                : "    %z = arith.constant 0 : " + type +
                      "\n    %m = arith.addi %n, %z : " + type + "\n") +
         "    %y = arith." + op + " %x, %m : " + type + "\n    %r = " + cast +
         "%y : " + type +
         " to index\n"
         "    %keep = arith.cmpi sle, %r, %i : index\n"
         "    sel.yield %keep : i1 } : (!q, !q, !q) -> !q\n"
         "  return %o : !q\n}\n";
}

/// One of the specs, loaded for the reference and compiled.
struct Guard {
  Guard(const std::string &text, const std::string &target) {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    module = loadSpec(context, text, "guard.mlir", {});
    EXPECT_TRUE(bool(module)) << text;
    kernel = *module->getOps<mlir::func::FuncOp>().begin();
    auto made = Compiled::compile(text, "guard.mlir", target);
    EXPECT_TRUE(bool(made)) << llvm::toString(made.takeError()) << text;
    compiled.emplace(std::move(*made));
  }

  /// Runs with `numbers`, by turns where there is one for each key, and
  /// compares with what the reference makes of `wanted`.
  bool agrees(const Dims &dims, llvm::ArrayRef<int64_t> numbers,
              llvm::ArrayRef<int64_t> wanted) {
    auto arguments = randomArguments(kernel, dims, 7);
    auto results = resultsFor(kernel, dims);
    auto give = [&](llvm::ArrayRef<int64_t> from) {
      HostValue &n = arguments->back();
      if (n.isScalar)
        n.i = from[0];
      for (int64_t i = 0; !n.isScalar && i < dims.at("sk"); ++i)
        n.tensor.set(i, double(from[i % from.size()]));
    };
    give(numbers);
    llvm::Error error = compiled->run(*arguments, *results, dims);
    EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
    give(wanted);
    auto verification = verify(kernel, *arguments, *results);
    EXPECT_TRUE(bool(verification)) << llvm::toString(verification.takeError());
    hidden = verification->hidden;
    return verification->ok;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp kernel;
  std::optional<Compiled> compiled;
  std::string hidden;
};

const Dims kShapes[] = {{{"b", 1}, {"sq", 37}, {"sk", 53}},
                        {{"b", 1}, {"sq", 1}, {"sk", 53}}};

class Guards
    : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

/// What the type holds of the hostile numbers.
std::vector<int64_t> numbersOf(const std::string &type, bool byKey) {
  std::vector<int64_t> numbers;
  for (int64_t number : kNumbers) {
    if (type == "i32" && number != int32_t(number))
      continue;
    // The reference's tables hold what a double does.
    if (!byKey || number != std::numeric_limits<int64_t>::max())
      numbers.push_back(number);
  }
  return numbers;
}

} // namespace

TEST_P(Guards, HideWhatTheReferenceHides) {
  const auto &[op, type] = GetParam();
  bool guarded = op.find("div") != op.npos || op.find("rem") != op.npos ||
                 op.find("sh") != op.npos;
  // All targets share the builder of regions: one each will do.
  std::vector<std::string> targets = runnableTargets();
  Guard scalar(specOf(op, type, false), targets.front());
  int hidden = 0;
  for (const Dims &dims : kShapes)
    for (int64_t number : numbersOf(type, false)) {
      EXPECT_TRUE(scalar.agrees(dims, number, number)) << "by " << number;
      hidden += !scalar.hidden.empty();
    }
  EXPECT_EQ(hidden > 0, guarded);
  Guard table(specOf(op, type, true), targets.back());
  for (const Dims &dims : kShapes)
    EXPECT_TRUE(
        table.agrees(dims, numbersOf(type, true), numbersOf(type, true)));
}

INSTANTIATE_TEST_SUITE_P(
    Ops, Guards,
    testing::Combine(testing::Values("divsi", "divui", "remsi", "remui",
                                     "floordivsi", "ceildivsi", "ceildivui",
                                     "shli", "shrsi", "shrui", "addi", "subi",
                                     "muli"),
                     testing::Values("i32", "i64")),
    [](const auto &info) {
      return std::get<0>(info.param) + "_" + std::get<1>(info.param);
    });

// A checker counts only if it fails.
TEST(GuardChecker, SeesAPairThatIsNotHidden) {
  std::string target = runnableTargets().front();
  Guard division(specOf("divsi", "i64", false), target);
  EXPECT_FALSE(division.agrees(kShapes[0], {3}, {0}));
  EXPECT_FALSE(division.agrees(kShapes[0], {-1}, {1}));
  Guard shift(specOf("shrsi", "i32", true), target);
  EXPECT_FALSE(shift.agrees(kShapes[0], {3, 1}, {3, 32}));
}
