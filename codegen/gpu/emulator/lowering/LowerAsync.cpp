// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What sm_90a adds, as calls of the emulator: mbarriers, bulk copies, tensor
// maps and wgmma.
#include "codegen/gpu/emulator/lowering/Caller.h"
#include "dialects/hw/Hw.h"

using namespace mlir;

namespace fovea::gpu {

// Registers are not rationed here, and an mbarrier is seen at once.
template <typename Op>
static void addNothing(LLVMTypeConverter &converter,
                       RewritePatternSet &patterns) {
  addCall<Op>(converter, patterns,
              [](Op op, typename Op::Adaptor, Caller &caller) {
                caller.builder.eraseOp(op);
              });
}

static void emitInit(hw::MbarrierInitOp op,
                     hw::MbarrierInitOp::Adaptor operands, Caller &caller) {
  caller.call(Call::mbarrier_init, Type(),
              {caller.unit(), caller.sharedAddress(operands.getMbarrier()),
               caller.constant(op.getCount())});
  caller.builder.eraseOp(op);
}

static void emitArrive(hw::MbarrierArriveOp op,
                       hw::MbarrierArriveOp::Adaptor operands, Caller &caller) {
  caller.call(Call::mbarrier_arrive, Type(),
              {caller.unit(), caller.sharedAddress(operands.getMbarrier())});
  caller.builder.eraseOp(op);
}

static void emitExpect(hw::MbarrierArriveExpectTxOp op,
                       hw::MbarrierArriveExpectTxOp::Adaptor operands,
                       Caller &caller) {
  caller.call(Call::mbarrier_arrive_expect_tx, Type(),
              {caller.unit(), caller.sharedAddress(operands.getMbarrier()),
               operands.getBytes()});
  caller.builder.eraseOp(op);
}

static void emitWait(hw::MbarrierWaitOp op,
                     hw::MbarrierWaitOp::Adaptor operands, Caller &caller) {
  caller.call(Call::mbarrier_wait, Type(),
              {caller.unit(), caller.sharedAddress(operands.getMbarrier()),
               operands.getParity()});
  caller.builder.eraseOp(op);
}

static void emitBulkCopy(hw::BulkCopyOp op, hw::BulkCopyOp::Adaptor operands,
                         Caller &caller) {
  caller.call(Call::bulk_copy, Type(),
              {caller.unit(), caller.sharedAddress(operands.getShared()),
               caller.globalAddress(operands.getGlobal()), operands.getBytes(),
               caller.sharedAddress(operands.getMbarrier())});
  caller.builder.eraseOp(op);
}

static void emitTmaLoad(hw::TmaLoadOp op, hw::TmaLoadOp::Adaptor operands,
                        Caller &caller) {
  caller.call(Call::tma_load, Type(),
              {caller.unit(), caller.constant(operands.getCoordinates().size()),
               caller.sharedAddress(operands.getShared()), operands.getMap(),
               caller.array(operands.getCoordinates()),
               caller.sharedAddress(operands.getMbarrier())});
  caller.builder.eraseOp(op);
}

static void emitTmaStore(hw::TmaStoreOp op, hw::TmaStoreOp::Adaptor operands,
                         Caller &caller) {
  caller.call(Call::tma_store, Type(),
              {caller.unit(), caller.constant(operands.getCoordinates().size()),
               operands.getMap(), caller.array(operands.getCoordinates()),
               caller.sharedAddress(operands.getShared())});
  caller.builder.eraseOp(op);
}

static void emitBulkWait(hw::BulkWaitOp op, hw::BulkWaitOp::Adaptor,
                         Caller &caller) {
  caller.call(Call::bulk_wait, Type(),
              {caller.unit(), caller.constant(op.getGroups())});
  caller.builder.eraseOp(op);
}

// The registers that go through a fence are tied for ptxas alone.
static void emitWgmmaFence(hw::WgmmaFenceOp op,
                           hw::WgmmaFenceOp::Adaptor operands, Caller &caller) {
  caller.call(Call::wgmma_fence, Type(), caller.unit());
  caller.builder.replaceOp(op, operands.getAccumulators());
}

static void emitWgmma(hw::WgmmaOp op, hw::WgmmaOp::Adaptor operands,
                      Caller &caller) {
  ValueRange a = operands.getA();
  bool registers = a.size() == 4;
  // As Wgmma.cpp reads them.
  int64_t flags =
      (op.getTransB() ? 1 : 0) | (op.getZero() ? 2 : 0) | (registers ? 4 : 0);
  Value in = caller.array(operands.getAccumulators());
  caller.call(Call::wgmma, Type(),
              {caller.unit(), caller.constant(int64_t(op.getKind())),
               caller.constant(op.getN()), caller.constant(flags),
               registers ? caller.constant(0, 64) : a[0],
               registers ? caller.array(a) : in, operands.getB(), in, in});
  SmallVector<Value> results;
  caller.loadArray(in, op.getResultTypes(), results);
  caller.builder.replaceOp(op, results);
}

static void emitWgmmaWait(hw::WgmmaWaitOp op, hw::WgmmaWaitOp::Adaptor operands,
                          Caller &caller) {
  Value in = caller.array(operands.getAccumulators());
  caller.call(Call::wgmma_wait, Type(),
              {caller.unit(), caller.constant(op.getGroups()),
               caller.constant(operands.getAccumulators().size()), in, in});
  SmallVector<Value> results;
  caller.loadArray(in, op.getResultTypes(), results);
  caller.builder.replaceOp(op, results);
}

void populateEmulatorAsyncPatterns(LLVMTypeConverter &converter,
                                   RewritePatternSet &patterns) {
  addPlainCall<hw::FenceAsyncProxyOp, Call::fence_async_proxy>(converter,
                                                               patterns);
  addPlainCall<hw::BulkCommitOp, Call::bulk_commit>(converter, patterns);
  addPlainCall<hw::WgmmaCommitOp, Call::wgmma_commit>(converter, patterns);
  addNothing<hw::FenceMbarrierInitOp>(converter, patterns);
  addNothing<hw::SetMaxRegistersOp>(converter, patterns);
  addCall<hw::MbarrierInitOp>(converter, patterns, emitInit);
  addCall<hw::MbarrierArriveOp>(converter, patterns, emitArrive);
  addCall<hw::MbarrierArriveExpectTxOp>(converter, patterns, emitExpect);
  addCall<hw::MbarrierWaitOp>(converter, patterns, emitWait);
  addCall<hw::BulkCopyOp>(converter, patterns, emitBulkCopy);
  addCall<hw::TmaLoadOp>(converter, patterns, emitTmaLoad);
  addCall<hw::TmaStoreOp>(converter, patterns, emitTmaStore);
  addCall<hw::BulkWaitOp>(converter, patterns, emitBulkWait);
  addCall<hw::WgmmaFenceOp>(converter, patterns, emitWgmmaFence);
  addCall<hw::WgmmaOp>(converter, patterns, emitWgmma);
  addCall<hw::WgmmaWaitOp>(converter, patterns, emitWgmmaWait);
}

} // namespace fovea::gpu
