// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The one property every mask must have: bounds, class and keep, compiled,
// agree with the predicate evaluated pair by pair. Also shows that the check
// fails on faults, and how exact and how fast the analysis is.
#include "test/unit/passes/analysis/MaskCases.h"
#include "test/unit/passes/analysis/MaskHarness.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <gtest/gtest.h>

#include <chrono>

using namespace fovea;
using namespace fovea::masktest;

static const Shape kShapes[] = {
    {257, 257}, {289, 289}, {300, 300}, {257, 300}, {300, 270}};
static const TileShape kTiles[] = {{16, 16}, {32, 32}, {64, 64},
                                   {64, 32}, {16, 64}, {48, 40}};

class MaskProperty : public testing::TestWithParam<Case> {};

TEST_P(MaskProperty, AgreesWithBruteForce) {
  const Case &c = GetParam();
  CompiledMask compiled(c.mask, c.operands);
  ASSERT_EQ(compiled.symbols, "");
  Program program(c.mask);
  Report r = check(compiled, program, c.operands, kShapes, kTiles, 4);
  EXPECT_TRUE(r.sound()) << r.first;
  EXPECT_LE(r.extraPercent(), c.extra + 0.005);
  EXPECT_LE(r.missFullPercent(), c.missFull + 0.005);
  printf("%-20s terms %2d %-6s runs <= %d  extra %5.2f %%  missFull %5.2f %%  "
         "%s\n",
         c.name.c_str(), compiled.solution.terms,
         compiled.solution.closedForm ? "closed" : "scan", int(r.runs),
         r.extraPercent(), r.missFullPercent(),
         compiled.solution.remark.c_str());
}

/// Chunks of a longer sequence, decoding, more queries than keys (which then
/// lie before token 0), and sizes below a tile.
TEST_P(MaskProperty, AgreesOnOtherShapes) {
  const Case &c = GetParam();
  CompiledMask compiled(c.mask, c.operands);
  Program program(c.mask);
  const Shape shapes[] = {
      {1, 1}, {1, 300, 299}, {40, 290, 250}, {50, 20, -30}, {3, 7, 1}};
  const TileShape tiles[] = {{1, 64}, {7, 5}, {64, 64}, {16, 300}};
  Report r = check(compiled, program, c.operands, shapes, tiles, 3);
  EXPECT_TRUE(r.sound()) << r.first;
}

INSTANTIATE_TEST_SUITE_P(Masks, MaskProperty, testing::ValuesIn(maskCases()),
                         [](const auto &info) { return info.param.name; });

//===--- the checker fails on faults --------------------------------------===//

static Report checkWithFault(const X &mask, Fault fault) {
  CompiledMask compiled(mask, {}, std::move(fault));
  Program program(mask);
  return check(compiled, program, {}, kShapes, kTiles, 2);
}

/// Replaces the value returned by `change(builder, value)`.
static Fault changeResult(
    mlir::func::FuncOp MaskSolution::*which,
    std::function<mlir::Value(mlir::OpBuilder &, mlir::Value)> change) {
  return [=](MaskSolution &s) {
    auto ret = (s.*which).getBody().front().getTerminator();
    mlir::OpBuilder b(ret);
    ret->setOperand(0, change(b, ret->getOperand(0)));
  };
}

static Fault replaceClass(int from, int to) {
  return changeResult(
      &MaskSolution::classify, [=](mlir::OpBuilder &b, mlir::Value v) {
        auto constant = [&](int c) -> mlir::Value {
          return b.create<mlir::arith::ConstantIntOp>(v.getLoc(), c, 32);
        };
        auto is = b.create<mlir::arith::CmpIOp>(
            v.getLoc(), mlir::arith::CmpIPredicate::eq, v, constant(from));
        return b.create<mlir::arith::SelectOp>(v.getLoc(), is, constant(to), v)
            .getResult();
      });
}

/// Moves end 0 or 1 of the runs of a closed-form mask by `by` keys.
static Fault moveRuns(unsigned which, int64_t by) {
  return [=](MaskSolution &s) {
    unsigned seen = 0;
    s.bounds.walk([&](mlir::memref::StoreOp op) {
      if (seen++ != which)
        return;
      mlir::OpBuilder b(op);
      mlir::Value c = b.create<mlir::arith::ConstantIntOp>(op.getLoc(), by, 64);
      op->setOperand(0, b.create<mlir::arith::AddIOp>(op.getLoc(),
                                                      op.getValueToStore(), c));
    });
  };
}

static const X kFaultMask = [] {
  X d = var(Q) - var(K);
  return (d >= 0) & (d < 64);
}();

TEST(MaskChecker, PassesWithoutFault) {
  EXPECT_TRUE(checkWithFault(kFaultMask, {}).sound());
}
TEST(MaskChecker, SeesRunsThatStartTooLate) {
  EXPECT_GT(checkWithFault(kFaultMask, moveRuns(0, 1)).lost, 0);
}
TEST(MaskChecker, SeesRunsThatEndTooEarly) {
  EXPECT_GT(checkWithFault(kFaultMask, moveRuns(1, -1)).lost, 0);
}
TEST(MaskChecker, SeesRunsThatStickOut) {
  EXPECT_GT(checkWithFault(kFaultMask, moveRuns(1, 1)).illegal, 0);
  EXPECT_GT(checkWithFault(kFaultMask, moveRuns(0, -1)).illegal, 0);
}
TEST(MaskChecker, SeesPartialTilesCalledFull) {
  EXPECT_GT(checkWithFault(kFaultMask, replaceClass(1, 2)).notFull, 0);
}
TEST(MaskChecker, SeesPartialTilesCalledEmpty) {
  EXPECT_GT(checkWithFault(kFaultMask, replaceClass(1, 0)).notEmpty, 0);
}
TEST(MaskChecker, SeesInexactClasses) {
  Report r = checkWithFault(kFaultMask, replaceClass(2, 1));
  EXPECT_TRUE(r.sound());
  EXPECT_GT(r.missFull, 0);
}
TEST(MaskChecker, SeesAWrongPredicate) {
  Report r = checkWithFault(
      kFaultMask,
      changeResult(&MaskSolution::keep, [](mlir::OpBuilder &b, mlir::Value v) {
        return b.create<mlir::arith::ConstantIntOp>(v.getLoc(), 0, 1)
            .getResult();
      }));
  EXPECT_GT(r.keepWrong, 0);
}

