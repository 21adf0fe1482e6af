// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verification: right results pass, and each kind of seeded fault is found.
#include "tools/fovea/Verify.h"

#include "dialects/RegisterDialects.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace mlir;
using namespace fovea;

namespace {

class VerifyTest : public testing::Test {
protected:
  VerifyTest() {
    DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
  }

  func::FuncOp parse(const std::string &text) {
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    return *module->getOps<func::FuncOp>().begin();
  }

  /// A causal kernel over `type` with lse.
  func::FuncOp causal(const std::string &type) {
    std::string q = "tensor<?x4x?x16x" + type + ">",
                k = "tensor<?x2x?x16x" + type + ">";
    return parse("func.func @f(%q: " + q + " {attn.name = \"q\"}, %k: " + k +
                 " {attn.name = \"k\"}, %v: " + k +
                 " {attn.name = \"v\"}) -> (" + q +
                 ", tensor<?x4x?xf32>) attributes {attn.kernel} {\n"
                 "%o, %l = attn.attention %q, %k, %v mask(causal) : (" +
                 q + ", " + k + ", " + k + ") -> (" + q +
                 ", tensor<?x4x?xf32>)\n return %o, %l : " + q +
                 ", tensor<?x4x?xf32>\n}");
  }

  /// What a perfect kernel returns: the reference, rounded.
  void compute(func::FuncOp kernel, const Dims &dims) {
    auto made = randomArguments(kernel, dims, 1);
    ASSERT_TRUE(bool(made));
    arguments = std::move(*made);
    auto values = toReference(kernel, arguments);
    ASSERT_TRUE(bool(values));
    auto wanted = reference::evaluate(kernel, *values);
    ASSERT_TRUE(bool(wanted)) << llvm::toString(wanted.takeError());
    auto made2 = resultsFor(kernel, dims);
    ASSERT_TRUE(bool(made2));
    results = std::move(*made2);
    for (size_t r = 0; r < results.size(); ++r) {
      const auto &tensor = std::get<reference::Tensor>((*wanted)[r]);
      ASSERT_EQ(tensor.shape, results[r].shape);
      for (int64_t i = 0; i < tensor.size(); ++i)
        results[r].set(i, tensor.data[i]);
    }
  }

