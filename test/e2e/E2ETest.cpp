// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the end-to-end table: the reference against the naive oracle (they share
// nothing), and compiled code against the reference, through the public C
// interface, for every target that this machine runs.
#include "test/e2e/Case.h"
#include "test/e2e/Compiled.h"
#include "test/e2e/Loaded.h"
#include "test/e2e/OnTarget.h"
#include "tools/fovea/Verify.h"
#include "tools/fovea/npy/Npy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

using namespace mlir;
using namespace fovea;
using namespace fovea::e2e;

namespace {

class Table : public testing::TestWithParam<Case> {};

std::string nameOfCase(const testing::TestParamInfo<Case> &info) {
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
  bool pooled = c.source == Source::Pyramid || c.source == Source::Leveled;
  double tolerance = pooled ? 1e-6 : 1e-11;
  expectSame(std::get<reference::Tensor>((*results)[0]), want.o, tolerance,
             "o");
  if (c.lse)
    expectSame(std::get<reference::Tensor>((*results)[1]), want.lse, tolerance,
               "lse");
}

INSTANTIATE_TEST_SUITE_P(E2E, Table, testing::ValuesIn(cases()), nameOfCase);

namespace {

class CompiledTable : public testing::TestWithParam<OnTarget<Case>> {};

/// The targets of this machine, and AVX-512's schedules in AVX2's instructions.
std::vector<std::string> targetsAndWide() {
  std::vector<std::string> targets = runnableTargets();
  if (!targets.empty())
    targets.push_back(kWide);
  return targets;
}

/// The kernels did what the plan predicted; where the blocks are known on the
/// device only, or the plan left classes undecided, at most that.
void expectCounted(const Outcome &outcome, const Case &c) {
  Source source = c.source;
  const fovea_stats &planned = outcome.planned;
  const fovea_counters &done = outcome.done;
  EXPECT_EQ(done.items, planned.items);
  // Planned are pairs of tokens that have any level; each level is walked.
  if (source == Source::Leveled)
    return;
  if (source == Source::Chosen || source == Source::Pyramid) {
    EXPECT_LE(done.pairs, planned.pairs);
    return;
  }
  if (c.undecided) {
    EXPECT_LE(done.pairs, planned.pairs);
    EXPECT_GE(done.tiles_full, planned.tiles_full);
    EXPECT_LE(done.tiles_full + done.tiles_partial,
              planned.tiles_full + planned.tiles_partial);
    return;
  }
  EXPECT_EQ(done.pairs, planned.pairs);
  EXPECT_EQ(done.tiles_full, planned.tiles_full);
  EXPECT_EQ(done.tiles_partial, planned.tiles_partial);
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
  Outcome outcome;
  llvm::Error error =
      compiled->run(loaded.arguments, loaded.results, c.callDims(), &outcome);
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  expectCounted(outcome, c);
  Rounding rounding =
      target == kWideMatrix ? Rounding::BF16Weights : roundingOf(target);
  auto verification = verify(loaded.kernel, loaded.arguments, loaded.results, 1,
                             nullptr, nullptr, {}, rounding);
  ASSERT_TRUE(bool(verification)) << llvm::toString(verification.takeError());
  if (verification->ok)
    return;
  keepForRerun(c, loaded);
  ADD_FAILURE() << verification->describe() << "\n  " << c.commandLine()
                << " --target=" << target;
}

INSTANTIATE_TEST_SUITE_P(E2E, CompiledTable,
                         testing::Combine(testing::ValuesIn(targetsAndWide()),
                                          testing::ValuesIn(cases())),
                         nameOf<Case>);

/// The same table for a GPU that is emulated, with what its matrix products
/// take: 16-bit types, and dims that are multiples of 8.
static std::vector<Case> gpuCases() {
  std::vector<Case> all;
  for (Case c : cases()) {
    if (c.d % 8 || c.dv % 8 || c.d > 256 || c.dv > 256)
      continue;
    if (c.type == "f32")
      c.type = "f16";
    all.push_back(std::move(c));
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Emulated, CompiledTable,
                         testing::Combine(testing::Values(kEmulated),
                                          testing::ValuesIn(gpuCases())),
                         nameOf<Case>);

/// Cases of the same table that a matrix unit can do, the processor's and one
/// in plain code, with the type and the dims that its products take.
static std::vector<Case> matrixCases() {
  std::vector<Case> all;
  for (Case c : cases()) {
    if (c.coded || !c.order.empty())
      continue;
    c.type = "bf16";
    c.d = (c.d + 31) / 32 * 32;
    c.dv = (c.dv + 31) / 32 * 32;
    all.push_back(std::move(c));
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Matrix, CompiledTable,
                         testing::Combine(testing::ValuesIn(matrixTargets()),
                                          testing::ValuesIn(matrixCases())),
                         nameOf<Case>);

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

namespace {

/// The prompt of the agreement tests, and the case that it is.
Case prompt() {
  return Case("pieces").shape(1, 24, 24).heads(4, 2).masked(
      "causal and (window(9) or sink(2))",
      naive::both(naive::causal(),
                  naive::either(naive::window(9), naive::sink(2))));
}

/// Rows [begin, end) of axis 2.
HostTensor rowsOf(const HostTensor &all, int64_t begin, int64_t end) {
  HostTensor rows(all.dtype, {1, all.shape[1], end - begin, all.shape[3]});
  int64_t dim = all.shape[3], from = all.shape[2], to = end - begin;
  for (int64_t h = 0; h < all.shape[1]; ++h)
    for (int64_t i = 0; i < to * dim; ++i)
      rows.set(h * to * dim + i, all.get((h * from + begin) * dim + i));
  return rows;
}

/// The arguments of the call that computes rows [from, to) of the prompt: its
/// queries, and the keys and values up to there.
std::vector<HostValue> piece(const std::vector<HostValue> &whole, int64_t from,
                             int64_t to) {
  std::vector<HostValue> part = whole;
  for (size_t i = 0; i < part.size(); ++i)
    part[i].tensor = rowsOf(whole[i].tensor, i == 0 ? from : 0, to);
  return part;
}

/// Compares `rows`, computed as [from, to), with those of `whole`.
void expectRows(const std::vector<double> &rows,
                const std::vector<double> &whole, int64_t from, int64_t to,
                double tolerance) {
  for (int64_t h = 0; h < 4; ++h)
    for (int64_t t = from; t < to; ++t)
      for (int64_t d = 0; d < 16; ++d)
        ASSERT_NEAR(rows[((h * (to - from)) + t - from) * 16 + d],
                    whole[(h * 24 + t) * 16 + d], tolerance)
            << "row " << t << " of [" << from << ", " << to << ")";
}

} // namespace

// The whole prompt, pieces of it, or one token at a time: the same rows.
TEST(Agreement, PrefillInPiecesIsPrefillWhole) {
  Loaded loaded(prompt());
  ASSERT_TRUE(loaded.good);
  auto evaluated = [&](const std::vector<HostValue> &arguments) {
    auto values = toReference(loaded.kernel, arguments);
    auto results = reference::evaluate(loaded.kernel, *values);
    return std::get<reference::Tensor>((*results)[0]).data;
  };
  std::vector<double> whole = evaluated(loaded.arguments);
  for (int64_t size : {1, 5, 24})
    for (int64_t from = 0; from < 24; from += size) {
      int64_t to = std::min<int64_t>(from + size, 24);
      expectRows(evaluated(piece(loaded.arguments, from, to)), whole, from, to,
                 0);
    }
}

// Compiled, the pieces run other variants (prefill, small Sq, decode): they
// agree within twice the bound of the accuracy rule, for each of the two may be
// that far from the reference.
TEST(Agreement, CompiledPiecesAgreeWithinTheBound) {
  for (const std::string &target : runnableTargets()) {
    Loaded loaded(prompt());
    ASSERT_TRUE(loaded.good);
    auto compiled = Compiled::compile(prompt().spec(), "pieces.mlir", target);
    ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
    auto run = [&](std::vector<HostValue> arguments, int64_t sq, int64_t sk) {
      Dims dims = {{"b", 1}, {"sq", sq}, {"sk", sk}};
      auto results = resultsFor(loaded.kernel, dims);
      llvm::Error error = compiled->run(arguments, *results, dims);
      EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
      return (*results)[0].values();
    };
    std::vector<double> whole = run(loaded.arguments, 24, 24);
    double bound = reference::errorBound(whole, reference::Element::F32,
                                         reference::Role::Output, 10);
    for (int64_t size : {1, 5, 24})
      for (int64_t from = 0; from < 24; from += size) {
        int64_t to = std::min<int64_t>(from + size, 24);
        expectRows(run(piece(loaded.arguments, from, to), to - from, to), whole,
                   from, to, 2 * bound);
      }
  }
}
