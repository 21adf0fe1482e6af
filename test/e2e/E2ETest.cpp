// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the end-to-end table: the reference against the naive oracle (they share
// nothing), and compiled code against the reference, through the public C
// interface, for every target that this machine runs.
#include "test/e2e/Case.h"
#include "test/e2e/Compiled.h"
#include "tools/fovea/Verify.h"
#include "tools/fovea/npy/Npy.h"

#include "dialects/RegisterDialects.h"
#include "passes/pipelines/SpecLoader.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

using namespace mlir;
using namespace fovea;
using namespace fovea::e2e;

namespace {

/// A case's spec, loaded, with its arguments.
struct Loaded {
  explicit Loaded(const Case &c) {
    DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    module = loadSpec(context, c.spec(), c.name + ".mlir", {});
    if (!module) {
      ADD_FAILURE() << "the spec was rejected:\n" << c.spec();
      return;
    }
    kernel = *module->getOps<func::FuncOp>().begin();
    auto made = randomArguments(kernel, c.callDims(), c.seed);
    auto madeResults = resultsFor(kernel, c.callDims());
    if (!made || !madeResults) {
      ADD_FAILURE() << llvm::toString(made.takeError())
                    << llvm::toString(madeResults.takeError());
      return;
    }
    arguments = std::move(*made);
    c.adjust(arguments);
    results = std::move(*madeResults);
    good = true;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp kernel;
  std::vector<HostValue> arguments;
  std::vector<HostTensor> results;
  bool good = false;
};

class Table : public testing::TestWithParam<Case> {};

std::string nameOf(const testing::TestParamInfo<Case> &info) {
  return info.param.name;
}

/// Two float64 computations of the same thing.
void expectSame(const reference::Tensor &got, const naive::Array &want,
                double tolerance, const std::string &what) {
  ASSERT_EQ(got.shape, want.shape) << what;
  reference::Comparison comparison =
      reference::compare(got.data, want.data, tolerance);
  EXPECT_TRUE(comparison.ok) << what << " element " << comparison.worst
                             << ": reference " << got.data[comparison.worst]
                             << ", oracle " << want.data[comparison.worst];
}

} // namespace

TEST_P(Table, ReferenceAgreesWithTheOracle) {
  const Case &c = GetParam();
  Loaded loaded(c);
  ASSERT_TRUE(loaded.good);
  auto values = toReference(loaded.kernel, loaded.arguments);
  ASSERT_TRUE(bool(values)) << llvm::toString(values.takeError());
  reference::Report report;
  auto results = reference::evaluate(loaded.kernel, *values, &report);
  ASSERT_TRUE(bool(results)) << llvm::toString(results.takeError());
  naive::Outputs want = c.oracle(loaded.arguments);
  // Pooled rows are rounded to f32 by the language, not by the oracle.
  double tolerance = c.source == Source::Pyramid ? 1e-6 : 1e-11;
  expectSame(std::get<reference::Tensor>((*results)[0]), want.o, tolerance,
             "o");
  if (c.lse)
    expectSame(std::get<reference::Tensor>((*results)[1]), want.lse, tolerance,
               "lse");
}

INSTANTIATE_TEST_SUITE_P(E2E, Table, testing::ValuesIn(cases()), nameOf);

namespace {

class CompiledTable
    : public testing::TestWithParam<std::tuple<std::string, Case>> {};

std::string
nameOfCompiled(const testing::TestParamInfo<CompiledTable::ParamType> &info) {
  std::string name =
      std::get<0>(info.param) + "_" + std::get<1>(info.param).name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Leaves the spec and its fixed tables in the working folder, for the printed
/// command line.
void keepForRerun(const Case &c, const Loaded &loaded) {
  std::ofstream(c.name + ".mlir") << c.spec();
  for (const HostValue &value : loaded.arguments) {
    if (value.name != "len" && value.name != "off")
      continue;
    std::string error;
    npy::write(c.name + "." + value.name + ".npy",
               npy::fromElements(value.tensor.bytes.data(), value.tensor.dtype,
                                 value.tensor.shape),
               error);
  }
}

} // namespace

TEST_P(CompiledTable, AgreesWithTheReference) {
  const auto &[target, c] = GetParam();
  Loaded loaded(c);
  ASSERT_TRUE(loaded.good);
  auto compiled = Compiled::compile(c.spec(), c.name + ".mlir", target);
  if (!c.refusal.empty()) {
    ASSERT_FALSE(bool(compiled)) << "a row that is refused compiles by now";
    std::string why = llvm::toString(compiled.takeError());
    EXPECT_NE(why.find(c.refusal), std::string::npos) << why;
    return;
  }
  ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
  llvm::Error error =
      compiled->run(loaded.arguments, loaded.results, c.callDims());
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  auto verification = verify(loaded.kernel, loaded.arguments, loaded.results);
  ASSERT_TRUE(bool(verification)) << llvm::toString(verification.takeError());
  if (verification->ok)
    return;
  keepForRerun(c, loaded);
  ADD_FAILURE() << verification->describe() << "\n  " << c.commandLine()
                << " --target=" << target;
}

INSTANTIATE_TEST_SUITE_P(E2E, CompiledTable,
                         testing::Combine(testing::ValuesIn(runnableTargets()),
                                          testing::ValuesIn(cases())),
                         nameOfCompiled);

// A checker counts only if it fails: masks, modifiers and selections that are
// off by one are told apart.
TEST(Oracle, TellsNeighboursApart) {
  struct {
    Case spec;
    Case oracle;
  } pairs[] = {
      {Case("m").shape(1, 40, 40).masked("window(7)", naive::window(7)),
       Case("m").shape(1, 40, 40).masked("", naive::window(8))},
      {Case("m").shape(1, 40, 40).masked("causal", naive::causal()),
       Case("m").shape(1, 40, 40).masked("", naive::window(40, 1))},
      {Case("m").shape(1, 40, 40).masked("sink(3)", naive::sink(3)),
       Case("m").shape(1, 40, 40).masked("", naive::sink(4))},
      {Case("m").shape(1, 9, 9).scored("softcap(2.0)", naive::softcap(2)),
       Case("m").shape(1, 9, 9).scored("", naive::softcap(2.0001))},
      {Case("m").shape(1, 9, 64).blocks(8, 8).bestBlocks(3, false, 0),
       Case("m").shape(1, 9, 64).blocks(8, 8).bestBlocks(4, false, 0)},
      {Case("m").shape(2, 9, 9).length({9, 5}),
       Case("m").shape(2, 9, 9).length({9, 4})},
  };
  for (const auto &[spec, oracle] : pairs) {
    Loaded loaded(spec);
    ASSERT_TRUE(loaded.good);
    auto values = toReference(loaded.kernel, loaded.arguments);
    auto results = reference::evaluate(loaded.kernel, *values);
    ASSERT_TRUE(bool(results));
    naive::Outputs want = oracle.oracle(loaded.arguments);
    EXPECT_FALSE(
        reference::compare(std::get<reference::Tensor>((*results)[0]).data,
                           want.o.data, 1e-6)
            .ok)
        << spec.mask << spec.score;
  }
}

// The whole prompt, pieces of it, or one token at a time: the same rows.
TEST(Agreement, PrefillInPiecesIsPrefillWhole) {
  Case whole = Case("pieces").shape(1, 24, 24).heads(4, 2).masked(
      "causal and (window(9) or sink(2))",
      naive::both(naive::causal(),
                  naive::either(naive::window(9), naive::sink(2))));
  Loaded loaded(whole);
  ASSERT_TRUE(loaded.good);
  auto values = toReference(loaded.kernel, loaded.arguments);
  ASSERT_TRUE(bool(values));
  auto full = reference::evaluate(loaded.kernel, *values);
  ASSERT_TRUE(bool(full));
  const auto &want = std::get<reference::Tensor>((*full)[0]);
  for (int64_t piece : {1, 5, 24})
    for (int64_t from = 0; from < 24; from += piece) {
      int64_t to = std::min<int64_t>(from + piece, 24);
      std::vector<reference::Value> part;
      for (int i = 0; i < 3; ++i) {
        const auto &all = std::get<reference::Tensor>((*values)[i]);
        int64_t begin = i == 0 ? from : 0;
        reference::Tensor rows({all.dim(0), all.dim(1), to - begin, 16});
        for (int64_t h = 0; h < all.dim(1); ++h)
          for (int64_t t = begin; t < to; ++t)
            for (int64_t d = 0; d < 16; ++d)
              rows(0, h, t - begin, d) = all(0, h, t, d);
        part.push_back(rows);
      }
      auto got = reference::evaluate(loaded.kernel, part);
      ASSERT_TRUE(bool(got));
      const auto &rows = std::get<reference::Tensor>((*got)[0]);
      for (int64_t h = 0; h < 4; ++h)
        for (int64_t t = from; t < to; ++t)
          for (int64_t d = 0; d < 16; ++d)
            EXPECT_EQ(rows(0, h, t - from, d), want(0, h, t, d));
    }
}
