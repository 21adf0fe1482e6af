// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What solveMask says about a mask - refusals, remarks, the form of what it
// emits - and the level ranges of level masks.
#include "test/unit/passes/analysis/MaskHarness.h"

#include "codegen/abi/MaskAbi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <set>

using namespace fovea;
using namespace fovea::masktest;
using namespace mlir;

namespace {

struct Solved {
  OwningOpRef<ModuleOp> module;
  FailureOr<MaskSolution> solution = failure();
  std::string diagnostics;
};

/// Solves the function @mask of a module text.
Solved solve(const std::string &text,
             std::optional<unsigned> operands = std::nullopt) {
  MLIRContext &context = testContext();
  Solved out;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    out.diagnostics += d.str();
    return success();
  });
  out.module = parseSourceString<ModuleOp>(text, &context);
  if (!out.module)
    return out;
  out.solution =
      solveMask(*out.module, out.module->lookupSymbol<func::FuncOp>("mask"),
                "p", operands);
  return out;
}

std::string maskOf(const std::string &body, const std::string &extra = "") {
  return extra +
         "func.func @mask(%b: index, %h: index, %q: index, %k: index) -> i1 "
         "{\n" +
         body + "\n return %r : i1 }";
}

void expectRefused(const std::string &text, const std::string &message,
                   std::optional<unsigned> operands = std::nullopt) {
  Solved s = solve(text, operands);
  EXPECT_TRUE(failed(s.solution));
  EXPECT_NE(s.diagnostics.find(message), std::string::npos)
      << s.diagnostics << "\ninstead of\n"
      << message;
}

const char *const kCausal = "%r = arith.cmpi sge, %q, %k : index";

} // namespace

TEST(MaskSolver, RefusesWhatAMaskCannotHave) {
  expectRefused(maskOf("%r = func.call @f(%q) : (index) -> i1",
                       "func.func private @f(index) -> i1\n"),
                "expected an op that a mask can evaluate (arith, math.absi, "
                "math.absf, math.copysign, memref.load of an operand), got "
                "'func.call': a plan runs on any x86-64 and calls no library; "
                "put the numbers into a table");
  expectRefused(maskOf("%c = arith.cmpi sge, %q, %k : index\n"
                       "%r = scf.if %c -> i1 { scf.yield %c : i1 } else { "
                       "scf.yield %c : i1 }"),
                "got 'scf.if'");
  expectRefused(maskOf("%v = arith.constant dense<1> : vector<4xi32>\n" +
                       std::string(kCausal)),
                "expected the values of a mask to be integers, index or "
                "floats, got 'vector<4xi32>'");
  expectRefused(maskOf("%x = arith.constant 1.5 : f32\n"
                       "%y = arith.truncf %x : f32 to f16\n"
                       "%r = arith.cmpf olt, %y, %y : f16"),
                "expected the floats of a mask to be f32 or f64 and without "
                "remf, got 'f16'");
  expectRefused(maskOf("%x = arith.constant 1.5 : f32\n"
                       "%y = arith.remf %x, %x : f32\n"
                       "%r = arith.cmpf olt, %y, %x : f32"),
                "without remf, got 'f32'");
  expectRefused(maskOf("%c = arith.constant 0 : index\n"
                       "%d = arith.remui %q, %c : index\n"
                       "%r = arith.cmpi eq, %d, %k : index"),
                "expected a divisor of 1 or more, got 0");
  expectRefused(maskOf("%c = arith.constant 2 : index\n"
                       "%e = arith.subi %c, %q : index\n"
                       "%f = arith.addi %e, %q : index\n"
                       "%g = arith.constant -5 : index\n"
                       "%m = arith.addi %f, %g : index\n"
                       "%d = arith.remsi %q, %m : index\n"
                       "%r = arith.cmpi eq, %d, %k : index"),
                "expected a divisor of 1 or more, got -3");
  expectRefused(maskOf("%c = arith.constant 64 : index\n"
                       "%d = arith.shrsi %q, %c : index\n"
                       "%r = arith.cmpi eq, %d, %k : index"),
                "expected a shift by less than 64 bits, got 64");
  expectRefused(maskOf("%c = arith.cmpi sge, %q, %k : index\n"
                       "%r = arith.shrui %c, %c : i1"),
                "expected a mask to divide and shift integers of 2 bits or "
                "more, got i1");
}

