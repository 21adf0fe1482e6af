// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "codegen/cpu/SharedFunctions.h"

#include "codegen/cpu/CpuBackend.h"
#include "codegen/cpu/LowerToLLVM.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace fovea;

namespace {

/// `count` additions of a constant: so many ops and two more.
std::string adds(const char *head, int count, int constant) {
  std::string text = std::string("func.func private @") + head +
                     "(%a: i64) -> i64 {\n%c = arith.constant " +
                     std::to_string(constant) + " : i64\n";
  std::string last = "%a";
  for (int i = 0; i != count; ++i) {
    std::string next = "%v" + std::to_string(i);
    text += next + " = arith.addi " + last + ", %c : i64\n";
    last = next;
  }
  return text + "return " + last + " : i64\n}\n";
}

class SharedFunctions : public testing::Test {
protected:
  SharedFunctions() {
    DialectRegistry registry;
    cpu::registerCPUDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  void addUnit(const std::string &stage, const std::string &functions,
               const std::string &callee) {
    StageUnit unit;
    unit.kernel = "k";
    unit.stage = stage;
    unit.symbol = "k." + stage;
    unit.module = parseSourceString<ModuleOp>(
        functions + "func.func @\"k." + stage +
            "\"(%a: i64) -> i64 {\n%r = " + "func.call @" + callee +
            "(%a) : (i64) -> i64\nreturn %r : i64\n}\n",
        &context);
    ASSERT_TRUE(unit.module);
    units.push_back(std::move(unit));
  }

  func::FuncOp find(size_t unit, StringRef name) {
    return units[unit].module->lookupSymbol<func::FuncOp>(name);
  }

  /// Machine code of the units, and of the plan if there is one, links.
  void expectLinks(ModuleOp plan = {}) {
    std::vector<SmallVector<char, 0>> objects;
    auto compile = [&](ModuleOp module) {
      auto object = cpu::compileModule(module, {"x86-64", ""});
      ASSERT_TRUE(bool(object)) << toString(object.takeError());
      objects.push_back(std::move(*object));
    };
    for (StageUnit &unit : units)
      compile(*unit.module);
    if (plan)
      compile(plan);
    std::vector<StringRef> views;
    for (auto &object : objects)
      views.emplace_back(object.data(), object.size());
    auto code = cpu::linkUnits(units, views);
    ASSERT_TRUE(bool(code)) << toString(code.takeError());
    EXPECT_EQ(code->entries.size(), units.size());
  }

  MLIRContext context;
  std::vector<StageUnit> units;
};

std::string caller(const char *name, const char *callee) {
  return std::string("func.func private @") + name +
         "(%a: i64) -> i64 {\n%r = func.call @" + callee +
         "(%a) : (i64) -> i64\nreturn %r : i64\n}\n";
}

} // namespace

TEST_F(SharedFunctions, OneCopyIsCompiledAndCalledFromAllStages) {
  std::string mask = adds("inner", 300, 1) + caller("outer", "inner");
  addUnit("a", mask, "outer");
  addUnit("b", mask, "outer");
  addUnit("c", adds("other", 3, 1), "other");
  EXPECT_FALSE(cpu::shareFunctions(units, {}));
  ASSERT_EQ(units.size(), 4u);
  EXPECT_EQ(units[2].symbol, "k.functions"); // behind the last that has them
  EXPECT_TRUE(units[2].stage.empty());
  for (StringRef name : {"inner", "outer"}) {
    EXPECT_TRUE(find(0, name).isExternal());
    EXPECT_TRUE(find(1, name).isExternal());
    ASSERT_TRUE(find(2, name));
    EXPECT_FALSE(find(2, name).isExternal());
  }
  EXPECT_FALSE(find(3, "other").isExternal());

  expectLinks();
}

TEST_F(SharedFunctions, WhatThePlanHasIsLeftToIt) {
  std::string mask = adds("inner", 3, 1) + caller("outer", "inner");
  auto plan = parseSourceString<ModuleOp>(mask, &context);
  ASSERT_TRUE(plan);
  std::string large = adds("more", 300, 1);
  large.replace(large.find("return %v299"), 12,
                "%r = func.call @outer(%v299) : (i64) -> i64\nreturn %r");
  addUnit("a", mask + large, "more");
  addUnit("b", mask + large, "more");
  ASSERT_TRUE(cpu::shareFunctions(units, *plan));
  ASSERT_EQ(units.size(), 3u);
  EXPECT_FALSE(find(0, "inner") && !find(0, "inner").isExternal());
  EXPECT_FALSE(find(2, "more").isExternal()); // what only units have
  EXPECT_TRUE(find(2, "outer").isExternal());

  expectLinks(*plan);
}

TEST_F(SharedFunctions, AnotherBodyInThePlanIsNotTaken) {
  auto plan = parseSourceString<ModuleOp>(
      adds("inner", 3, 2) + caller("outer", "inner"), &context);
  ASSERT_TRUE(plan);
  addUnit("a", adds("inner", 3, 1) + caller("outer", "inner"), "outer");
  EXPECT_FALSE(cpu::shareFunctions(units, *plan));
  EXPECT_FALSE(find(0, "inner").isExternal());
  EXPECT_FALSE(find(0, "outer").isExternal()); // its inner is another
}

TEST_F(SharedFunctions, AnotherBodyUnderTheNameStaysAndSoDoItsCallers) {
  addUnit("a", adds("inner", 300, 1) + caller("outer", "inner"), "outer");
  addUnit("b", adds("inner", 300, 2) + caller("outer", "inner"), "outer");
  EXPECT_FALSE(cpu::shareFunctions(units, {}));
  ASSERT_EQ(units.size(), 2u);
  EXPECT_FALSE(find(0, "inner").isExternal());
  EXPECT_FALSE(find(1, "outer").isExternal());
}

TEST_F(SharedFunctions, LittleIsCompiledTwice) {
  addUnit("a", adds("inner", 3, 1), "inner");
  addUnit("b", adds("inner", 3, 1), "inner");
  EXPECT_FALSE(cpu::shareFunctions(units, {}));
  EXPECT_EQ(units.size(), 2u);
}
