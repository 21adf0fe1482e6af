// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ids, barriers, fences, shuffles and votes as calls of the emulator.
#include "codegen/gpu/emulator/lowering/Caller.h"
#include "dialects/hw/Hw.h"

using namespace mlir;

namespace fovea::gpu {

template <typename Op, Call slot>
static void addId(LLVMTypeConverter &converter, RewritePatternSet &patterns) {
  addCall<Op>(converter, patterns,
              [](Op op, typename Op::Adaptor, Caller &caller) {
                caller.builder.replaceOp(
                    op, caller.call(slot, caller.i32, caller.unit()));
              });
}

template <typename Op, Call slot>
static void addBarrier(LLVMTypeConverter &converter,
                       RewritePatternSet &patterns) {
  addCall<Op>(converter, patterns,
              [](Op op, typename Op::Adaptor, Caller &caller) {
                caller.call(slot, Type(),
                            {caller.unit(), caller.constant(op.getId()),
                             caller.constant(op.getThreads())});
                caller.builder.eraseOp(op);
              });
}

static void emitShuffle(hw::ShuffleOp op, hw::ShuffleOp::Adaptor operands,
                        Caller &caller) {
  Value bits =
      caller.call(Call::shuffle, caller.i32,
                  {caller.unit(), caller.constant(int64_t(op.getKind())),
                   caller.bitsOf(operands.getValue(), 32), operands.getLane()});
  caller.builder.replaceOp(op, caller.fromBits(bits, op.getType()));
}

static void emitVote(hw::VoteOp op, hw::VoteOp::Adaptor operands,
                     Caller &caller) {
  Value bits =
      caller.call(Call::vote, caller.i32,
                  {caller.unit(), caller.constant(int64_t(op.getKind())),
                   caller.bitsOf(operands.getPredicate(), 32)});
  caller.builder.replaceOp(op, caller.fromBits(bits, op.getType()));
}

void populateEmulatorThreadPatterns(LLVMTypeConverter &converter,
                                    RewritePatternSet &patterns) {
  addId<hw::ThreadIdOp, Call::thread_id>(converter, patterns);
  addId<hw::CtaIdOp, Call::cta_id>(converter, patterns);
  addId<hw::CtaCountOp, Call::cta_count>(converter, patterns);
  addPlainCall<hw::WarpBarrierOp, Call::warp_barrier>(converter, patterns);
  addPlainCall<hw::FenceOp, Call::fence>(converter, patterns);
  addPlainCall<hw::CopyAsyncCommitOp, Call::copy_async_commit>(converter,
                                                               patterns);
  addBarrier<hw::BarrierOp, Call::barrier>(converter, patterns);
  addBarrier<hw::BarrierArriveOp, Call::barrier_arrive>(converter, patterns);
  addCall<hw::ShuffleOp>(converter, patterns, emitShuffle);
  addCall<hw::VoteOp>(converter, patterns, emitVote);
}

} // namespace fovea::gpu