TEST(MaskSolver, RefusesTheWrongSignature) {
  expectRefused("func.func @mask(%q: index, %k: index) -> i1 { " +
                    std::string(kCausal) + "\n return %r : i1 }",
                "expected a mask to take b, h, q and k, got 2 arguments");
  expectRefused(maskOf(kCausal),
                "expected a mask to take its 2 operands, b, h, q, k and "
                "optionally len, got 4 arguments",
                2);
  expectRefused("func.func @mask(%b: index, %h: index, %q: i32, %k: index) -> "
                "i1 { %r = arith.constant true\n return %r : i1 }",
                "expected b, h, q, k and len of a mask to be of type index, "
                "got 'i32' for argument 2");
  expectRefused("func.func @mask(%b: index, %h: index, %q: index, %k: index) "
                "-> index { return %q : index }",
                "expected a mask to return one i1 or i32 (a level), got "
                "'index'");
  expectRefused("func.func private @mask(index, index, index, index) -> i1",
                "expected a mask to have a body, got a declaration");
  expectRefused("func.func @mask(%t: tensor<4xi32>, %b: index, %h: index, %q: "
                "index, %k: index) -> i1 { " +
                    std::string(kCausal) + "\n return %r : i1 }",
                "expected the operands of a mask to be tables and scalars of "
                "integers or floats, got 'tensor<4xi32>' for argument 0");
  expectRefused(
      "func.func @mask(%b: index, %h: index, %q: index, %k: index) -> i1 {\n" +
          std::string(kCausal) + "\n cf.br ^bb1\n ^bb1:\n return %r : i1 }",
      "expected a mask to have one block, got 2");
}

TEST(MaskSolver, NamesWhatItCannotAnalyse) {
  // Nothing is known.
  Solved s = solve(maskOf("%c0 = arith.constant 0 : index\n"
                          "%x = arith.xori %q, %k : index\n"
                          "%r = arith.cmpi eq, %x, %c0 : index"));
  ASSERT_TRUE(succeeded(s.solution));
  EXPECT_FALSE(s.solution->analysed);
  EXPECT_EQ(s.solution->remark,
            "mask is not analysable: every tile runs as partial: 'arith.xori' "
            "has no interval");
  // The causal half is known.
  s = solve(maskOf("%c0 = arith.constant 0 : index\n"
                   "%x = arith.xori %q, %k : index\n"
                   "%e = arith.cmpi eq, %x, %c0 : index\n"
                   "%c = arith.cmpi sge, %q, %k : index\n"
                   "%r = arith.andi %e, %c : i1"));
  ASSERT_TRUE(succeeded(s.solution));
  EXPECT_TRUE(s.solution->analysed);
  EXPECT_EQ(s.solution->remark,
            "mask is analysed in part: tiles that depend on the rest run as "
            "partial: 'arith.xori' has no interval");
  s = solve(maskOf(kCausal));
  ASSERT_TRUE(succeeded(s.solution));
  EXPECT_TRUE(s.solution->analysed);
  EXPECT_EQ(s.solution->remark, "");
  EXPECT_EQ(s.solution->terms, 1);
  EXPECT_TRUE(s.solution->closedForm);
}

TEST(MaskSolver, UnanalysableMasksRunEverywhereAsPartial) {
  X q = var(Q), k = var(K);
  CompiledMask compiled(X::make(Kind::FloatLess, {q * k, 900}), {});
  fovea_abi_run runs[FOVEA_ABI_MAX_RUNS];
  ASSERT_EQ(compiled.bounds(0, 64, 128, 777, runs), 1);
  EXPECT_EQ(runs[0].lo, 0);
  EXPECT_EQ(runs[0].hi, 777);
  EXPECT_EQ(compiled.classify(0, 64, 128, 0, 64, 777), FOVEA_TILE_PARTIAL);
  EXPECT_EQ(compiled.classify(0, 64, 128, 777, 800, 777), FOVEA_TILE_EMPTY);
  EXPECT_EQ(compiled.bounds(0, 64, 64, 777, runs), 0);
  EXPECT_EQ(compiled.bounds(0, 64, 128, 0, runs), 0);
}

/// Closed-form bounds are straight-line integer code: nothing that depends on
/// the number of keys, no float, no call but that of the run list.
TEST(MaskSolver, ClosedFormBoundsHaveNoLoopOverKeys) {
  for (const char *body : {kCausal, "%c24 = arith.constant 24 : index\n"
                                    "%x = arith.divui %q, %c24 : index\n"
                                    "%y = arith.divui %k, %c24 : index\n"
                                    "%r = arith.cmpi uge, %x, %y : index"}) {
    Solved s = solve(maskOf(body));
    ASSERT_TRUE(succeeded(s.solution));
    EXPECT_TRUE(succeeded(verify(*s.module)));
    s.solution->bounds.walk([](Operation *op) {
      EXPECT_FALSE((isa<scf::ForOp, scf::WhileOp>(op)))
          << op->getName().getStringRef().str();
    });
    for (func::FuncOp f :
         {s.solution->bounds, s.solution->classify, s.solution->keep})
      f.walk([](Operation *op) {
        for (Type type : op->getResultTypes())
          EXPECT_FALSE(isa<FloatType>(type));
      });
  }
}

