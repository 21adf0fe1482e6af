// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Five thousand random masks - and, or, not, heads and blocks over every word
// of the language, with literals, run-time numbers and tables - hold what a
// solved mask promises: nothing live is skipped, nothing masked is computed. A
// seed is one mask, whatever the others are.
#include "test/zoo/Compose.h"

#include "codegen/jit/Phases.h"
#include "dialects/sel/masks/Masks.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

using namespace fovea;
using namespace fovea::masktest;
using namespace fovea::zoo;
using namespace mlir;

namespace {

constexpr int kCompositions = 5000;
constexpr Shape kShapes[] = {{1, 29}, {17, 40}, {33, 33}};
constexpr TileShape kTiles[] = {{16, 16}, {5, 12}, {33, 7}};

struct Outcome {
  Report report;
  std::string problem;
};

Outcome outcomeOf(MLIRContext &context, uint64_t seed,
                  const ModuleFault &fault = {}) {
  Outcome outcome;
  ComposedMask mask(context, Composition(seed), fault);
  for (const Shape &shape : kShapes) {
    outcome.problem = mask.problem();
    if (!outcome.problem.empty())
      return outcome;
    if (llvm::Error error = mask.check(shape, outcome.report, kTiles)) {
      outcome.problem = llvm::toString(std::move(error));
      return outcome;
    }
  }
  outcome.problem = mask.problem();
  return outcome;
}

std::unique_ptr<MLIRContext> newContext() {
  DialectRegistry registry;
  registerSpecDialects(registry);
  auto context =
      std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

} // namespace

TEST(Compose, SkipsNothingLiveAndComputesNothingMasked) {
  std::atomic<int> next{0};
  std::mutex mutex;
  Report all, trees;
  int failures = 0;
  auto work = [&] {
    auto context = newContext();
    for (int seed; (seed = next++) < kCompositions;) {
      Outcome outcome = outcomeOf(*context, uint64_t(seed));
      std::lock_guard<std::mutex> lock(mutex);
      // The path through a table of parents is a matter of the table.
      bool exact =
          Composition(uint64_t(seed)).mask.find("tree(") == std::string::npos;
      Report &sum = exact ? all : trees;
      sum.tiles += outcome.report.tiles;
      sum.needed += outcome.report.needed;
      sum.idle += outcome.report.idle;
      sum.missFull += outcome.report.missFull;
      bool good = outcome.problem.empty() && outcome.report.sound();
      if (good || ++failures > 5)
        continue;
      ADD_FAILURE() << "seed " << seed << ": " << outcome.problem
                    << outcome.report.first << "\n"
                    << Composition(uint64_t(seed)).spec();
    }
  };
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency());
       ++i)
    workers.emplace_back(work);
  for (std::thread &worker : workers)
    worker.join();
  EXPECT_EQ(failures, 0);
  printf("%d compositions: %ld tiles, %.3f %% run beyond the minimum, %.3f %% "
         "full run as partial\n",
         kCompositions, long(all.tiles), all.idlePercent(),
         all.missFullPercent());
  if (trees.tiles)
    printf("with trees: %ld tiles, %.3f %% and %.3f %%\n", long(trees.tiles),
           trees.idlePercent(), trees.missFullPercent());
  EXPECT_EQ(all.idle, 0);
  EXPECT_EQ(all.missFull, 0);
}

/// A new word gets a line in Compose.cpp.
TEST(Compose, KnowsAllWords) {
  std::set<std::string> words;
  for (const sel::MaskWord &word : sel::maskWords())
    words.insert(word.word.str());
  EXPECT_EQ(Composition::words(), words);
}

//===--- the check fails on faults ----------------------------------------===//

namespace {

/// Seeds of the first `count` compositions that are not sound with a fault.
int caught(const ModuleFault &fault, int count) {
  auto context = newContext();
  int found = 0;
  for (int seed = 0; seed < count; ++seed) {
    Outcome outcome = outcomeOf(*context, uint64_t(seed), fault);
    found += !outcome.problem.empty() || !outcome.report.sound();
  }
  return found;
}

/// Replaces the comparison number `which` of the functions whose names end in
/// `suffix` by its negation.
ModuleFault negate(llvm::StringRef suffix, int which) {
  return [=](ModuleOp module) {
    for (auto func : module.getOps<func::FuncOp>()) {
      if (!func.getSymName().ends_with(suffix))
        continue;
      int seen = 0;
      func.walk([&](arith::CmpIOp op) {
        if (seen++ == which)
          op.setPredicate(arith::invertPredicate(op.getPredicate()));
      });
    }
  };
}

} // namespace

TEST(ComposeChecker, PassesWithoutFault) { EXPECT_EQ(caught({}, 30), 0); }
TEST(ComposeChecker, SeesWrongBounds) {
  EXPECT_GT(caught(negate("_bounds", 0), 30), 0);
}
TEST(ComposeChecker, SeesWrongClasses) {
  EXPECT_GT(caught(negate("_tile", 0), 30), 0);
}
TEST(ComposeChecker, SeesAWrongPredicate) {
  EXPECT_GT(caught(negate("_keep", 0), 30), 0);
}
TEST(ComposeChecker, SeesADivisionByZero) {
  EXPECT_GT(caught(
                [](ModuleOp module) {
                  module.walk([](arith::DivSIOp op) {
                    OpBuilder b(op);
                    Value zero =
                        b.create<arith::ConstantIntOp>(op.getLoc(), 0, 64);
                    op.setOperand(1, zero);
                  });
                },
                30),
            0);
}