//===--- speed ------------------------------------------------------------===//

namespace {
/// Cuts the runs of a query tile into classes as a planner does: peels tiles
/// off both ends until the rest is of one class, then bisects.
struct Planner {
  const CompiledMask &mask;
  int64_t tile, len;
  int64_t bounds = 0, classes = 0, partial = 0, full = 0;

  int classify(int64_t q0, int64_t t0, int64_t t1) {
    ++classes;
    return mask.classify(0, q0, q0 + tile, t0 * tile, std::min(t1 * tile, len),
                         len);
  }
  void cut(int64_t q0, int64_t t0, int64_t t1, int64_t peel) {
    if (t0 >= t1)
      return;
    int c = classify(q0, t0, t1);
    if (c == FOVEA_TILE_FULL)
      full += t1 - t0;
    else if (c == FOVEA_TILE_PARTIAL && t1 - t0 == 1)
      ++partial;
    else if (c == FOVEA_TILE_PARTIAL && peel > 0 && t1 - t0 > 2) {
      cut(q0, t0, t0 + 1, 0);
      cut(q0, t0 + 1, t1 - 1, peel - 1);
      cut(q0, t1 - 1, t1, 0);
    } else if (c == FOVEA_TILE_PARTIAL) {
      int64_t middle = (t0 + t1) / 2;
      cut(q0, t0, middle, 0);
      cut(q0, middle, t1, 0);
    }
  }
  void plan() {
    for (int64_t q0 = 0; q0 < len; q0 += tile) {
      fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
      int n = mask.bounds(0, q0, q0 + tile, len, runs);
      ++bounds;
      int64_t from = 0;
      for (int i = 0; i < n; ++i) {
        int64_t t0 = std::max(from, runs[i].lo / tile);
        int64_t t1 = (runs[i].hi + tile - 1) / tile;
        cut(q0, t0, t1, 2);
        from = std::max(from, t1);
      }
    }
  }
};
} // namespace

/// 128K x 128K, tile 64, one head: planned in less than 1 ms, with a number of
/// classified tiles that grows with the boundary, and no predicate evaluated.
TEST(MaskSpeed, PlansOneHeadOf128K) {
  const int64_t n = 131072, tile = 64;
  X q = var(Q), k = var(K);
  const std::pair<const char *, X> masks[] = {
      {"causal", q >= k},
      {"causal & window(4096)", (q >= k) & (q - k < 4096)},
      {"causal & (sink(4) | window(4096))",
       (q >= k) & ((k < 4) | (q - k < 4096))},
      {"block causal (24)", fdiv(q, 24) >= fdiv(k, 24)}};
  for (auto &[name, mask] : masks) {
    CompiledMask compiled(mask, {});
    double best = 1e9;
    Planner last{compiled, tile, n};
    for (int repeat = 0; repeat < 7; ++repeat) {
      Planner p{compiled, tile, n};
      auto start = std::chrono::steady_clock::now();
      p.plan();
      std::chrono::duration<double, std::milli> ms =
          std::chrono::steady_clock::now() - start;
      best = std::min(best, ms.count());
      last.bounds = p.bounds;
      last.classes = p.classes;
      last.partial = p.partial;
      last.full = p.full;
    }
    printf("%-34s %6.3f ms  bounds %ld  class %ld  keep 0  partial %ld  full "
           "%ld\n",
           name, best, long(last.bounds), long(last.classes),
           long(last.partial), long(last.full));
    EXPECT_EQ(last.bounds, n / tile);
    EXPECT_LE(last.classes, 8 * n / tile);
    EXPECT_LT(best, 1.0);
  }
}

/// What has no closed form is scanned: 128K tokens in documents of 4096,
/// known only by an id per token. No limit to hold, a figure to print.
TEST(MaskSpeed, ScansDocumentIdsOf128K) {
  const int64_t n = 131072, tile = 64;
  X q = var(Q), k = var(K);
  Table ids{{n}, {}, 32, 1};
  for (int64_t i = 0; i < n; ++i)
    ids.data.push_back(i / 4096);
  CompiledMask compiled((q >= k) & (load(0, {q}) == load(0, {k})), {{ids}, {}});
  auto start = std::chrono::steady_clock::now();
  Planner p{compiled, tile, n};
  p.plan();
  std::chrono::duration<double, std::milli> ms =
      std::chrono::steady_clock::now() - start;
  printf("%-34s %6.1f ms  bounds %ld  class %ld  partial %ld  full %ld\n",
         "causal & document ids", ms.count(), long(p.bounds), long(p.classes),
         long(p.partial), long(p.full));
  EXPECT_EQ(p.partial, n / tile);
  EXPECT_EQ(p.full, n / tile * (4096 / tile - 1) / 2);
}