/// The keys of the query's segment, and of all segments up to it: between two
/// boundaries, in closed form.
TEST(MaskSolver, SolvesSegmentsForTheKey) {
  for (const char *compare : {"eq", "sle"}) {
    Solved s = solve(
        std::string("func.func @mask(%t: memref<?xi32>, %b: index, %h: index, "
                    "%q: index, %k: index) -> i1 {\n"
                    "%i, %qb, %qe = tile.search %q in %t : memref<?xi32>\n"
                    "%j, %kb, %ke = tile.search %k in %t : memref<?xi32>\n"
                    "%r = arith.cmpi ") +
            compare + ", %j, %i : index\nreturn %r : i1 }",
        1);
    ASSERT_TRUE(succeeded(s.solution)) << s.diagnostics;
    EXPECT_TRUE(s.solution->closedForm);
    EXPECT_EQ(s.solution->terms, 1);
    EXPECT_TRUE(s.solution->remark.empty());
    EXPECT_TRUE(succeeded(verify(*s.module)));
  }
}

/// Two solved masks share a module, and the same mask solved twice is the
/// same text.
TEST(MaskSolver, IsDeterministicAndComposes) {
  auto print = [](const std::string &body) {
    Solved s = solve(maskOf(body));
    EXPECT_TRUE(succeeded(s.solution));
    func::FuncOp keep = s.module->lookupSymbol<func::FuncOp>("mask");
    EXPECT_TRUE(succeeded(solveMask(*s.module, keep, "other")));
    EXPECT_TRUE(succeeded(verify(*s.module)));
    std::string text;
    llvm::raw_string_ostream os(text);
    s.module->print(os);
    return text;
  };
  std::string body = "%c = arith.constant 9 : index\n"
                     "%a = arith.cmpi sge, %q, %k : index\n"
                     "%s = arith.cmpi slt, %k, %c : index\n"
                     "%r = arith.ori %a, %s : i1";
  EXPECT_EQ(print(body), print(body));
}

/// The level range contains every level of a tile, and is the level itself
/// where the tile has only one.
TEST(MaskSolver, BoundsTheLevelsOfATile) {
  X q = var(Q), k = var(K);
  X level = select(q < k, 0, select(q - k < 32, 1, select(q - k < 128, 2, 4)));
  CompiledMask compiled(level, {}, [](MaskSolution &s) {
    OpBuilder b(s.level);
    Location loc = s.level.getLoc();
    auto f = b.create<func::FuncOp>(
        loc, "levels",
        b.getFunctionType(s.level.getArgumentTypes(), b.getI32Type()));
    b.setInsertionPointToStart(f.addEntryBlock());
    auto call = b.create<func::CallOp>(loc, s.level, f.getArguments());
    Value shift = b.create<arith::ConstantIntOp>(loc, 256, 32);
    Value high = b.create<arith::MulIOp>(loc, call.getResult(1), shift);
    Value both = b.create<arith::OrIOp>(loc, high, call.getResult(0));
    b.create<func::ReturnOp>(loc, both);
  });
  auto *levels = compiled.get<int32_t(int64_t, int64_t, int64_t, int64_t,
                                      int64_t, int64_t, int64_t)>("levels");
  Program program(level);
  const int64_t n = 300, tile = 16;
  for (int64_t q0 = 0; q0 < n; q0 += tile)
    for (int64_t k0 = 0; k0 < n; k0 += tile) {
      std::set<int64_t> seen;
      for (int64_t i = q0; i < q0 + tile; ++i)
        for (int64_t j = k0; j < k0 + tile; ++j)
          seen.insert(j < n ? program.eval({0, 0, i, j, n}, {}) : 0);
      int32_t r = levels(0, 0, q0, q0 + tile, k0, k0 + tile, n);
      EXPECT_LE(r & 255, *seen.begin()) << q0 << " " << k0;
      EXPECT_GE(r >> 8, *seen.rbegin()) << q0 << " " << k0;
      if (seen.size() == 1 && k0 + tile <= n) {
        EXPECT_EQ(r & 255, r >> 8) << q0 << " " << k0;
      }
    }
  // keep returns the level.
  EXPECT_EQ(compiled.keep(0, 200, 150, n), 2);
  EXPECT_EQ(compiled.keep(0, 200, 250, n), 0);
  EXPECT_EQ(compiled.keep(0, 200, 10, n), 4);
}

//===--- the C wrappers ---------------------------------------------------===//

