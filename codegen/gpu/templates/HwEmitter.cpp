// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One function per hw op that the templates use.
#include "codegen/gpu/templates/HwEmitter.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace fovea::gpu {

static hw::Half halfOf(Elem elem) {
  return elem == Elem::F16 ? hw::Half::F16 : hw::Half::BF16;
}

HwEmitter::HwEmitter(Emitter &e)
    : e(e), globalPtr(LLVM::LLVMPointerType::get(e.b.getContext(), 1)),
      sharedPtr(LLVM::LLVMPointerType::get(e.b.getContext(), 3)) {
  thread = e.b.create<hw::ThreadIdOp>(e.loc, e.i32);
  lane = e.andI(thread, c32(31));
  warp = e.shrU(thread, 5);
  cta = wide(e.b.create<hw::CtaIdOp>(e.loc, e.i32));
  ctas = wide(e.b.create<hw::CtaCountOp>(e.loc, e.i32));
  base = e.b.create<hw::SharedMemoryOp>(e.loc, sharedPtr);
}

void HwEmitter::renewThread() {
  // ptxas does not see through a shuffle.
  thread = shuffleIdx(thread, lane);
  lane = e.andI(thread, c32(31));
  warp = e.shrU(thread, 5);
}

Value HwEmitter::shared(Value offset) {
  return e.b.create<LLVM::GEPOp>(e.loc, sharedPtr, e.i8, base,
                                 ArrayRef<LLVM::GEPArg>{offset});
}

Value HwEmitter::loadShared(Type type, Value offset) {
  return e.b.create<hw::LoadOp>(e.loc, type, shared(offset));
}

void HwEmitter::storeShared(Value v, Value offset) {
  e.b.create<hw::StoreOp>(e.loc, v, shared(offset));
}

Values HwEmitter::ldmatrix(Value offset, unsigned count, bool trans) {
  SmallVector<Type> types(count, e.i32);
  return Values(e.b.create<hw::LdmatrixOp>(e.loc, types, shared(offset), trans)
                    .getResults());
}

Value HwEmitter::global(Value p) {
  return e.b.create<LLVM::AddrSpaceCastOp>(e.loc, globalPtr, p);
}

Value HwEmitter::loadGlobal(Type type, Value p) {
  return e.b.create<hw::LoadOp>(e.loc, type, global(p));
}

void HwEmitter::storeGlobal(Value v, Value p) {
  e.b.create<hw::StoreOp>(e.loc, v, global(p));
}

void HwEmitter::atomicAdd(Value p, Value n) {
  e.b.create<hw::AtomicOp>(e.loc, hw::Atomic::Add, global(p), n, Value(),
                           hw::Order::Relaxed, hw::Scope::Gpu);
}

void HwEmitter::copyAsync(int64_t bytes, Value offset, Value p, Value valid) {
  e.b.create<hw::CopyAsyncOp>(e.loc, bytes, shared(offset), global(p), valid);
}

void HwEmitter::commitCopies() { e.b.create<hw::CopyAsyncCommitOp>(e.loc); }

void HwEmitter::waitCopies(int64_t groups) {
  e.b.create<hw::CopyAsyncWaitOp>(e.loc, groups);
}

Values HwEmitter::mma(Elem elem, ValueRange a, ValueRange b, ValueRange c) {
  SmallVector<Type> types(4, e.f32);
  return Values(
      e.b.create<hw::MmaOp>(e.loc, types,
                            elem == Elem::F16 ? hw::Mma::F16 : hw::Mma::BF16, a,
                            b, c)
          .getResults());
}

Value HwEmitter::pack(Elem elem, Value low, Value high) {
  return e.b.create<hw::PackOp>(e.loc, e.i32, halfOf(elem), low, high);
}

std::pair<Value, Value> HwEmitter::unpack(Elem elem, Value pair) {
  auto op = e.b.create<hw::UnpackOp>(e.loc, e.f32, e.f32, halfOf(elem), pair);
  return {op.getLow(), op.getHigh()};
}

Value HwEmitter::exp2(Value x) {
  return e.b.create<hw::Exp2Op>(e.loc, e.f32, x);
}

Value HwEmitter::max(Value x, Value y) {
  return e.b.create<arith::MaxNumFOp>(e.loc, x, y);
}

void HwEmitter::barrier() { e.b.create<hw::BarrierOp>(e.loc, 0, kThreads); }

void HwEmitter::warpBarrier() { e.b.create<hw::WarpBarrierOp>(e.loc); }

Value HwEmitter::shuffleXor(Value v, int64_t mask) {
  return e.b.create<hw::ShuffleOp>(e.loc, v.getType(), hw::Shuffle::Xor, v,
                                   c32(mask));
}

Value HwEmitter::shuffleIdx(Value v, Value from) {
  return e.b.create<hw::ShuffleOp>(e.loc, v.getType(), hw::Shuffle::Idx, v,
                                   from);
}

Value HwEmitter::any(Value predicate) {
  return e.b.create<hw::VoteOp>(e.loc, e.i1, hw::Vote::Any, predicate);
}

Value HwEmitter::ballot(Value predicate) {
  return e.b.create<hw::VoteOp>(e.loc, e.i32, hw::Vote::Ballot, predicate);
}

Value HwEmitter::popcount(Value bits) {
  return e.b.create<LLVM::CtPopOp>(e.loc, e.i32, bits);
}

} // namespace fovea::gpu
