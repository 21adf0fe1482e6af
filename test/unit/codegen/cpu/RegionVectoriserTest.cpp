// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each predicate is compiled twice, as the scalar function it is written as
// and through the vectoriser; both must agree on every (q, k).
#include "test/unit/codegen/cpu/LoadObject.h"

#include "codegen/cpu/RegionVectoriser.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace mlir;
using namespace fovea::cpu;

namespace {

const char *predicates[] = {
    // causal
    "%r = arith.cmpi sle, %k, %q : index\n",
    // window and sink
    R"(%w = arith.constant 37 : index
       %s = arith.constant 4 : index
       %d = arith.subi %q, %k : index
       %a = arith.cmpi slt, %d, %w : index
       %c = arith.cmpi slt, %k, %s : index
       %r = arith.ori %a, %c : i1)",
    // products that need more than 32 bits
    R"(%m = arith.constant 2654435761 : index
       %x = arith.muli %q, %m : index
       %y = arith.xori %x, %k : index
       %c13 = arith.constant 13 : index
       %z = arith.shrui %y, %c13 : index
       %c1 = arith.constant 1 : index
       %o = arith.andi %z, %c1 : index
       %r = arith.cmpi eq, %o, %c1 : index)",
    // every division, also of negative numbers, by constants and by a value
    R"(%c7 = arith.constant 7 : index
       %c3 = arith.constant 3 : index
       %d = arith.subi %k, %q : index
       %a = arith.floordivsi %d, %c7 : index
       %b2 = arith.ceildivsi %d, %c3 : index
       %c = arith.divsi %d, %c7 : index
       %e = arith.remsi %d, %c7 : index
       %h1 = arith.addi %h, %c3 : index
       %f = arith.divui %q, %h1 : index
       %g = arith.remui %q, %h1 : index
       %i = arith.ceildivui %q, %h1 : index
       %j = arith.divui %d, %c7 : index
       %s0 = arith.addi %a, %b2 : index
       %s1 = arith.addi %s0, %c : index
       %s2 = arith.addi %s1, %e : index
       %s3 = arith.addi %s2, %f : index
       %s4 = arith.addi %s3, %g : index
       %s5 = arith.addi %s4, %i : index
       %s6 = arith.addi %s5, %j : index
       %t = arith.remsi %s6, %c3 : index
       %z = arith.constant 0 : index
       %r = arith.cmpi eq, %t, %z : index)",
    // casts, selects, unsigned compares, floats
    R"(%q32 = arith.index_cast %q : index to i32
       %k32 = arith.index_cast %k : index to i32
       %c = arith.cmpi ult, %q32, %k32 : i32
       %d = arith.subi %q32, %k32 : i32
       %f = arith.sitofp %d : i32 to f32
       %n = math.absf %f : f32
       %l = arith.constant 20.5 : f32
       %lt = arith.cmpf olt, %n, %l : f32
       %dq = arith.index_cast %d : i32 to index
       %u = arith.cmpi ult, %dq, %k : index
       %s = arith.select %c, %lt, %u : i1
       %r = arith.xori %s, %lt : i1)",
    // nothing varies: stays scalar
    R"(%c = arith.constant 3 : index
       %r = arith.cmpi ne, %k, %c : index)",
};

class VectoriserTest : public testing::TestWithParam<Isa> {};

