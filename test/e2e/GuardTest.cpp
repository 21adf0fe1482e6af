// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Mask regions that divide by, shift by and add up numbers that have no
// meaning there: kernels hide the pairs that the reference hides, whichever
// variant runs, and none of them traps; on the CPU and on a GPU that is
// emulated. The solver's part is in test/zoo.
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

/// The queries, keys and values of the specs: f16 on a GPU.
std::string rowsFor(const std::string &target) {
  return std::string("!q = tensor<?x1x?x8x") +
         (target == kEmulated ? "f16" : "f32") + ">\n";
}

/// `op` of key - 5 and a number: the scalar %n, or the entry of a table by key.
std::string specOf(const std::string &op, const std::string &type, bool byKey) {
  std::string cast = "arith.index_cast ";
  std::string small = type == "i32"
                          ? "    %w = arith.index_cast %s : index to "
                            "i64\n    %x = arith.trunci %w : i64 to "
                            "i32\n"
                          : "    %x = " + cast + "%s : index to i64\n";
  return "func.func @guard(%q: !q, %k: !q, %v: !q, " +
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

void setScalar(HostValue &n, int64_t value) { n.i = value; }
void setScalar(HostValue &n, double value) { n.f = value; }

/// One of the specs, loaded for the reference and compiled.
struct Guard {
  Guard(const std::string &body, const std::string &target)
      : emulated(target == kEmulated) {
    std::string text = rowsFor(target) + body;
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
  template <typename Number>
  bool compare(const Dims &dims, llvm::ArrayRef<Number> numbers,
               llvm::ArrayRef<Number> wanted) {
    auto arguments = randomArguments(kernel, dims, 7);
    auto results = resultsFor(kernel, dims);
    auto give = [&](llvm::ArrayRef<Number> from) {
      HostValue &n = arguments->back();
      if (n.isScalar)
        setScalar(n, from[0]);
      for (int64_t i = 0; !n.isScalar && i < dims.at("sk"); ++i)
        n.tensor.set(i, double(from[i % from.size()]));
    };
    give(numbers);
    llvm::Error error = compiled->run(*arguments, *results, dims);
    EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
    give(wanted);
    auto verification =
        verify(kernel, *arguments, *results, 1, nullptr, nullptr, {},
               emulated ? Rounding::WeightsAndRotated : Rounding::None);
    EXPECT_TRUE(bool(verification)) << llvm::toString(verification.takeError());
    hidden = verification->hidden;
    return verification->ok;
  }

  bool agrees(const Dims &dims, llvm::ArrayRef<int64_t> numbers,
              llvm::ArrayRef<int64_t> wanted) {
    return compare(dims, numbers, wanted);
  }
  bool agreesOn(const Dims &dims, llvm::ArrayRef<double> numbers,
                llvm::ArrayRef<double> wanted) {
    return compare(dims, numbers, wanted);
  }

  bool emulated;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp kernel;
  std::optional<Compiled> compiled;
  std::string hidden;
};

const Dims kShapes[] = {{{"b", 1}, {"sq", 37}, {"sk", 53}},
                        {{"b", 1}, {"sq", 1}, {"sk", 53}}};

/// Which targets a test runs on: all of a kind share the builder of regions, so
/// that one is enough for scalars, and one for tables.
struct Where {
  std::string scalars, tables;
};
Where cpu() {
  std::vector<std::string> targets = runnableTargets();
  return {targets.front(), targets.back()};
}
Where emulatedGpu() { return {kEmulated, kEmulated}; }

class Guards : public testing::TestWithParam<
                   std::tuple<Where, std::string, std::string>> {};

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
  const auto &[where, op, type] = GetParam();
  bool guarded = op.find("div") != op.npos || op.find("rem") != op.npos ||
                 op.find("sh") != op.npos;
  Guard scalar(specOf(op, type, false), where.scalars);
  int hidden = 0;
  for (const Dims &dims : kShapes)
    for (int64_t number : numbersOf(type, false)) {
      EXPECT_TRUE(scalar.agrees(dims, number, number)) << "by " << number;
      hidden += !scalar.hidden.empty();
    }
  EXPECT_EQ(hidden > 0, guarded);
  Guard table(specOf(op, type, true), where.tables);
  for (const Dims &dims : kShapes)
    EXPECT_TRUE(
        table.agrees(dims, numbersOf(type, true), numbersOf(type, true)));
}

static const auto kOps = testing::Values(
    "divsi", "divui", "remsi", "remui", "floordivsi", "ceildivsi", "ceildivui",
    "shli", "shrsi", "shrui", "addi", "subi", "muli");
static const auto kTypes = testing::Values("i32", "i64");

static std::string
nameOfOp(const testing::TestParamInfo<Guards::ParamType> &i) {
  return std::get<1>(i.param) + "_" + std::get<2>(i.param);
}
INSTANTIATE_TEST_SUITE_P(Ops, Guards,
                         testing::Combine(testing::Values(cpu()), kOps, kTypes),
                         nameOfOp);
INSTANTIATE_TEST_SUITE_P(EmulatedOps, Guards,
                         testing::Combine(testing::Values(emulatedGpu()), kOps,
                                          kTypes),
                         nameOfOp);

//===----------------------------------------------------------------------===//
// Casts
//===----------------------------------------------------------------------===//

namespace {

/// Around the ends of every type; f32 has them all.
const double kFloats[] = {std::numeric_limits<double>::quiet_NaN(),
                          std::numeric_limits<double>::infinity(),
                          -std::numeric_limits<double>::infinity(),
                          -0.75,
                          -1,
                          0.5,
                          7.25,
                          127.5,
                          128,
                          -128.5,
                          -129,
                          255.5,
                          256,
                          65504,
                          2147483520.0,
                          2147483648.0,
                          -2147483648.0,
                          -2147483904.0,
                          4294967040.0,
                          4294967296.0,
                          0x1p63,
                          -0x1p63,
                          -0x1.000002p63,
                          0x1.fffffep63,
                          0x1p64,
                          1e30};

/// The cast of a float says which keys are seen: of the scalar %n, or of the
/// entry of a table by key, as f32 or f64.
std::string castSpec(const std::string &op, const std::string &from,
                     const std::string &to, bool byKey) {
  std::string read = byKey ? "    %e = tensor.extract %n[%j] : tensor<?xf32>\n"
                           : "    %z = arith.constant 0.0 : f32\n"
                             "    %e = arith.addf %n, %z : f32\n";
  std::string x = "%e";
  if (from != "f32") {
    read += "    %t = arith.extf %e : f32 to " + from + "\n";
    x = "%t";
  }
  return "func.func @guard(%q: !q, %k: !q, %v: !q, " +
         std::string(byKey ? "%n: tensor<?xf32> {attn.dims = \"sk\"}"
                           : "%n: f32") +
         ") -> !q attributes {attn.kernel} {\n"
         "  %o = attn.attention %q, %k, %v mask { ^bb0(%b: index, %h: index, "
         "%i: index, %j: index):\n" +
         read + "    %y = arith." + op + " " + x + " : " + from + " to " + to +
         "\n    %r = arith.index_cast %y : " + to +
         " to index\n"
         "    %far = arith.cmpi sgt, %r, %i : index\n"
         "    %true = arith.constant true\n"
         "    %keep = arith.xori %far, %true : i1\n"
         "    sel.yield %keep : i1 } : (!q, !q, !q) -> !q\n"
         "  return %o : !q\n}\n";
}

/// A scalar of the kernel, which a word of the mask reads.
std::string castOutsideSpec() {
  return "func.func @guard(%q: !q, %k: !q, %v: !q, %n: f32) -> !q attributes "
         "{attn.kernel} {\n"
         "  %w = arith.fptosi %n : f32 to i32\n"
         "  %o = attn.attention %q, %k, %v mask(window(%w : i32)) : (!q, !q, "
         "!q) -> !q\n"
         "  return %o : !q\n}\n";
}

class CastGuards
    : public testing::TestWithParam<
          std::tuple<Where, std::string, std::string, std::string>> {};

} // namespace

TEST_P(CastGuards, HideWhatTheReferenceHides) {
  const auto &[where, op, from, to] = GetParam();
  Guard scalar(castSpec(op, from, to, false), where.scalars);
  int hidden = 0;
  for (const Dims &dims : kShapes)
    for (double number : kFloats) {
      EXPECT_TRUE(scalar.agreesOn(dims, number, number)) << number;
      hidden += !scalar.hidden.empty();
    }
  EXPECT_GT(hidden, 0);
  Guard table(castSpec(op, from, to, true), where.tables);
  for (const Dims &dims : kShapes)
    EXPECT_TRUE(table.agreesOn(dims, kFloats, kFloats));
}

static const auto kCasts = testing::Values("fptosi", "fptoui");
static const auto kFrom = testing::Values("f32", "f64");
static const auto kTo = testing::Values("i8", "i32", "i64");

static std::string
nameOfCast(const testing::TestParamInfo<CastGuards::ParamType> &i) {
  return std::get<1>(i.param) + "_" + std::get<2>(i.param) + "_" +
         std::get<3>(i.param);
}
INSTANTIATE_TEST_SUITE_P(Ops, CastGuards,
                         testing::Combine(testing::Values(cpu()), kCasts, kFrom,
                                          kTo),
                         nameOfCast);
INSTANTIATE_TEST_SUITE_P(EmulatedOps, CastGuards,
                         testing::Combine(testing::Values(emulatedGpu()),
                                          kCasts, kFrom, kTo),
                         nameOfCast);

namespace {
/// What needs no table of ops: by the kind of target alone.
class GuardsOn : public testing::TestWithParam<Where> {};
} // namespace

INSTANTIATE_TEST_SUITE_P(Cpu, GuardsOn, testing::Values(cpu()));
INSTANTIATE_TEST_SUITE_P(Emulated, GuardsOn, testing::Values(emulatedGpu()));

TEST_P(GuardsOn, HideWhereAScalarOfTheKernelHasNoValue) {
  Guard window(castOutsideSpec(), GetParam().tables);
  for (const Dims &dims : kShapes)
    for (double number : kFloats)
      EXPECT_TRUE(window.agreesOn(dims, number, number)) << number;
}

/// A score or prob region that casts the entry of a table by key; `spelled`
/// says itself what a cast without a value makes of the pair.
static std::string castModifier(const std::string &clause, bool spelled) {
  std::string cast = "    %y = arith.fptosi %e : f32 to i32\n"
                     "    %f = arith.sitofp %y : i32 to f32\n"
                     "    %c = math.absf %f : f32\n"
                     "    %d = arith.maximumf %c, %s : f32\n"
                     "    attn.yield %d : f32";
  if (spelled)
    cast = "    %high = arith.constant 2147483648.0 : f32\n"
           "    %low = arith.constant -2147483648.0 : f32\n"
           "    %hidden = arith.constant " +
           std::string(clause == "score" ? "0xFF800000" : "0.0") +
           " : f32\n"
           "    %zero = arith.constant 0.0 : f32\n"
           "    %below = arith.cmpf olt, %e, %high : f32\n"
           "    %above = arith.cmpf oge, %e, %low : f32\n"
           "    %ok = arith.andi %below, %above : i1\n"
           "    %x = arith.select %ok, %e, %zero : f32\n"
           "    %y = arith.fptosi %x : f32 to i32\n"
           "    %f = arith.sitofp %y : i32 to f32\n"
           "    %c = math.absf %f : f32\n"
           "    %d = arith.maximumf %c, %s : f32\n"
           "    %r = arith.select %ok, %d, %hidden : f32\n"
           "    attn.yield %r : f32";
  return "func.func @guard(%q: !q, %k: !q, %v: !q, %n: tensor<?xf32> "
         "{attn.dims = \"sk\"}) -> !q attributes {attn.kernel} {\n"
         "  %o = attn.attention %q, %k, %v " +
         clause +
         " { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):\n"
         "    %e = tensor.extract %n[%j] : tensor<?xf32>\n" +
         cast +
         " } : (!q, !q, !q) -> !q\n"
         "  return %o : !q\n}\n";
}

/// Whether the compiled casts of `numbers` are what is spelled out of `wanted`.
static bool modifierAgrees(const std::string &target, const std::string &clause,
                           const Dims &dims, llvm::ArrayRef<double> numbers,
                           llvm::ArrayRef<double> wanted) {
  Guard cast(castModifier(clause, false), target);
  Guard spelled(castModifier(clause, true), target);
  auto arguments = randomArguments(cast.kernel, dims, 7);
  auto results = resultsFor(cast.kernel, dims);
  auto give = [&](llvm::ArrayRef<double> from) {
    for (int64_t i = 0; i < dims.at("sk"); ++i)
      arguments->back().tensor.set(i, from[i % from.size()]);
  };
  give(numbers);
  llvm::Error error = cast.compiled->run(*arguments, *results, dims);
  EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
  give(wanted);
  auto verification =
      verify(spelled.kernel, *arguments, *results, 1, nullptr, nullptr, {},
             cast.emulated ? Rounding::WeightsAndRotated : Rounding::None);
  EXPECT_TRUE(bool(verification)) << llvm::toString(verification.takeError());
  return verification->ok;
}

// modifier_s1
TEST_P(GuardsOn, HideWhereACastOfAModifierHasNoValue) {
  const std::string &target = GetParam().tables;
  double nan = std::numeric_limits<double>::quiet_NaN();
  double inf = std::numeric_limits<double>::infinity();
  const double numbers[] = {
      1.5, nan, inf, -inf, 0x1p31, -3, 0x1p63, -0x1.000002p31, 0x1p64, 1e30};
  for (const char *clause : {"score", "prob"})
    for (const Dims &dims : kShapes) {
      EXPECT_TRUE(modifierAgrees(target, clause, dims, numbers, numbers))
          << clause;
      EXPECT_FALSE(modifierAgrees(target, clause, dims, numbers, {1.5}))
          << clause;
    }
}

// A checker counts only if it fails.
TEST_P(GuardsOn, AreToldFromACastThatIsNotHidden) {
  Guard cast(castSpec("fptosi", "f32", "i32", false), GetParam().scalars);
  EXPECT_FALSE(cast.agreesOn(kShapes[0], {7.25}, {1e30}));
  EXPECT_FALSE(cast.agreesOn(kShapes[0], {1e30}, {7.25}));
}

TEST_P(GuardsOn, AreToldFromAPairThatIsNotHidden) {
  const std::string &target = GetParam().scalars;
  Guard division(specOf("divsi", "i64", false), target);
  EXPECT_FALSE(division.agrees(kShapes[0], {3}, {0}));
  EXPECT_FALSE(division.agrees(kShapes[0], {-1}, {1}));
  Guard shift(specOf("shrsi", "i32", true), target);
  EXPECT_FALSE(shift.agrees(kShapes[0], {3, 1}, {3, 32}));
}
