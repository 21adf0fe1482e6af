// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels as functions that launch themselves on the emulator, and the pass.
#include "codegen/gpu/emulator/lowering/HwToEmulator.h"
#include "codegen/gpu/emulator/Emulator.h"
#include "codegen/gpu/emulator/lowering/Caller.h"
#include "codegen/target/ConvertKernels.h"
#include "codegen/target/Llvm.h"
#include "dialects/hw/Hw.h"

#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"

using namespace mlir;

namespace fovea::gpu {

void registerEmulatorDialects(DialectRegistry &registry) {
  registry
      .insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
              hw::HwDialect, LLVM::LLVMDialect, math::MathDialect,
              memref::MemRefDialect, scf::SCFDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

// What the body's environment is: the table and the kernel's arguments.
static LLVM::LLVMStructType environmentOf(hw::KernelOp kernel) {
  SmallVector<Type> fields = {LLVM::LLVMPointerType::get(kernel.getContext())};
  llvm::append_range(fields, kernel.getArgumentTypes());
  return LLVM::LLVMStructType::getLiteral(kernel.getContext(), fields);
}

// The thread's part: the kernel's region, with its arguments read from the
// environment.
static LLVM::LLVMFuncOp makeBody(hw::KernelOp kernel, OpBuilder &builder) {
  Location loc = kernel.getLoc();
  Type pointer = LLVM::LLVMPointerType::get(kernel.getContext());
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(kernel.getContext()), {pointer, pointer});
  auto body = builder.create<LLVM::LLVMFuncOp>(
      loc, (kernel.getSymName() + ".body").str(), type,
      LLVM::Linkage::Internal);
  body.getBody().takeBody(kernel.getBody());
  Block &entry = body.getBody().front();
  unsigned count = entry.getNumArguments();
  entry.insertArgument(0u, pointer, loc);
  Value env = entry.insertArgument(1u, pointer, loc);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&entry);
  LLVM::LLVMStructType fields = environmentOf(kernel);
  for (unsigned i = 0; i < count; ++i) {
    BlockArgument old = entry.getArgument(2 + i);
    Value at = builder.create<LLVM::GEPOp>(
        loc, pointer, fields, env, ArrayRef<LLVM::GEPArg>{0, int32_t(i + 1)});
    old.replaceAllUsesWith(
        builder.create<LLVM::LoadOp>(loc, old.getType(), at));
  }
  entry.eraseArguments(2, count);
  body.walk([&](hw::ReturnOp op) {
    builder.setInsertionPoint(op);
    builder.create<LLVM::ReturnOp>(op.getLoc(), ValueRange());
    op.erase();
  });
  return body;
}