TEST_P(VectoriserTest, AgreesWithScalar) {
  if (!hostRuns(GetParam()))
    GTEST_SKIP() << "this processor lacks the instruction set";
  const int lanes = 16;
  std::string text;
  for (size_t i = 0; i < std::size(predicates); ++i)
    text += "func.func @p" + std::to_string(i) +
            "(%b: index, %h: index, %q: index, %k: index) -> i1 {\n" +
            predicates[i] + "\nreturn %r : i1 }\n";
  auto module = parseSourceString<ModuleOp>(text, &testContext());
  ASSERT_TRUE(module);
  OpBuilder builder(&testContext());
  builder.setInsertionPointToEnd(module->getBody());
  Type ptr = LLVM::LLVMPointerType::get(&testContext());
  Type i64 = builder.getI64Type();
  for (size_t i = 0; i < std::size(predicates); ++i) {
    auto scalar = cast<func::FuncOp>(
        SymbolTable::lookupSymbolIn(*module, "p" + std::to_string(i)));
    auto fn = builder.create<func::FuncOp>(
        module->getLoc(), "v" + std::to_string(i),
        builder.getFunctionType({i64, i64, i64, ptr}, {}));
    Emitter e(fn, GetParam());
    Value q = e.add(e.splat(e.toInt(fn.getArgument(1), e.i32), lanes),
                    e.iota(lanes, e.i32));
    RegionVectoriser vectoriser(e, lanes);
    auto out = vectoriser.emit(
        scalar.front(),
        {LaneValue::index(e.cI64(0)), LaneValue::index(fn.getArgument(0)),
         LaneValue::index(q), LaneValue::index(fn.getArgument(2))});
    ASSERT_TRUE(succeeded(out)) << vectoriser.reason;
    Value keep = out->front().v;
    if (i + 1 == std::size(predicates)) {
      EXPECT_EQ(Emitter::lanesOf(keep), 0);
    }
    if (!Emitter::lanesOf(keep))
      keep = e.splat(keep, lanes);
    e.store(e.toInt(keep, e.i32), fn.getArgument(3));
    e.ret();
  }
  LoadedModule loaded(*module, machineFor(GetParam()));
  ASSERT_EQ(loaded.undefined, "");
  for (size_t i = 0; i < std::size(predicates); ++i) {
    auto *scalar = loaded.get<bool(int64_t, int64_t, int64_t, int64_t)>(
        "p" + std::to_string(i));
    auto *vector = loaded.get<void(int64_t, int64_t, int64_t, int32_t *)>(
        "v" + std::to_string(i));
    for (int64_t q = 0; q < 200; q += lanes)
      for (int64_t k : {0, 1, 3, 5, 40, 77, 100, 1000, 1 << 30}) {
        int32_t out[lanes];
        vector(5, q, k, out);
        for (int j = 0; j < lanes; ++j)
          ASSERT_EQ(bool(out[j]), scalar(0, 5, q + j, k))
              << predicates[i] << " q " << q + j << " k " << k;
      }
  }
}

// In a loop over keys each op that none of them changes stands in front of it,
// and what the loop computes is the same; also divisors that make pairs
// invalid.
TEST_P(VectoriserTest, LeavesTheLoopWhatChangesInIt) {
  if (!hostRuns(GetParam()))
    GTEST_SKIP() << "this processor lacks the instruction set";
  const int lanes = 16, keys = 5;
  // Products: of lanes alone, of the key alone. Quotients by h and by the key.
  auto module = parseSourceString<ModuleOp>(
      R"(func.func @p(%h: index, %q: index, %k: index) -> i1 {
           %c = arith.constant 2654435761 : index
           %m = arith.muli %q, %c : index
           %n = arith.muli %k, %c : index
           %i = arith.divsi %q, %h : index
           %j = arith.divsi %q, %k : index
           %a = arith.addi %m, %n : index
           %b = arith.addi %i, %j : index
           %x = arith.xori %a, %b : index
           %c1 = arith.constant 8 : index
           %o = arith.andi %x, %c1 : index
           %r = arith.cmpi eq, %o, %c1 : index
           return %r : i1 })",
      &testContext());
  ASSERT_TRUE(module);
  OpBuilder builder(&testContext());
  builder.setInsertionPointToEnd(module->getBody());
  Type ptr = LLVM::LLVMPointerType::get(&testContext());
  Type i64 = builder.getI64Type();
  auto scalar = cast<func::FuncOp>(SymbolTable::lookupSymbolIn(*module, "p"));
  auto fn = builder.create<func::FuncOp>(
      module->getLoc(), "v", builder.getFunctionType({i64, i64, i64, ptr}, {}));
  Emitter e(fn, GetParam());
  Value q = e.add(e.splat(e.toInt(fn.getArgument(1), e.i32), lanes),
                  e.iota(lanes, e.i32));
  auto place = e.b.saveInsertionPoint();
  e.forLoop(e.cI64(0), e.cI64(keys), e.cI64(1), [&](Value i) {
    RegionVectoriser vectoriser(e, lanes, {}, place);
    Value k = e.add(fn.getArgument(2), i);
    auto out = vectoriser.emit(scalar.front(),
                               {LaneValue::index(fn.getArgument(0), INT32_MIN),
                                LaneValue::index(q),
                                LaneValue::index(k, INT32_MIN).inLoop()});
    ASSERT_TRUE(succeeded(out)) << vectoriser.reason;
    Value live = e.andI(out->front().v, vectoriser.valid());
    e.store(e.toInt(live, e.i32), e.at(fn.getArgument(3), e.mul(i, lanes), 4));
  });
  e.ret();
  int inLoop = 0, products = 0, quotients = 0;
  fn.walk([&](Operation *op) {
    bool inside = isa<scf::ForOp>(op->getParentOp());
    bool lane = op->getNumResults() && Emitter::lanesOf(op->getResult(0));
    if (isa<arith::MulIOp>(op) && lane)
      products += 1, inLoop += inside;
    if (isa<arith::DivFOp>(op))
      quotients += 1, inLoop += inside;
  });
  EXPECT_EQ(products, 1);
  EXPECT_EQ(quotients, 2);
  EXPECT_EQ(inLoop, 1) << "only the quotient by the key";
  LoadedModule loaded(*module, machineFor(GetParam()));
  ASSERT_EQ(loaded.undefined, "");
  auto *vector = loaded.get<void(int64_t, int64_t, int64_t, int32_t *)>("v");
  for (int64_t h : {-1, 0, 1, 7})
    for (int64_t k0 : {-2, 1, 100}) {
      int32_t out[keys * lanes];
      vector(h, 3, k0, out);
      for (int i = 0; i < keys * lanes; ++i) {
        int64_t k = k0 + i / lanes, q = 3 + i % lanes;
        bool want = false;
        if (h >= 1 && k >= 1)
          want = ((q * 2654435761 + k * 2654435761) ^ (q / h + q / k)) & 8;
        ASSERT_EQ(bool(out[i]), want) << "h " << h << " q " << q << " k " << k;
      }
    }
}

