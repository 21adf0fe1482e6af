// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that are no row of the table because their results or their sources
// are others: states and codes handed out, levels that the kernel assigns
// itself. Compiled code against the reference, for every target of the machine.
#include "test/e2e/Compiled.h"
#include "test/e2e/OnTarget.h"
#include "tools/fovea/Verify.h"

#include "dialects/RegisterDialects.h"
#include "dialects/reference/Tolerance.h"
#include "passes/pipelines/SpecLoader.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace fovea;
using namespace fovea::e2e;

namespace {

struct Program {
  std::string name, text;
  std::vector<Dims> shapes;
};

void PrintTo(const Program &p, std::ostream *os) { *os << p.name; }

/// $T stands for the type of queries, keys and values.
std::vector<Program> programs() {
  std::vector<Dims> shapes = {{{"b", 2}, {"sq", 17}, {"sk", 40}},
                              {{"b", 1}, {"sq", 1}, {"sk", 300}},
                              {{"b", 2}, {"sq", 5}, {"sk", 0}}};
  return {
      {"partial", R"(
!q = tensor<?x4x?x32x$T>
!k = tensor<?x2x?x32x$T>
!p = tensor<?x4x?x32xf32>
!r = tensor<?x4x?xf32>
func.func @partial(%q: !q, %k: !k, %v: !k) -> (!p, !r, !r)
    attributes {attn.kernel} {
  %o, %m, %l = attn.partial %q, %k, %v mask(causal)
      : (!q, !k, !k) -> (!p, !r, !r)
  return %o, %m, %l : !p, !r, !r
})",
       shapes},
      {"encode_and_attend", R"(
!q = tensor<?x4x?x48x$T>
!x = tensor<?x2x?x48x$T>
!e = tensor<?x2x?x48x$T, #kv.int8<per tok>>
func.func @encode_and_attend(%q: !q, %k: !x, %v: !x) -> (!q, !e)
    attributes {attn.kernel} {
  %ke = kv.encode %k : !x -> !e
  %ve = kv.encode %v : !x -> !e
  %o = attn.attention %q, %ke, %ve mask(causal) : (!q, !e, !e) -> !q
  return %o, %ke : !q, !e
})",
       shapes},
      {"assign", R"(
!q = tensor<?x2x?x32x$T>
!p = !kv.pyramid<levels = [1, 2, 4], of = (!q, !q)>
!s = !sel.scores<per = (b, h, q : 16), unit = k : 16>
!l = !sel.levels<per = (b, h, q : 16), unit = k : 16>
func.func @assign(%q: !q, %k: !q, %v: !q) -> !q attributes {attn.kernel} {
  %s = sel.score %q, %k pooled mask(causal) : !q, !q -> !s
  %n = sel.normalize %s softmax(keys) : !s
  %l = sel.assign %n levels(1, 2, 4) top_share(0.4, 0.7, 0.95)
      force(1 : diagonal) : !s -> !l
  %p = sel.pool %k, %v levels(1, 2, 4) reduce(mean) : !q, !q -> !p
  %o = attn.attention %q, %p levels(%l : !l) mask(causal) : (!q, !p) -> !q
  return %o : !q
})",
       shapes},
  };
}

/// The program of a target: GPUs take 16-bit types.
std::string textFor(const std::string &target, std::string text) {
  for (size_t at; (at = text.find("$T")) != text.npos;)
    text.replace(at, 2, target == kEmulated ? "bf16" : "f32");
  return text;
}

class Programs : public testing::TestWithParam<OnTarget<Program>> {};

} // namespace

