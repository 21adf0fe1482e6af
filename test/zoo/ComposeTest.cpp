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

constexpr int kCompositions = 5000, kHostile = 1000;
constexpr Shape kShapes[] = {{1, 29}, {17, 40}, {33, 33}};
constexpr TileShape kTiles[] = {{16, 16}, {5, 12}, {33, 7}};

struct Outcome {
  Report report;
  std::string problem;
};

Outcome outcomeOf(MLIRContext &context, const Composition &composition,
                  const ModuleFault &fault = {}) {
  Outcome outcome;
  ComposedMask mask(context, composition, fault);
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

/// What the operands hold.
static std::string numbersOf(const Composition &composition) {
  std::string text;
  for (const auto &[i, operand] : llvm::enumerate(composition.operands)) {
    text += "%t" + std::to_string(i) + " =";
    for (int64_t number : operand.numbers)
      text += " " + std::to_string(number);
    text += "\n";
  }
  return text;
}

/// Checks `count` masks, each of its seed, on all cores; calls `seen` with each
/// and what came of it. Returns how many are not sound.
static int
checkAll(int count, llvm::function_ref<Composition(uint64_t)> make,
         llvm::function_ref<void(const Composition &, const Report &)> seen) {
  std::atomic<int> next{0};
  std::mutex mutex;
  int failures = 0;
  auto work = [&] {
    auto context = newContext();
    for (int seed; (seed = next++) < count;) {
      Composition composition = make(uint64_t(seed));
      Outcome outcome = outcomeOf(*context, composition);
      std::lock_guard<std::mutex> lock(mutex);
      seen(composition, outcome.report);
      bool good = outcome.problem.empty() && outcome.report.sound();
      if (good || ++failures > 5)
        continue;
      ADD_FAILURE() << "seed " << seed << ": " << outcome.problem
                    << outcome.report.first << "\n"
                    << composition.spec() << numbersOf(composition);
    }
  };
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency());
       ++i)
    workers.emplace_back(work);
  for (std::thread &worker : workers)
    worker.join();
  return failures;
}

TEST(Compose, SkipsNothingLiveAndComputesNothingMasked) {
  Report all;
  auto add = [&](const Composition &, const Report &report) {
    all.tiles += report.tiles;
    all.needed += report.needed;
    all.idle += report.idle;
    all.missFull += report.missFull;
  };
  EXPECT_EQ(
      checkAll(
          kCompositions, [](uint64_t seed) { return Composition(seed); }, add),
      0);
  printf("%d compositions: %ld tiles, %.3f %% run beyond the minimum, %.3f %% "
         "full run as partial\n",
         kCompositions, long(all.tiles), all.idlePercent(),
         all.missFullPercent());
  EXPECT_EQ(all.idle, 0);
  EXPECT_EQ(all.missFull, 0);
}

// Divisors, shifts, indices and sums that have no meaning, or more bits than
// the solver adds up: its functions are the interpreter's mask all the same.
TEST(Compose, HostileNumbersHideTheirPairs) {
  int64_t live = 0;
  EXPECT_EQ(checkAll(kHostile, Composition::hostile,
                     [&](const Composition &, const Report &report) {
                       live += report.needed;
                     }),
            0);
  EXPECT_GT(live, 0);
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
    Outcome outcome = outcomeOf(*context, Composition(uint64_t(seed)), fault);
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