  Verification check(func::FuncOp kernel) {
    auto verification = verify(kernel, arguments, results);
    if (!verification) {
      ADD_FAILURE() << llvm::toString(verification.takeError());
      return {};
    }
    return *verification;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::vector<HostValue> arguments;
  std::vector<HostTensor> results;
};

} // namespace

TEST_F(VerifyTest, PerfectResultsPass) {
  for (const char *type : {"f32", "f16", "bf16"}) {
    func::FuncOp kernel = causal(type);
    compute(kernel, {{"b", 2}, {"sq", 5}, {"sk", 9}});
    Verification verification = check(kernel);
    EXPECT_TRUE(verification.ok) << type << ": " << verification.describe();
    EXPECT_GT(verification.maxScore, 0.5);
  }
}

TEST_F(VerifyTest, OneWrongElementFails) {
  func::FuncOp kernel = causal("f32");
  compute(kernel, {{"b", 2}, {"sq", 5}, {"sk", 9}});
  // Batch 1, head 3, query 2, dim 7; query 2 is token 6.
  int64_t at = ((1 * 4 + 3) * 5 + 2) * 16 + 7;
  results[0].set(at, results[0].get(at) + 1e-4);
  Verification verification = check(kernel);
  EXPECT_FALSE(verification.ok);
  EXPECT_EQ(verification.worst, (std::vector<int64_t>{1, 3, 2, 7}));
  EXPECT_NE(verification.describe().find("attn.attention: the row sees 0-6"),
            std::string::npos)
      << verification.describe();
}

TEST_F(VerifyTest, OneUnitTooManyInHalfPrecisionFails) {
  func::FuncOp kernel = causal("bf16");
  compute(kernel, {{"b", 1}, {"sq", 5}, {"sk", 9}});
  // Two units in the last place of the largest element.
  int64_t at = 0;
  for (int64_t i = 0; i < results[0].size(); ++i)
    if (std::fabs(results[0].get(i)) > std::fabs(results[0].get(at)))
      at = i;
  results[0].set(at, results[0].get(at) * (1 + 0x1p-6));
  EXPECT_FALSE(check(kernel).ok);
}

TEST_F(VerifyTest, WrongLseFails) {
  func::FuncOp kernel = causal("f32");
  compute(kernel, {{"b", 1}, {"sq", 5}, {"sk", 9}});
  results[1].set(3, results[1].get(3) * 1.0000153); // log2 instead of ln, say
  Verification verification = check(kernel);
  EXPECT_FALSE(verification.ok);
  EXPECT_EQ(verification.result, 1u);
}

TEST_F(VerifyTest, NanFails) {
  func::FuncOp kernel = causal("f32");
  compute(kernel, {{"b", 1}, {"sq", 5}, {"sk", 9}});
  results[0].set(0, NAN);
  Verification verification = check(kernel);
  EXPECT_FALSE(verification.ok);
  EXPECT_TRUE(std::isinf(verification.maxAbsError));
}

// More queries than keys: the first rows see nothing. Any number but 0 there,
// even a tiny one behind a huge neighbour, is allowed only within the bound.
TEST_F(VerifyTest, RowsThatSeeNothingAreChecked) {
  func::FuncOp kernel = causal("f32");
  compute(kernel, {{"b", 1}, {"sq", 9}, {"sk", 5}});
  EXPECT_TRUE(check(kernel).ok);
  EXPECT_TRUE(std::isinf(results[1].get(0)));
  results[1].set(0, -1e30);
  Verification verification = check(kernel);
  EXPECT_FALSE(verification.ok);
  EXPECT_NE(verification.describe().find("the row sees no key"),
            std::string::npos);
}

TEST_F(VerifyTest, ArgumentsHaveUsesDimsAndSensibleValues) {
  func::FuncOp kernel = parse(R"(
    !t = tensor<?x4x?x8xf32>
    !e = tensor<?x2x?x8xf32, #kv.int8<per tok>>
    func.func @f(%q: !t {attn.name = "q"}, %k: !e {attn.name = "k"},
                 %v: !e {attn.name = "v"}, %w: tensor<4xi32>,
                 %d: tensor<?x?xi32>, %m: tensor<4xf32>,
                 %n: tensor<?xi32>) -> !t attributes {attn.kernel} {
      %o = attn.attention %q, %k, %v
          mask(window(%w : tensor<4xi32>) and documents(%d : tensor<?x?xi32>))
          score(alibi(%m : tensor<4xf32>)) lengths(%n : tensor<?xi32>)
          : (!t, !e, !e) -> !t
      return %o : !t
    })");
  std::vector<SpecArgument> infos = argumentsOf(kernel);
  EXPECT_EQ(infos[0].use, Use::Query);
  EXPECT_EQ(infos[1].use, Use::Key);
  EXPECT_EQ(infos[3].use, Use::MaskNumber);
  EXPECT_EQ(infos[4].use, Use::Documents);
  EXPECT_EQ(infos[4].dims, (std::vector<std::string>{"b", "sk"}));
  EXPECT_EQ(infos[5].use, Use::Slopes);
  EXPECT_EQ(infos[6].use, Use::Lengths);
  auto values = randomArguments(kernel, {{"b", 2}, {"sq", 3}, {"sk", 40}}, 5);
  ASSERT_TRUE(bool(values));
  ASSERT_EQ(values->size(), 9u);
  EXPECT_EQ((*values)[1].name, "k.codes");
  EXPECT_EQ((*values)[2].tensor.shape, (std::vector<int64_t>{2, 2, 40}));
  for (double id : (*values)[6].tensor.values())
    EXPECT_LT(id, 40);
  EXPECT_EQ((*values)[7].tensor.get(0), 0.25); // 2^(-8/4)
  for (double length : (*values)[8].tensor.values())
    EXPECT_TRUE(length >= 1 && length <= 40);
  auto missing = randomArguments(kernel, {{"b", 2}, {"sq", 3}}, 5);
  ASSERT_FALSE(bool(missing));
  EXPECT_EQ(llvm::toString(missing.takeError()),
            "expected a value for dim 'sk' of argument 'k'");
}
