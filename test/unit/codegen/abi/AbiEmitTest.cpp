// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The emitted loads verify and address the right bytes.
#include "codegen/abi/AbiEmit.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace fovea;

TEST(AbiEmit, loadsVerifyAndCarryOffsets) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<LLVM::LLVMDialect, arith::ArithDialect>();
  OpBuilder b(&context);
  Location loc = b.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(module->getBody());
  auto func = b.create<LLVM::LLVMFuncOp>(
      loc, "stage",
      cast<LLVM::LLVMFunctionType>(cabi::stageFunctionType(&context)));
  Block *entry = func.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  Value args = entry->getArgument(0), plan = entry->getArgument(1);
  cabi::ItemValues item = cabi::loadItem(b, loc, plan, entry->getArgument(2));
  cabi::ViewValues view = cabi::loadView(b, loc, args, 2, 4);
  cabi::loadScalar(b, loc, args, 1, b.getF32Type());
  cabi::loadScalar(b, loc, args, 1, b.getIndexType());
  cabi::loadScalar(b, loc, args, 1, b.getI32Type());
  cabi::loadSymbol(b, loc, plan, 3);
  cabi::loadKeyLength(b, loc, plan, item.b);
  cabi::loadQueryOffset(b, loc, plan, item.b);
  cabi::addCounter(b, loc, entry->getArgument(4), cabi::counters::pairs,
                   item.k1);
  Value zero = b.create<LLVM::ConstantOp>(loc, b.getI32Type(), 0);
  b.create<LLVM::ReturnOp>(loc, zero);
  ASSERT_TRUE(succeeded(verify(*module)));
  EXPECT_EQ(view.shape.size(), 4u);
  EXPECT_TRUE(item.row.getType().isIndex());

  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os);
  // View 2 begins 2 * 104 bytes into the views; its stride 3 at 80.
  EXPECT_NE(text.find("[208]"), std::string::npos);
  EXPECT_NE(text.find("[80]"), std::string::npos);
  EXPECT_NE(text.find("!llvm.array<40 x i8>"), std::string::npos);
  EXPECT_NE(text.find("invariant"), std::string::npos);
}
