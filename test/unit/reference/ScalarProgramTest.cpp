// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar code: every op against the value that arith and math define, the
// split into per-row and per-element code, and what is refused.
#include "dialects/reference/ScalarProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace mlir;
using namespace fovea::reference;

namespace {

struct Arguments {
  int64_t a = 7, b = -2;
  double x = 2.25, y = -0.5;
  int64_t n = -100, m = 50;
};

class ScalarProgramTest : public testing::Test {
protected:
  ScalarProgramTest() {
    context.loadDialect<arith::ArithDialect, func::FuncDialect,
                        math::MathDialect, tensor::TensorDialect>();
  }

  /// Parses the body of a function (%a, %b: index, %x, %y: f32, %n, %m: i8,
  /// %t: tensor<2x3xi32>) -> type.
  func::FuncOp parse(const std::string &body, const std::string &type) {
    module = parseSourceString<ModuleOp>(
        "func.func @f(%a: index, %b: index, %x: f32, %y: f32, %n: i8, %m: i8, "
        "%t: tensor<2x3xi32>) -> " +
            type + " {\n" + body + "\n}",
        &context);
    EXPECT_TRUE(module);
    return *module->getOps<func::FuncOp>().begin();
  }

  /// The program of parse(); %a is a per-row argument, all others per element.
  llvm::Expected<ScalarProgram> compile(const std::string &body,
                                        const std::string &type) {
    func::FuncOp f = parse(body, type);
    Block &block = f.getBody().front();
    table = Tensor({2, 3});
    table.data = {1, 2, 3, 4, 5, -6};
    value = table;
    mlir::Value argument = block.getArgument(6);
    return ScalarProgram::compile(block, block.getTerminator()->getOperand(0),
                                  {0}, {1, 2, 3, 4, 5},
                                  [this, argument](mlir::Value v) {
                                    return v == argument ? &value : nullptr;
                                  });
  }

  static Cell integer(int64_t i) {
    Cell cell;
    cell.i = i;
    return cell;
  }
  static Cell real(double f) {
    Cell cell;
    cell.f = f;
    return cell;
  }

  Cell run(const std::string &body, const std::string &type,
           Arguments arguments = {}, const char **fault = nullptr) {
    llvm::Expected<ScalarProgram> program = compile(body, type);
    if (!program) {
      ADD_FAILURE() << llvm::toString(program.takeError());
      return {0};
    }
    ScalarProgram::Frame frame = program->frame();
    program->setRow(frame, integer(arguments.a));
    Cell result = program->evaluate(
        frame, {integer(arguments.b), real(arguments.x), real(arguments.y),
                integer(arguments.n), integer(arguments.m)});
    if (fault)
      *fault = frame.fault;
    else
      EXPECT_EQ(frame.fault, nullptr);
    return result;
  }

