// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Asynchronous copies and mbarriers.
#include "codegen/gpu/ptx/Asm.h"
#include "dialects/hw/Hw.h"

using namespace mlir;
using namespace fovea::hw;

namespace fovea::gpu {

static SmallVector<Value> emitCopyAsync(OpBuilder &b, CopyAsyncOp op,
                                        CopyAsyncOp::Adaptor in) {
  // Only 16 bytes can go round the first-level cache.
  StringRef cache = op.getBytes() == 16 ? "cg" : "ca";
  SmallVector<Value> operands = {in.getShared(), in.getGlobal()};
  if (in.getValid())
    operands.push_back(in.getValid());
  return emitAsm(b, op.getLoc(), {},
                 "cp.async." + cache + ".shared.global [$0], [$1], " +
                     Twine(op.getBytes()) + (in.getValid() ? ", $2;" : ";"),
                 operands, Effects::Memory);
}

// The labels are local to the braces. try_wait sleeps for a time that the
// hardware chooses, and may give up.
static SmallVector<Value> emitMbarrierWait(OpBuilder &b, MbarrierWaitOp op,
                                           MbarrierWaitOp::Adaptor in) {
  return emitAsm(b, op.getLoc(), {},
                 "{\n .reg .pred done;\nagain:\n "
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [$0], $1;\n "
                 "@!done bra again;\n}",
                 {in.getMbarrier(), in.getParity()}, Effects::Memory);
}

static SmallVector<Value> emitTmaLoad(OpBuilder &b, TmaLoadOp op,
                                      TmaLoadOp::Adaptor in) {
  unsigned rank = in.getCoordinates().size();
  SmallVector<Value> operands = {in.getShared(), in.getMap()};
  llvm::append_range(operands, in.getCoordinates());
  operands.push_back(in.getMbarrier());
  return emitAsm(b, op.getLoc(), {},
                 "cp.async.bulk.tensor." + Twine(rank) +
                     "d.shared::cluster.global.mbarrier::complete_tx::bytes "
                     "[$0], [$1, " +
                     registerList(2, rank) + "], [$" + Twine(rank + 2) + "];",
                 operands, Effects::Memory);
}

static SmallVector<Value> emitTmaStore(OpBuilder &b, TmaStoreOp op,
                                       TmaStoreOp::Adaptor in) {
  unsigned rank = in.getCoordinates().size();
  SmallVector<Value> operands = {in.getMap()};
  llvm::append_range(operands, in.getCoordinates());
  operands.push_back(in.getShared());
  return emitAsm(b, op.getLoc(), {},
                 "cp.async.bulk.tensor." + Twine(rank) +
                     "d.global.shared::cta.bulk_group [$0, " +
                     registerList(1, rank) + "], [$" + Twine(rank + 1) + "];",
                 operands, Effects::Memory);
}

static void populateMbarrierPatterns(const LLVMTypeConverter &converter,
                                     RewritePatternSet &patterns) {
  addEmit<MbarrierInitOp>(
      converter, patterns,
      [](OpBuilder &b, MbarrierInitOp op, MbarrierInitOp::Adaptor in) {
        return emitAsm(b, op.getLoc(), {},
                       "mbarrier.init.shared.b64 [$0], " +
                           Twine(op.getCount()) + ";",
                       in.getMbarrier(), Effects::Memory);
      });
  addEmit<MbarrierArriveOp>(
      converter, patterns,
      [](OpBuilder &b, MbarrierArriveOp op, MbarrierArriveOp::Adaptor in) {
        return emitAsm(b, op.getLoc(), {},
                       "mbarrier.arrive.shared.b64 _, [$0];", in.getMbarrier(),
                       Effects::Memory);
      });
  addEmit<MbarrierArriveExpectTxOp>(
      converter, patterns,
      [](OpBuilder &b, MbarrierArriveExpectTxOp op,
         MbarrierArriveExpectTxOp::Adaptor in) {
        return emitAsm(b, op.getLoc(), {},
                       "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;",
                       {in.getMbarrier(), in.getBytes()}, Effects::Memory);
      });
  addEmit<MbarrierWaitOp>(converter, patterns, emitMbarrierWait);
}

void populateAsyncPatterns(const LLVMTypeConverter &converter,
                           RewritePatternSet &patterns) {
  populateMbarrierPatterns(converter, patterns);
  addEmit<CopyAsyncOp>(converter, patterns, emitCopyAsync);
  addEmit<CopyAsyncCommitOp>(
      converter, patterns, [](OpBuilder &b, CopyAsyncCommitOp op, auto) {
        return emitAsm(b, op.getLoc(), {}, "cp.async.commit_group;", {},
                       Effects::Memory);
      });
  addEmit<CopyAsyncWaitOp>(
      converter, patterns, [](OpBuilder &b, CopyAsyncWaitOp op, auto) {
        return emitAsm(b, op.getLoc(), {},
                       "cp.async.wait_group " + Twine(op.getGroups()) + ";", {},
                       Effects::Memory);
      });
  addEmit<BulkCopyOp>(
      converter, patterns,
      [](OpBuilder &b, BulkCopyOp op, BulkCopyOp::Adaptor in) {
        return emitAsm(
            b, op.getLoc(), {},
            "cp.async.bulk.shared::cluster.global.mbarrier::"
            "complete_tx::bytes [$0], [$1], $2, [$3];",
            {in.getShared(), in.getGlobal(), in.getBytes(), in.getMbarrier()},
            Effects::Memory);
      });
  addEmit<TmaLoadOp>(converter, patterns, emitTmaLoad);
  addEmit<TmaStoreOp>(converter, patterns, emitTmaStore);
  addEmit<BulkCommitOp>(
      converter, patterns, [](OpBuilder &b, BulkCommitOp op, auto) {
        return emitAsm(b, op.getLoc(), {}, "cp.async.bulk.commit_group;", {},
                       Effects::Memory);
      });
  addEmit<BulkWaitOp>(converter, patterns,
                      [](OpBuilder &b, BulkWaitOp op, auto) {
                        StringRef read = op.getRead() ? ".read " : " ";
                        return emitAsm(b, op.getLoc(), {},
                                       "cp.async.bulk.wait_group" + read +
                                           Twine(op.getGroups()) + ";",
                                       {}, Effects::Memory);
                      });
}

} // namespace fovea::gpu