// A run-time divisor below 1 traps in no path (scalar, narrow lanes, wide
// lanes) and makes the pair invalid.
TEST_P(VectoriserTest, DividesByAnyRunTimeNumber) {
  if (!hostRuns(GetParam()))
    GTEST_SKIP() << "this processor lacks the instruction set";
  const int lanes = 16;
  const char *divided[] = {"%k", "%q", "%wide"};
  std::string text;
  for (size_t i = 0; i < std::size(divided); ++i)
    text += "func.func @p" + std::to_string(i) +
            R"((%h: index, %q: index, %k: index) -> i1 {
              %c = arith.constant 4294967296 : index
              %w = arith.muli %q, %c : index
              %wide = arith.addi %w, %k : index
              %z = arith.constant 0 : index
              %x = arith.remsi )" +
            divided[i] + R"(, %h : index
              %y = arith.divui %k, %h : index
              %s = arith.addi %x, %y : index
              %r = arith.cmpi sge, %s, %z : index
              return %r : i1 })";
  auto module = parseSourceString<ModuleOp>(text, &testContext());
  ASSERT_TRUE(module);
  OpBuilder builder(&testContext());
  builder.setInsertionPointToEnd(module->getBody());
  Type ptr = LLVM::LLVMPointerType::get(&testContext());
  Type i64 = builder.getI64Type();
  for (size_t i = 0; i < std::size(divided); ++i) {
    auto scalar = cast<func::FuncOp>(
        SymbolTable::lookupSymbolIn(*module, "p" + std::to_string(i)));
    auto fn = builder.create<func::FuncOp>(
        module->getLoc(), "v" + std::to_string(i),
        builder.getFunctionType({i64, i64, i64, ptr}, {}));
    Emitter e(fn, GetParam());
    Value q = e.add(e.splat(e.toInt(fn.getArgument(1), e.i32), lanes),
                    e.iota(lanes, e.i32));
    RegionVectoriser vectoriser(e, lanes);
    LaneValue h = LaneValue::index(fn.getArgument(0), INT32_MIN);
    auto out =
        vectoriser.emit(scalar.front(), {h, LaneValue::index(q),
                                         LaneValue::index(fn.getArgument(2))});
    ASSERT_TRUE(succeeded(out)) << vectoriser.reason;
    ASSERT_TRUE(bool(vectoriser.valid()));
    auto splat = [&](Value v) {
      return Emitter::lanesOf(v) ? v : e.splat(v, lanes);
    };
    Value live = e.andI(splat(out->front().v), vectoriser.valid());
    e.store(e.toInt(live, e.i32), fn.getArgument(3));
    e.ret();
  }
  LoadedModule loaded(*module, machineFor(GetParam()));
  ASSERT_EQ(loaded.undefined, "");
  for (size_t i = 0; i < std::size(divided); ++i) {
    auto *vector = loaded.get<void(int64_t, int64_t, int64_t, int32_t *)>(
        "v" + std::to_string(i));
    for (int64_t h : {-7, -1, 0, 1, 7})
      for (int64_t k : {0, 1, 100}) {
        int32_t out[lanes];
        vector(h, 3, k, out);
        for (int j = 0; j < lanes; ++j)
          ASSERT_EQ(bool(out[j]), h >= 1)
              << divided[i] << " by " << h << ", k " << k;
      }
  }
}

