// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads, stores, atomics and asynchronous copies as calls of the emulator.
#include "codegen/gpu/emulator/lowering/Caller.h"
#include "dialects/hw/Hw.h"

using namespace mlir;

namespace fovea::gpu {

static int64_t bytesOf(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getNumElements() * bytesOf(vector.getElementType());
  return type.getIntOrFloatBitWidth() / 8;
}

static bool isShared(Value address) {
  return cast<LLVM::LLVMPointerType>(address.getType()).getAddressSpace() == 3;
}

static void emitSharedMemory(hw::SharedMemoryOp op, hw::SharedMemoryOp::Adaptor,
                             Caller &caller) {
  Value start = caller.call(Call::shared_memory, caller.i32, caller.unit());
  caller.builder.replaceOpWithNewOp<LLVM::IntToPtrOp>(op, op.getType(), start);
}

static void emitSharedOffset(hw::SharedOffsetOp op,
                             hw::SharedOffsetOp::Adaptor operands,
                             Caller &caller) {
  caller.builder.replaceOp(op, caller.sharedAddress(operands.getShared()));
}

static void emitLoad(hw::LoadOp op, hw::LoadOp::Adaptor operands,
                     Caller &caller) {
  Value address = operands.getAddress();
  int64_t bytes = bytesOf(op.getType());
  Value out = caller.buffer(bytes);
  Value size = caller.constant(bytes);
  if (isShared(address) && op.getOrder() != hw::Order::Weak)
    caller.call(Call::load_shared_ordered, Type(),
                {caller.unit(), caller.sharedAddress(address), out, size,
                 caller.constant(int64_t(op.getOrder()))});
  else if (isShared(address))
    caller.call(Call::load_shared, Type(),
                {caller.unit(), caller.sharedAddress(address), out, size});
  else
    caller.call(Call::load_global, Type(),
                {caller.unit(), caller.globalAddress(address), out, size,
                 caller.constant(int64_t(op.getOrder()))});
  caller.builder.replaceOpWithNewOp<LLVM::LoadOp>(op, op.getType(), out);
}

static void emitStore(hw::StoreOp op, hw::StoreOp::Adaptor operands,
                      Caller &caller) {
  Value address = operands.getAddress();
  int64_t bytes = bytesOf(op.getValue().getType());
  Value in = caller.buffer(bytes);
  caller.builder.create<LLVM::StoreOp>(caller.loc, operands.getValue(), in);
  Value size = caller.constant(bytes);
  if (isShared(address) && op.getOrder() != hw::Order::Weak)
    caller.call(Call::store_shared_ordered, Type(),
                {caller.unit(), caller.sharedAddress(address), in, size,
                 caller.constant(int64_t(op.getOrder()))});
  else if (isShared(address))
    caller.call(Call::store_shared, Type(),
                {caller.unit(), caller.sharedAddress(address), in, size});
  else
    caller.call(Call::store_global, Type(),
                {caller.unit(), caller.globalAddress(address), in, size,
                 caller.constant(int64_t(op.getOrder()))});
  caller.builder.eraseOp(op);
}

static void emitAtomic(hw::AtomicOp op, hw::AtomicOp::Adaptor operands,
                       Caller &caller) {
  Value address = operands.getAddress();
  bool shared = isShared(address);
  // The emulator's types of an atomic: i32, i64, f32.
  int64_t type = op.getType().isF32() ? 2 : op.getType().isInteger(64) ? 1 : 0;
  Value compare = operands.getCompare()
                      ? caller.bitsOf(operands.getCompare(), 64)
                      : caller.constant(0, 64);
  Value old = caller.call(
      shared ? Call::atomic_shared : Call::atomic_global, caller.i64,
      {caller.unit(),
       shared ? caller.sharedAddress(address) : caller.globalAddress(address),
       caller.constant(int64_t(op.getKind())), caller.constant(type),
       caller.bitsOf(operands.getValue(), 64), compare,
       caller.constant(int64_t(op.getOrder()))});
  caller.builder.replaceOp(op, caller.fromBits(old, op.getType()));
}

static void emitCopyAsync(hw::CopyAsyncOp op, hw::CopyAsyncOp::Adaptor operands,
                          Caller &caller) {
  Value bytes = caller.constant(op.getBytes());
  caller.call(Call::copy_async, Type(),
              {caller.unit(), caller.sharedAddress(operands.getShared()),
               caller.globalAddress(operands.getGlobal()), bytes,
               operands.getValid() ? operands.getValid() : bytes});
  caller.builder.eraseOp(op);
}

static void emitCopyAsyncWait(hw::CopyAsyncWaitOp op,
                              hw::CopyAsyncWaitOp::Adaptor, Caller &caller) {
  caller.call(Call::copy_async_wait, Type(),
              {caller.unit(), caller.constant(op.getGroups())});
  caller.builder.eraseOp(op);
}

void populateEmulatorMemoryPatterns(LLVMTypeConverter &converter,
                                    RewritePatternSet &patterns) {
  addCall<hw::SharedMemoryOp>(converter, patterns, emitSharedMemory);
  addCall<hw::SharedOffsetOp>(converter, patterns, emitSharedOffset);
  addCall<hw::LoadOp>(converter, patterns, emitLoad);
  addCall<hw::StoreOp>(converter, patterns, emitStore);
  addCall<hw::AtomicOp>(converter, patterns, emitAtomic);
  addCall<hw::CopyAsyncOp>(converter, patterns, emitCopyAsync);
  addCall<hw::CopyAsyncWaitOp>(converter, patterns, emitCopyAsyncWait);
  // A hint, which has no effect that a thread could see.
  addCall<hw::PrefetchL2Op>(converter, patterns,
                            [](hw::PrefetchL2Op op, hw::PrefetchL2Op::Adaptor,
                               Caller &caller) { caller.builder.eraseOp(op); });
}

} // namespace fovea::gpu