// The caller's part: fills in what is the kernel's of the launch, and launches.
static void makeLaunch(hw::KernelOp kernel, LLVM::LLVMFuncOp body,
                       OpBuilder &builder) {
  Location loc = kernel.getLoc();
  Type pointer = LLVM::LLVMPointerType::get(kernel.getContext());
  Type i32 = builder.getI32Type();
  SmallVector<Type> inputs = {pointer, pointer};
  llvm::append_range(inputs, kernel.getArgumentTypes());
  std::string name = kernel.getSymName().str();
  std::string text = name + '\0';
  auto bytes =
      LLVM::LLVMArrayType::get(builder.getI8Type(), unsigned(text.size()));
  auto label = builder.create<LLVM::GlobalOp>(
      loc, bytes, /*isConstant=*/true, LLVM::Linkage::Internal, name + ".name",
      builder.getStringAttr(text));
  auto function = builder.create<LLVM::LLVMFuncOp>(
      loc, name, LLVM::LLVMFunctionType::get(i32, inputs));
  OpBuilder::InsertionGuard guard(builder);
  Block *entry = function.addEntryBlock(builder);
  builder.setInsertionPointToStart(entry);
  Value launch = entry->getArgument(0), table = entry->getArgument(1);
  auto constant = [&](int64_t value) -> Value {
    return builder.create<LLVM::ConstantOp>(loc, i32,
                                            builder.getI32IntegerAttr(value));
  };
  LLVM::LLVMStructType fields = environmentOf(kernel);
  Value env =
      builder.create<LLVM::AllocaOp>(loc, pointer, fields, constant(1), 16);
  for (unsigned i = 0; i < fields.getBody().size(); ++i) {
    Value at = builder.create<LLVM::GEPOp>(
        loc, pointer, fields, env, ArrayRef<LLVM::GEPArg>{0, int32_t(i)});
    builder.create<LLVM::StoreOp>(loc, entry->getArgument(i + 1), at);
  }
  auto set = [&](size_t offset, Value value) {
    Value at =
        builder.create<LLVM::GEPOp>(loc, pointer, builder.getI8Type(), launch,
                                    ArrayRef<LLVM::GEPArg>{int32_t(offset)});
    builder.create<LLVM::StoreOp>(loc, value, at);
  };
  set(offsetof(fovea_emulator_launch_t, kernel),
      builder.create<LLVM::AddressOfOp>(loc, label));
  set(offsetof(fovea_emulator_launch_t, body),
      builder.create<LLVM::AddressOfOp>(loc, body));
  set(offsetof(fovea_emulator_launch_t, env), env);
  set(offsetof(fovea_emulator_launch_t, threads),
      constant(kernel.getThreads()));
  set(offsetof(fovea_emulator_launch_t, shared_bytes),
      constant(kernel.getSharedBytes()));
  Value slot = builder.create<LLVM::GEPOp>(
      loc, pointer, builder.getI8Type(), table,
      ArrayRef<LLVM::GEPArg>{
          int32_t(offsetof(fovea_emulator_table_t, launch))});
  Value callee = builder.create<LLVM::LoadOp>(loc, pointer, slot);
  auto call = builder.create<LLVM::CallOp>(
      loc, LLVM::LLVMFunctionType::get(i32, {pointer}),
      ValueRange{callee, launch});
  builder.create<LLVM::ReturnOp>(loc, call.getResult());
}

LogicalResult lowerToEmulator(ModuleOp module) {
  if (failed(expandMath(module)))
    return failure();
  MLIRContext *context = module.getContext();
  OpBuilder builder(context);
  for (auto kernel :
       llvm::make_early_inc_range(module.getOps<hw::KernelOp>())) {
    builder.setInsertionPoint(kernel);
    LLVM::LLVMFuncOp body = makeBody(kernel, builder);
    makeLaunch(kernel, body, builder);
    kernel.erase();
  }
  LLVMTypeConverter converter(context);
  RewritePatternSet patterns(context);
  populateEmulatorThreadPatterns(converter, patterns);
  populateEmulatorMemoryPatterns(converter, patterns);
  populateEmulatorMathPatterns(converter, patterns);
  populateEmulatorAsyncPatterns(converter, patterns);
  populateStageToLLVM(converter, patterns);
  LLVMConversionTarget target(*context);
  target.addLegalOp<ModuleOp, UnrealizedConversionCastOp>();
  if (failed(convertKernels(module, target, std::move(patterns))))
    return failure();
  return cancelCasts(module);
}

namespace {

struct LowerToEmulatorPass
    : PassWrapper<LowerToEmulatorPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerToEmulatorPass)

  StringRef getArgument() const final { return "hw-lower-to-emulator"; }
  StringRef getDescription() const final {
    return "Turn kernels of the hw dialect into calls of the emulator";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registerEmulatorDialects(registry);
  }
  void runOnOperation() override {
    if (failed(lowerToEmulator(getOperation())))
      signalPassFailure();
  }
};

} // namespace

void registerEmulatorPasses() { PassRegistration<LowerToEmulatorPass>(); }

} // namespace fovea::gpu
