// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random masks together with what they meet in a kernel: score modifiers, rows
// of pooled keys by a map of levels, and lists of chosen blocks. Compiled and
// run, in prefill and decode, against the reference. What the solver makes of
// random masks alone is in ComposeTest.cpp, which has many more.
#include "test/e2e/Compiled.h"
#include "test/e2e/Loaded.h"
#include "test/zoo/Compose.h"
#include "tools/fovea/Random.h"
#include "tools/fovea/Verify.h"

#include <gtest/gtest.h>

using namespace fovea;
using namespace fovea::e2e;
using namespace fovea::zoo;

namespace {

constexpr uint64_t kRuns = 24;

/// One to three modifiers, which apply left to right; `arguments` gets theirs.
std::string modifiers(Random &random, std::string &arguments) {
  std::string text;
  bool slopes = false, table = false;
  for (int64_t i = 0, n = random.integer(1, 3); i < n; ++i) {
    text += i ? ", " : "";
    switch (random.integer(0, 3)) {
    case 0:
      text += "softcap(2.0)";
      break;
    case 1:
      text += "scale(0.5)";
      break;
    case 2:
      text += slopes ? "softcap(3.0)" : "alibi(%slopes : tensor<2xf32>)";
      slopes = true;
      break;
    default:
      text += table ? "scale(1.5)" : "bias(%bias : tensor<?x2x?x?xf32>)";
      table = true;
    }
  }
  if (slopes)
    arguments += ", %slopes: tensor<2xf32>";
  if (table)
    arguments += ", %bias: tensor<?x2x?x?xf32>";
  return text;
}

/// The kernel of a seed.
Case draw(uint64_t seed) {
  Random random(seed);
  Case c("composed_" + std::to_string(seed));
  static constexpr int64_t queries[] = {1, 5, 33, 40};
  c.shape(random.integer(1, 2), queries[random.integer(0, 3)], 40)
      .heads(Composition::heads, random.integer(1, 2))
      .from(seed);
  Composition composition(seed);
  c.mask = composition.mask;
  std::string arguments;
  for (const auto &[i, operand] : llvm::enumerate(composition.operands))
    arguments +=
        ", %t" + std::to_string(i) + ": " + operand.type +
        (operand.type == "tensor<?xi32>" ? " {attn.dims = \"sk\"}" : "");
  if (random.integer(0, 3))
    c.score = modifiers(random, arguments);
  c.extra = arguments;
  switch (random.integer(0, 2)) {
  case 0:
    break;
  case 1:
    c.blocks(random.integer(0, 1) ? 8 : 32, 16).pyramid();
    break;
  default:
    c.blocks(random.integer(0, 1) ? 8 : 32, 8)
        .bestBlocks(random.integer(1, 4), random.integer(0, 1),
                    random.integer(0, 1));
  }
  if (random.integer(0, 3) == 0)
    c.sinks();
  return c;
}

/// Whether the kernel that `compiled` is does what the reference makes of `c`.
bool agrees(const Case &c, const Case &compiled, std::string &why) {
  Loaded loaded(c);
  if (!loaded.good)
    return false;
  auto kernel = Compiled::compile(compiled.spec(), compiled.name + ".mlir",
                                  runnableTargets().back());
  if (!kernel) {
    why = llvm::toString(kernel.takeError());
    return false;
  }
  if (llvm::Error error =
          kernel->run(loaded.arguments, loaded.results, c.callDims())) {
    why = llvm::toString(std::move(error));
    return false;
  }
  auto verification = verify(loaded.kernel, loaded.arguments, loaded.results);
  if (!verification) {
    why = llvm::toString(verification.takeError());
    return false;
  }
  why = verification->describe();
  return verification->ok;
}

} // namespace

TEST(ComposeRun, KernelsDoWhatTheReferenceDoes) {
  std::set<Source> sources;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    Case c = draw(seed);
    std::string why;
    EXPECT_TRUE(agrees(c, c, why)) << why << "\n" << c.spec();
    sources.insert(c.source);
  }
  EXPECT_EQ(sources.size(), 3u);
}

// A checker counts only if it fails.
TEST(ComposeRunChecker, SeesAnotherKernel) {
  int masks = 0, scores = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Case c = draw(seed);
    std::string why;
    Case other = c;
    other.mask = "not (" + c.mask + ")";
    masks += !agrees(c, other, why);
    other = c;
    other.score += (c.score.empty() ? "" : ", ") + std::string("scale(0.9)");
    scores += !agrees(c, other, why);
  }
  EXPECT_GT(masks, 3);
  EXPECT_GT(scores, 2);
  Case one = Case("one").shape(1, 33, 40).heads(Composition::heads, 1);
  one.blocks(8, 8).bestBlocks(1, false, 0);
  Case three = one;
  three.topK = 3;
  std::string why;
  EXPECT_TRUE(agrees(one, one, why)) << why;
  EXPECT_FALSE(agrees(one, three, why));
}
