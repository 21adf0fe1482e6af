// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The one property every mask must have: bounds, class and keep, compiled,
// agree with the predicate evaluated pair by pair. Also shows that the check
// fails on faults, and how exact the analysis is.
#include "test/unit/passes/analysis/MaskCases.h"
#include "test/unit/passes/analysis/MaskHarness.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <gtest/gtest.h>

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

/// Keys in more pieces than a tile has runs: the ends do not cut the blocks
/// that kernels walk, of which there are then no more than the keys have.
TEST(MaskBounds, ManyRunsEndBetweenBlocks) {
  Table flags{{320}, {}, 32, 1};
  for (int64_t key = 0; key < 320; ++key)
    flags.data.push_back(key / 16 % 2);
  Operands operands{{flags}, {}};
  X mask = load(0, {var(K)}) != 0;
  CompiledMask compiled(mask, operands);
  for (int64_t len : {320, 310}) {
    fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
    int n = compiled.bounds(0, 0, 16, len, runs), blocks = 0;
    for (int i = 0; i < n; ++i) {
      EXPECT_EQ(runs[i].lo % 64, 0);
      EXPECT_TRUE(runs[i].hi % 64 == 0 || runs[i].hi == len) << runs[i].hi;
      blocks += int(runs[i].hi - runs[i].lo + 63) / 64;
    }
    EXPECT_EQ(blocks, 5);
  }
}

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
