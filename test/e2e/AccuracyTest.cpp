// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of the table that sum over many keys, for many draws of their inputs:
// the bound of the accuracy rule holds for all of them, not for lucky ones.
#include "test/e2e/Compiled.h"
#include "test/e2e/Loaded.h"
#include "tools/fovea/Verify.h"

using namespace fovea;
using namespace fovea::e2e;

/// How far the worst of `seeds` draws is from failing: above 1 it fails.
static double worstOf(const std::string &name, const std::string &target,
                      uint64_t seeds) {
  for (const Case &c : cases()) {
    if (c.name != name)
      continue;
    Loaded loaded(c);
    auto compiled = Compiled::compile(c.spec(), c.name + ".mlir", target);
    EXPECT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
    double worst = 0;
    for (uint64_t seed = 1; compiled && seed <= seeds; ++seed) {
      auto arguments = randomArguments(loaded.kernel, c.callDims(), seed);
      auto results = resultsFor(loaded.kernel, c.callDims());
      c.adjust(*arguments);
      llvm::Error error = compiled->run(*arguments, *results, c.callDims());
      EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
      auto verification = verify(loaded.kernel, *arguments, *results);
      EXPECT_TRUE(bool(verification))
          << llvm::toString(verification.takeError());
      EXPECT_TRUE(verification->ok)
          << name << " seed " << seed << " for " << target << ": "
          << verification->describe();
      worst =
          std::max(worst, verification->maxAbsError / verification->tolerance);
    }
    return worst;
  }
  ADD_FAILURE() << "no row " << name;
  return 0;
}

TEST(Accuracy, OfLongRowsIsNoMatterOfTheSeed) {
  for (const std::string &target : runnableTargets()) {
    printf("%s: of the bound, at worst %.2f and %.2f\n", target.c_str(),
           worstOf("prob_gate_split", target, 50),
           worstOf("long_decode", target, 10));
  }
}
