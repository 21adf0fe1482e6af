// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Functions as kernels, and kernels behind the signature of a stage.
#include "codegen/gpu/backend/StageKernel.h"

#include "codegen/cpu/DecodeStream.h"
#include "codegen/gpu/emulator/Emulator.h"
#include "codegen/gpu/emulator/lowering/HwToEmulator.h"
#include "codegen/gpu/ptx/StageCode.h"
#include "dialects/hw/Hw.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <fovea/abi.h>

using namespace mlir;

namespace fovea::gpu {

static hw::KernelOp createKernel(OpBuilder &b, Location loc, StringRef name,
                                 FunctionType type, int64_t threads,
                                 int64_t sharedBytes) {
  // Without a number of CTAs ptxas would rather spill than run fewer of them.
  return b.create<hw::KernelOp>(
      loc, name, FunctionType::get(b.getContext(), type.getInputs(), {}),
      uint32_t(threads), uint32_t(sharedBytes), b.getI32IntegerAttr(1),
      ArrayAttr(), ArrayAttr());
}

void makeKernel(func::FuncOp stage, int64_t threads, int64_t sharedBytes) {
  OpBuilder b(stage);
  hw::KernelOp kernel =
      createKernel(b, stage.getLoc(), stage.getSymName(),
                   stage.getFunctionType(), threads, sharedBytes);
  kernel.getBody().takeBody(stage.getBody());
  Operation *end = kernel.getBody().back().getTerminator();
  b.setInsertionPoint(end);
  b.create<hw::ReturnOp>(end->getLoc());
  end->erase();
  stage.erase();
}

LogicalResult makeEmulatedStage(ModuleOp module, StringRef name) {
  MLIRContext *ctx = module.getContext();
  Location loc = module.getLoc();
  auto kernels = llvm::to_vector(module.getOps<hw::KernelOp>());
  assert(kernels.size() == 1 && "a unit has one kernel");
  std::string kernel = (name + ".kernel").str();
  kernels[0].setSymName(kernel);
  // The entry of a launch on a GPU, so that it is what runs here.
  if (failed(readRange(kernels[0])) || failed(lowerToEmulator(module)))
    return failure();
  auto launcher = module.lookupSymbol<LLVM::LLVMFuncOp>(kernel);
  launcher.setLinkage(LLVM::Linkage::Internal);
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Type ptr = LLVM::LLVMPointerType::get(ctx), i32 = b.getI32Type(),
       i64 = b.getI64Type(), i8 = b.getI8Type();
  auto fn = b.create<LLVM::LLVMFuncOp>(
      loc, name, LLVM::LLVMFunctionType::get(i32, {ptr, ptr, i64, i64, ptr}));
  Block *entry = fn.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  auto constant = [&](Type type, int64_t v) -> Value {
    return b.create<LLVM::ConstantOp>(loc, type, b.getIntegerAttr(type, v));
  };
  auto at = [&](Value base, size_t bytes) -> Value {
    return b.create<LLVM::GEPOp>(loc, ptr, i8, base,
                                 ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
  };
  Value launch = b.create<LLVM::AllocaOp>(
      loc, ptr, i8, constant(i64, sizeof(fovea_emulator_launch_t)), 16);
  auto set = [&](size_t offset, Value v) {
    b.create<LLVM::StoreOp>(loc, v, at(launch, offset));
  };
  set(offsetof(fovea_emulator_launch_t, size),
      constant(i64, sizeof(fovea_emulator_launch_t)));
  set(offsetof(fovea_emulator_launch_t, ctas), constant(i32, 1));
  set(offsetof(fovea_emulator_launch_t, seed), constant(i32, 0));
  set(offsetof(fovea_emulator_launch_t, ranges),
      b.create<LLVM::ZeroOp>(loc, ptr));
  set(offsetof(fovea_emulator_launch_t, range_count), constant(i64, 0));
  Value error = at(entry->getArgument(4), sizeof(fovea_abi_counters));
  b.create<LLVM::StoreOp>(loc, constant(i32, 0), error);
  Value table = b.create<LLVM::LoadOp>(
      loc, ptr, at(entry->getArgument(0), offsetof(fovea_abi_args, device)));
  Value range = b.create<LLVM::AllocaOp>(loc, ptr, i64, constant(i64, 2), 8);
  b.create<LLVM::StoreOp>(loc, entry->getArgument(2), range);
  b.create<LLVM::StoreOp>(loc, entry->getArgument(3),
                          at(range, sizeof(int64_t)));
  SmallVector<Value> operands = {launch,
                                 table,
                                 entry->getArgument(0),
                                 entry->getArgument(1),
                                 range,
                                 entry->getArgument(4)};
  Value code = b.create<LLVM::CallOp>(loc, launcher, operands).getResult();
  Value ok = b.create<LLVM::ICmpOp>(loc, LLVM::ICmpPredicate::eq, code,
                                    constant(i32, FOVEA_EMULATOR_OK));
  Value own = b.create<LLVM::LoadOp>(loc, i32, error);
  Value emulator =
      b.create<LLVM::AddOp>(loc, code, constant(i32, cpu::StageEmulator));
  b.create<LLVM::ReturnOp>(
      loc, b.create<LLVM::SelectOp>(loc, ok, own, emulator).getResult());
  return success();
}

} // namespace fovea::gpu