// Lanes beyond 32 bits divide in f64 where that is exact: every kind, by small
// divisors, by ones as large as the dividends, and beyond them.
TEST_P(VectoriserTest, DividesWideLanesExactly) {
  if (!hostRuns(GetParam()))
    GTEST_SKIP() << "this processor lacks the instruction set";
  const int lanes = 16;
  const char *kinds[] = {"divsi", "floordivsi", "ceildivsi", "remsi",
                         "divui", "ceildivui",  "remui"};
  const int isSigned = 4;
  std::string text;
  for (const char *kind : kinds) {
    // About 2^50 at most; below 0 for the signed ones, which come first.
    bool negative = text.find("remsi") == std::string::npos;
    text += std::string("func.func @p_") + kind +
            R"((%h: index, %q: index, %k: index) -> index {
              %c = arith.constant 524287 : index
              %w = arith.muli %q, %c : index
              %x = arith.)" +
            (negative ? "subi %k, %w" : "addi %k, %w") + R"( : index
              %y = arith.)" +
            kind + R"( %x, %h : index
              return %y : index })";
  }
  auto module = parseSourceString<ModuleOp>(text, &testContext());
  ASSERT_TRUE(module);
  OpBuilder builder(&testContext());
  builder.setInsertionPointToEnd(module->getBody());
  Type ptr = LLVM::LLVMPointerType::get(&testContext());
  Type i64 = builder.getI64Type();
  for (const char *kind : kinds) {
    auto scalar = cast<func::FuncOp>(
        SymbolTable::lookupSymbolIn(*module, std::string("p_") + kind));
    auto fn = builder.create<func::FuncOp>(
        module->getLoc(), std::string("v_") + kind,
        builder.getFunctionType({i64, i64, i64, ptr}, {}));
    Emitter e(fn, GetParam());
    Value q = e.add(e.splat(e.toInt(fn.getArgument(1), e.i32), lanes),
                    e.iota(lanes, e.i32));
    RegionVectoriser vectoriser(e, lanes);
    auto out = vectoriser.emit(
        scalar.front(), {LaneValue::any(fn.getArgument(0)), LaneValue::index(q),
                         LaneValue::index(fn.getArgument(2))});
    ASSERT_TRUE(succeeded(out)) << vectoriser.reason;
    e.store(out->front().v, fn.getArgument(3));
    e.ret();
  }
  LoadedModule loaded(*module, machineFor(GetParam()));
  ASSERT_EQ(loaded.undefined, "");
  for (size_t i = 0; i < std::size(kinds); ++i) {
    auto *vector = loaded.get<void(int64_t, int64_t, int64_t, int64_t *)>(
        std::string("v_") + kinds[i]);
    for (int64_t h :
         {int64_t(1), int64_t(2), int64_t(3), int64_t(524287), int64_t(524288),
          int64_t(2147483629), (int64_t(1) << 40) + 1, (int64_t(1) << 50) - 1,
          (int64_t(1) << 51) + 5, int64_t(1) << 62})
      for (int64_t q : {0, 1, 12345, 2147483600})
        for (int64_t k : {0, 1, 2147483647}) {
          int64_t out[lanes];
          vector(h, q, k, out);
          for (int j = 0; j < lanes; ++j) {
            int64_t w = (q + j) * 524287, x = int(i) < isSigned ? k - w : k + w;
            int64_t down = x / h - (x % h < 0), up = x / h + (x % h > 0);
            int64_t want[] = {x / h, down, up, x % h, x / h, up, x % h};
            ASSERT_EQ(out[j], want[i])
                << kinds[i] << " of " << x << " by " << h;
          }
        }
  }
}

TEST_P(VectoriserTest, SaysWhatHasNoCode) {
  auto module = parseSourceString<ModuleOp>(
      R"(func.func private @f(index) -> i1
         func.func @p(%q: index) -> i1 {
           %r = func.call @f(%q) : (index) -> i1
           return %r : i1 })",
      &testContext());
  ASSERT_TRUE(module);
  OpBuilder builder(&testContext());
  builder.setInsertionPointToEnd(module->getBody());
  auto fn = builder.create<func::FuncOp>(module->getLoc(), "v",
                                         builder.getFunctionType({}, {}));
  Emitter e(fn, GetParam());
  RegionVectoriser vectoriser(e, 16);
  auto scalar = cast<func::FuncOp>(SymbolTable::lookupSymbolIn(*module, "p"));
  EXPECT_TRUE(failed(
      vectoriser.emit(scalar.front(), {LaneValue::index(e.iota(16, e.i32))})));
  EXPECT_EQ(vectoriser.reason,
            "expected ops of the region to have CPU code, got func.call");
}

INSTANTIATE_TEST_SUITE_P(Isas, VectoriserTest,
                         testing::Values(Isa::AVX2, Isa::AVX512),
                         [](const auto &info) {
                           return info.param == Isa::AVX2 ? "v3" : "v4";
                         });

} // namespace