TEST(MaskAbi, RefusesOperandsThatNoSlotCanHold) {
  Solved s = solve("func.func @mask(%t: memref<?xi32>, %b: index, %h: index, "
                   "%q: index, %k: index) -> i1 { " +
                       std::string(kCausal) + "\n return %r : i1 }",
                   1);
  ASSERT_TRUE(succeeded(s.solution));
  std::string text;
  ScopedDiagnosticHandler handler(&testContext(), [&](Diagnostic &d) {
    text += d.str();
    return success();
  });
  using Slot = cabi::MaskOperandSlot;
  EXPECT_TRUE(failed(cabi::wrapMaskFunction(*s.module, s.solution->keep, "c",
                                            {Slot{Slot::View, 0}})));
  EXPECT_NE(text.find("expected table operands of rank at most 6 with run-time "
                      "strides, got 'memref<?xi32>'"),
            std::string::npos)
      << text;
  text.clear();
  EXPECT_TRUE(failed(cabi::wrapMaskFunction(*s.module, s.solution->keep, "c",
                                            {Slot{Slot::Scalar, 0}})));
  EXPECT_NE(text.find("expected operand 0 to lie in a view slot, got "
                      "'memref<?xi32>'"),
            std::string::npos)
      << text;
  EXPECT_FALSE(s.module->lookupSymbol("c"));
}

/// Most keys of a query and the stripes, where the predicate tells them.
TEST(MaskSolver, SaysHowFarAQueryReaches) {
  auto expect = [](const std::string &body, int64_t reach, int64_t stripe,
                   bool slanted = false) {
    Solved s = solve(maskOf(body));
    ASSERT_TRUE(succeeded(s.solution)) << s.diagnostics;
    EXPECT_EQ(s.solution->traits.reach, reach) << body;
    EXPECT_EQ(s.solution->traits.stripe, stripe) << body;
    EXPECT_EQ(s.solution->traits.slanted, slanted) << body;
  };
  const std::string near = "%n = arith.constant 13 : index\n"
                           "%first = arith.subi %q, %n : index\n"
                           "%past = arith.cmpi sge, %k, %first : index\n",
                    causal = "%c = arith.cmpi sge, %q, %k : index\n",
                    sink = "%s = arith.constant 4 : index\n"
                           "%sink = arith.cmpi slt, %k, %s : index\n",
                    stripes = "%p = arith.constant 64 : index\n"
                              "%m = arith.remui %k, %p : index\n"
                              "%w = arith.constant 8 : index\n"
                              "%r = arith.cmpi ult, %m, %w : index";
  // The length decides how many keys these see.
  expect(kCausal, -1, 0);
  expect(near + "%r = arith.andi %past, %past : i1", -1, 0);
  // A window, and keys for everyone beside it.
  expect(near + causal + "%r = arith.andi %past, %c : i1", 14, 0);
  expect(near + causal + sink +
             "%in = arith.andi %past, %c : i1\n"
             "%r = arith.ori %in, %sink : i1",
         18, 0);
  // What a few first queries see beside it does not count, of more it does.
  for (auto [first, reach] : {std::pair("16", 14), {"500", -1}})
    expect(near + causal + "%f = arith.constant " + first +
               " : index\n"
               "%few = arith.cmpi slt, %q, %f : index\n"
               "%in = arith.andi %past, %c : i1\n"
               "%r = arith.ori %in, %few : i1",
           reach, 0);
  // Stripes of 8 keys between gaps of 56; gaps of 3 keys are not skipped.
  expect(stripes, -1, 8);
  // A table with an entry for 16 queries and 64 keys.
  Solved blocks =
      solve("func.func @mask(%t: memref<?x?xi8>, %b: index, %h: index, "
            "%q: index, %k: index) -> i1 {\n"
            "%s = arith.constant 16 : index\n"
            "%u = arith.constant 64 : index\n"
            "%z = arith.constant 0 : i8\n"
            "%i = arith.divsi %q, %s : index\n"
            "%j = arith.divsi %k, %u : index\n"
            "%v = memref.load %t[%i, %j] : memref<?x?xi8>\n"
            "%r = arith.cmpi ne, %v, %z : i8\n"
            "return %r : i1\n}");
  ASSERT_TRUE(succeeded(blocks.solution)) << blocks.diagnostics;
  EXPECT_EQ(blocks.solution->traits.queryGroup, 16);
  EXPECT_EQ(blocks.solution->traits.keyGroup, 64);
  // Stripes of one key that move with the query.
  expect("%p = arith.constant 64 : index\n"
         "%d = arith.subi %q, %k : index\n"
         "%m = arith.remsi %d, %p : index\n"
         "%z = arith.constant 0 : index\n"
         "%r = arith.cmpi eq, %m, %z : index",
         -1, 1, true);
  expect("%p = arith.constant 4 : index\n%m = arith.remui %k, %p : index\n"
         "%w = arith.constant 1 : index\n"
         "%r = arith.cmpi ult, %m, %w : index",
         -1, 0);
}