TEST_P(Programs, AgreeWithTheReference) {
  const auto &[target, program] = GetParam();
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  std::string text = textFor(target, program.text);
  auto module = loadSpec(context, text, program.name + ".mlir", {});
  ASSERT_TRUE(bool(module));
  func::FuncOp kernel = *module->getOps<func::FuncOp>().begin();
  auto compiled = Compiled::compile(text, program.name, target);
  ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
  for (const Dims &dims : program.shapes) {
    auto arguments = randomArguments(kernel, dims, 1);
    auto results = resultsFor(kernel, dims);
    ASSERT_TRUE(bool(arguments)) << llvm::toString(arguments.takeError());
    ASSERT_TRUE(bool(results)) << llvm::toString(results.takeError());
    llvm::Error error = compiled->run(*arguments, *results, dims);
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
    auto verification = verify(kernel, *arguments, *results, 1, nullptr,
                               nullptr, {}, roundingOf(target));
    ASSERT_TRUE(bool(verification)) << llvm::toString(verification.takeError());
    EXPECT_TRUE(verification->ok)
        << verification->describe() << " sq=" << dims.at("sq");
  }
}

INSTANTIATE_TEST_SUITE_P(E2E, Programs,
                         testing::Combine(testing::ValuesIn(runnableTargets()),
                                          testing::ValuesIn(programs())),
                         nameOf<Program>);
INSTANTIATE_TEST_SUITE_P(Emulated, Programs,
                         testing::Combine(testing::Values(kEmulated),
                                          testing::ValuesIn(programs())),
                         nameOf<Program>);

// A mask that reads behind the end of its table: those pairs are hidden, for
// the planner and the kernel alike, as if the table had an entry that hides.
TEST(Tables, WhatLiesOutsideIsHidden) {
  std::string text = R"(
!q = tensor<?x2x?x32xf32>
func.func @table(%q: !q, %k: !q, %v: !q,
                 %t: tensor<?xi32> {attn.dims = "nt"}) -> !q
    attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %x = tensor.extract %t[%j] : tensor<?xi32>
      %y = arith.index_cast %x : i32 to index
      %keep = arith.cmpi sle, %y, %i : index
      sel.yield %keep : i1 } : (!q, !q, !q) -> !q
  return %o : !q
})";
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  auto module = loadSpec(context, text, "table.mlir", {});
  ASSERT_TRUE(bool(module));
  func::FuncOp kernel = *module->getOps<func::FuncOp>().begin();
  for (const std::string &target : runnableTargets())
    for (int64_t sq : {1, 40}) {
      auto compiled = Compiled::compile(text, "table.mlir", target);
      ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
      int64_t sk = 200, known = 77;
      Dims whole = {{"b", 1}, {"sq", sq}, {"sk", sk}, {"nt", sk}};
      auto arguments = randomArguments(kernel, whole, 1);
      auto results = resultsFor(kernel, whole);
      ASSERT_TRUE(bool(arguments)) << llvm::toString(arguments.takeError());
      ASSERT_TRUE(bool(results)) << llvm::toString(results.takeError());
      HostTensor &table = arguments->back().tensor;
      for (int64_t i = 0; i < sk; ++i)
        table.set(i, i < known ? double(i) : 1e6);
      Outcome all, part;
      llvm::Error error = compiled->run(*arguments, *results, whole, &all);
      ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
      std::vector<double> want = (*results)[0].values();
      auto verification = verify(kernel, *arguments, *results);
      ASSERT_TRUE(bool(verification));
      EXPECT_TRUE(verification->ok) << verification->describe();

      HostTensor shorter(table.dtype, {known});
      for (int64_t i = 0; i < known; ++i)
        shorter.set(i, table.get(i));
      table = shorter;
      Dims cut = whole;
      cut["nt"] = known;
      error = compiled->run(*arguments, *results, cut, &part);
      ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
      reference::Comparison same =
          reference::compare((*results)[0].values(), want, 1e-6);
      EXPECT_TRUE(same.ok) << target << " sq=" << sq << " at " << same.worst;
      EXPECT_EQ(part.done.pairs, part.planned.pairs);
      EXPECT_EQ(part.done.tiles_partial, part.planned.tiles_partial);
    }
}