  int64_t index(const std::string &op, Arguments arguments = {}) {
    return run("%r = " + op + " %a, %b : index\n return %r : index", "index",
               arguments)
        .i;
  }
  int64_t byte(const std::string &op) {
    return run("%r = " + op + " %n, %m : i8\n return %r : i8", "i8").i;
  }
  double number(const std::string &op, bool binary = true) {
    return run("%r = " + op + (binary ? " %x, %y" : " %x") +
                   " : f32\n return %r : f32",
               "f32")
        .f;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  Tensor table;
  fovea::reference::Value value;
};

} // namespace

TEST_F(ScalarProgramTest, SignedDivisionRoundsAsNamed) {
  Arguments negative{-7, 2};
  EXPECT_EQ(index("arith.divsi", negative), -3);
  EXPECT_EQ(index("arith.remsi", negative), -1);
  EXPECT_EQ(index("arith.floordivsi", negative), -4);
  EXPECT_EQ(index("arith.ceildivsi", negative), -3);
  Arguments positive;
  positive.b = 2;
  EXPECT_EQ(index("arith.ceildivsi", positive), 4);
  EXPECT_EQ(index("arith.ceildivui", positive), 4);
}

TEST_F(ScalarProgramTest, NarrowIntegersWrap) {
  EXPECT_EQ(byte("arith.addi"), -50);
  EXPECT_EQ(byte("arith.subi"), 106);   // -150 + 256
  EXPECT_EQ(byte("arith.muli"), 120);   // -5000 + 20 * 256
  EXPECT_EQ(byte("arith.divui"), 3);    // 156 / 50
  EXPECT_EQ(byte("arith.remui"), 6);    // 156 - 150
  EXPECT_EQ(byte("arith.maxui"), -100); // 156
  EXPECT_EQ(byte("arith.maxsi"), 50);
}

TEST_F(ScalarProgramTest, ComparesSignedAndUnsigned) {
  auto less = [&](const char *predicate) {
    return run(std::string("%r = arith.cmpi ") + predicate +
                   ", %n, %m : i8\n return %r : i1",
               "i1")
        .i;
  };
  EXPECT_EQ(less("slt"), 1);
  EXPECT_EQ(less("ult"), 0);
  EXPECT_EQ(less("ne"), 1);
}

TEST_F(ScalarProgramTest, ShiftsByLessThanTheWidth) {
  Arguments arguments;
  arguments.b = 1;
  EXPECT_EQ(index("arith.shli", arguments), 14);
  arguments = {-7, 63};
  EXPECT_EQ(index("arith.shrsi", arguments), -1);
  EXPECT_EQ(index("arith.shrui", arguments), 1);
}

TEST_F(ScalarProgramTest, BooleansExtendAsTheOpSays) {
  std::string body = "%c = arith.cmpi sgt, %a, %b : index\n";
  EXPECT_EQ(
      run(body + "%r = arith.extsi %c : i1 to i32\n return %r : i32", "i32").i,
      -1);
  EXPECT_EQ(
      run(body + "%r = arith.extui %c : i1 to i32\n return %r : i32", "i32").i,
      1);
  EXPECT_EQ(run(body + "%t1 = arith.constant true\n"
                       "%r = arith.xori %c, %t1 : i1\n return %r : i1",
                "i1")
                .i,
            0);
}

TEST_F(ScalarProgramTest, FloatsAreComputedInDouble) {
  EXPECT_EQ(number("arith.divf"), -4.5);
  EXPECT_EQ(number("arith.maximumf"), 2.25);
  EXPECT_EQ(number("math.powf"), std::pow(2.25, -0.5));
  EXPECT_EQ(number("math.tanh", false), std::tanh(2.25));
  EXPECT_EQ(number("math.rsqrt", false), 1 / 1.5);
  // 1 + 1e-10 is not an f32.
  EXPECT_EQ(run("%c = arith.constant 1.0e-10 : f32\n"
                "%d = arith.constant 1.0 : f32\n"
                "%r = arith.addf %c, %d : f32\n return %r : f32",
                "f32")
                .f,
            1 + double(1e-10f));
}

TEST_F(ScalarProgramTest, OnlyTruncfRounds) {
  Arguments arguments;
  arguments.x = 2049;
  EXPECT_EQ(run("%h = arith.truncf %x : f32 to f16\n"
                "%r = arith.extf %h : f16 to f32\n return %r : f32",
                "f32", arguments)
                .f,
            2048);
}

TEST_F(ScalarProgramTest, NanComparesUnordered) {
  Arguments arguments;
  arguments.x = NAN;
  for (auto [predicate, want] :
       std::initializer_list<std::pair<const char *, int>>{{"olt", 0},
                                                           {"ult", 1},
                                                           {"oeq", 0},
                                                           {"une", 1},
                                                           {"uno", 1},
                                                           {"ord", 0},
                                                           {"one", 0},
                                                           {"ueq", 1}})
    EXPECT_EQ(run(std::string("%r = arith.cmpf ") + predicate +
                      ", %x, %y : f32\n return %r : i1",
                  "i1", arguments)
                  .i,
              want)
        << predicate;
  EXPECT_TRUE(
      std::isnan(run("%r = arith.maximumf %x, %y : f32\n return %r : f32",
                     "f32", arguments)
                     .f));
  EXPECT_EQ(
      run("%r = arith.maxnumf %x, %y : f32\n return %r : f32", "f32", arguments)
          .f,
      -0.5);
}

TEST_F(ScalarProgramTest, ReadsTables) {
  std::string body = "%c = arith.constant 1 : index\n"
                     "%r = tensor.extract %t[%c, %b] : tensor<2x3xi32>\n"
                     "return %r : i32";
  Arguments arguments;
  arguments.b = 2;
  EXPECT_EQ(run(body, "i32", arguments).i, -6);
  for (int64_t outside : {-1, 3}) {
    arguments.b = outside;
    const char *fault = nullptr;
    run(body, "i32", arguments, &fault);
    EXPECT_STREQ(fault, "table index out of range");
  }
}

TEST_F(ScalarProgramTest, DivisionByANumberBelowOneIsAFault) {
  for (const char *op : {"divsi", "divui", "remsi", "remui", "floordivsi",
                         "ceildivsi", "ceildivui"})
    for (int64_t by : {int64_t(0), int64_t(-1), INT64_MIN}) {
      Arguments arguments;
      arguments.b = by;
      const char *fault = nullptr;
      run(std::string("%r = arith.") + op +
              " %a, %b : index\n return %r : index",
          "index", arguments, &fault);
      EXPECT_STREQ(fault, "division by a number below 1") << op << " " << by;
    }
}

// Fewer than 64 bits without sign are what they are: only 0 is below 1.
TEST_F(ScalarProgramTest, UnsignedDivisorsOfFewBitsHaveNoSign) {
  for (int64_t by : {0, -1}) {
    Arguments arguments;
    arguments.n = 7;
    arguments.m = by;
    const char *fault = nullptr;
    Cell result = run("%r = arith.divui %n, %m : i8\n return %r : i8", "i8",
                      arguments, &fault);
    EXPECT_STREQ(fault, by ? nullptr : "division by zero");
    EXPECT_EQ(result.i, 0);
  }
}

TEST_F(ScalarProgramTest, ShiftByAllBitsIsAFault) {
  for (const char *op : {"shli", "shrsi", "shrui"})
    for (int64_t by : {int64_t(64), int64_t(-1), INT64_MIN}) {
      Arguments arguments;
      arguments.b = by;
      const char *fault = nullptr;
      run(std::string("%r = arith.") + op +
              " %a, %b : index\n return %r : index",
          "index", arguments, &fault);
      EXPECT_STREQ(fault, "shift by all bits or more") << op << " " << by;
    }
}

// The pair after one without a meaning has its own.
TEST_F(ScalarProgramTest, AFaultEndsWithItsPair) {
  llvm::Expected<ScalarProgram> program =
      compile("%r = arith.divsi %a, %b : index\n return %r : index", "index");
  ASSERT_TRUE(bool(program));
  ScalarProgram::Frame frame = program->frame();
  program->setRow(frame, integer(6));
  program->evaluate(frame,
                    {integer(0), real(0), real(0), integer(0), integer(0)});
  EXPECT_NE(frame.fault, nullptr);
  Cell result = program->evaluate(
      frame, {integer(3), real(0), real(0), integer(0), integer(0)});
  EXPECT_EQ(frame.fault, nullptr);
  EXPECT_EQ(result.i, 2);
}

TEST_F(ScalarProgramTest, RowCodeIsNotStale) {
  llvm::Expected<ScalarProgram> program =
      compile("%c = arith.addi %a, %a : index\n"
              "%r = arith.addi %c, %b : index\n return %r : index",
              "index");
  ASSERT_TRUE(bool(program));
  ScalarProgram::Frame frame = program->frame();
  for (int64_t a : {1, 10}) {
    program->setRow(frame, integer(a));
    for (int64_t b : {3, 4})
      EXPECT_EQ(program
                    ->evaluate(frame, {integer(b), real(0), real(0), integer(0),
                                       integer(0)})
                    .i,
                2 * a + b);
  }
}

TEST_F(ScalarProgramTest, RefusesOtherOps) {
  llvm::Expected<ScalarProgram> program =
      compile("%c = arith.constant 0 : index\n"
              "%r = tensor.dim %t, %c : tensor<2x3xi32>\n return %r : index",
              "index");
  ASSERT_FALSE(bool(program));
  EXPECT_EQ(llvm::toString(program.takeError()),
            "expected 'tensor.dim' to be an arith or math op of scalars");
}
