// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifiers of the hw dialect: what no architecture has. What one of them
// lacks is the lowering's business.
#include "dialects/hw/Hw.h"

using namespace mlir;
using namespace fovea::hw;

/// Checks that a number lies in [low, high] and is a multiple of step.
static LogicalResult expectNumber(Operation *op, StringRef what, int32_t got,
                                  int64_t low, int64_t high, int64_t step = 1) {
  if (got >= low && got <= high && got % step == 0)
    return success();
  InFlightDiagnostic error = op->emitOpError("expected ") << what << " to be ";
  if (step != 1)
    error << "a multiple of " << step << " ";
  return error << "from " << low << " to " << high << ", got " << got;
}

/// Checks how many operands or results there are.
static LogicalResult expectCount(Operation *op, StringRef what, size_t got,
                                 size_t expected) {
  if (got == expected)
    return success();
  return op->emitOpError("expected ")
         << expected << " " << what << ", got " << got;
}

/// Checks that registers have the type that a kind of product accumulates in.
static LogicalResult expectAccumulators(Operation *op, StringRef kind,
                                        TypeRange types, bool integer) {
  for (Type type : types)
    if (isa<IntegerType>(type) != integer)
      return op->emitOpError("expected accumulators of ")
             << kind << " to be " << (integer ? "i32" : "f32") << ", got "
             << type;
  return success();
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

LogicalResult KernelOp::verify() {
  if (failed(
          expectNumber(*this, "threads", getThreads(), 32, kMaxThreads, 32)) ||
      failed(expectNumber(*this, "shared_bytes", getSharedBytes(), 0,
                          kMaxSharedBytes)))
    return failure();
  if (getMinCtas() &&
      failed(expectNumber(*this, "min_ctas", *getMinCtas(), 1, 32)))
    return failure();
  if (getFunctionType().getNumResults() != 0)
    return emitOpError("expected no results, got ")
           << getFunctionType().getNumResults();
  for (auto [i, type] : llvm::enumerate(getFunctionType().getInputs()))
    if (!isa<LLVM::LLVMPointerType, IntegerType, FloatType>(type))
      return emitOpError("expected argument ")
             << i << " to be an address, an integer or a float, got " << type;
  return success();
}

static LogicalResult verifyBarrier(Operation *op, int32_t id, int32_t threads) {
  if (failed(expectNumber(op, "id", id, 0, 15)))
    return failure();
  return expectNumber(op, "threads", threads, 32, kMaxThreads, 32);
}

LogicalResult BarrierOp::verify() {
  return verifyBarrier(*this, getId(), getThreads());
}

LogicalResult BarrierArriveOp::verify() {
  return verifyBarrier(*this, getId(), getThreads());
}

LogicalResult SetMaxRegistersOp::verify() {
  return expectNumber(*this, "count", getCount(), 24, 256, 8);
}

LogicalResult VoteOp::verify() {
  Type expected =
      IntegerType::get(getContext(), getKind() == Vote::Ballot ? 32 : 1);
  if (getResult().getType() != expected)
    return emitOpError("expected the result of ")
           << stringifyVote(getKind()) << " to be " << expected << ", got "
           << getResult().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static bool isGlobal(Value address) {
  return cast<LLVM::LLVMPointerType>(address.getType()).getAddressSpace() == 1;
}

/// Orders are for what one instruction reads or writes at once.
static LogicalResult verifyOrder(Operation *op, Order order, Order strong,
                                 Type type) {
  if (order == Order::Weak)
    return success();
  if (order != Order::Relaxed && order != strong)
    return op->emitOpError("expected order to be weak, relaxed or ")
           << stringifyOrder(strong) << ", got " << stringifyOrder(order);
  if (!type.isInteger(32) && !type.isInteger(64) && !type.isF32())
    return op->emitOpError("expected i32, i64 or f32 with order ")
           << stringifyOrder(order) << ", got " << type;
  return success();
}

LogicalResult LoadOp::verify() {
  if (getCache() != Cache::Normal) {
    if (!isGlobal(getAddress()))
      return emitOpError("expected a global address with cache ")
             << stringifyCache(getCache()) << ", got "
             << getAddress().getType();
    if (getOrder() != Order::Weak)
      return emitOpError("expected order to be weak with cache ")
             << stringifyCache(getCache()) << ", got "
             << stringifyOrder(getOrder());
  }
  return verifyOrder(*this, getOrder(), Order::Acquire, getResult().getType());
}

LogicalResult StoreOp::verify() {
  return verifyOrder(*this, getOrder(), Order::Release, getValue().getType());
}

LogicalResult AtomicOp::verify() {
  Type type = getValue().getType();
  if (getOrder() == Order::Weak)
    return emitOpError("expected order to be relaxed, acquire, release or "
                       "acq_rel, got weak");
  bool compares = getKind() == Atomic::Cas;
  if (compares != static_cast<bool>(getCompare()))
    return emitOpError("expected ")
           << (compares ? "a value" : "no value") << " to compare with for "
           << stringifyAtomic(getKind());
  if (compares && getCompare().getType() != type)
    return emitOpError("expected compare to have the type of value, got ")
           << getCompare().getType() << " and " << type;
  if (type.isF32() && getKind() != Atomic::Add && getKind() != Atomic::Exch)
    return emitOpError("expected i32 or i64 for ")
           << stringifyAtomic(getKind()) << ", got " << type;
  return success();
}

//===----------------------------------------------------------------------===//
// Asynchronous copies
//===----------------------------------------------------------------------===//

LogicalResult CopyAsyncOp::verify() {
  int32_t bytes = getBytes();
  if (bytes != 4 && bytes != 8 && bytes != 16)
    return emitOpError("expected bytes to be 4, 8 or 16, got ") << bytes;
  return success();
}

LogicalResult CopyAsyncWaitOp::verify() {
  return expectNumber(*this, "groups", getGroups(), 0, 63);
}

LogicalResult BulkWaitOp::verify() {
  return expectNumber(*this, "groups", getGroups(), 0, 63);
}

LogicalResult MbarrierInitOp::verify() {
  return expectNumber(*this, "count", getCount(), 1, (1 << 20) - 1);
}

LogicalResult TmaLoadOp::verify() {
  return expectNumber(*this, "the number of coordinates",
                      getCoordinates().size(), 1, 5);
}

LogicalResult TmaStoreOp::verify() {
  return expectNumber(*this, "the number of coordinates",
                      getCoordinates().size(), 1, 5);
}

//===----------------------------------------------------------------------===//
// Matrices and bits
//===----------------------------------------------------------------------===//

static LogicalResult verifyMatrices(Operation *op, size_t count) {
  if (count == 1 || count == 2 || count == 4)
    return success();
  return op->emitOpError("expected 1, 2 or 4 matrices, got ") << count;
}

LogicalResult LdmatrixOp::verify() {
  return verifyMatrices(*this, getResults().size());
}

LogicalResult StmatrixOp::verify() {
  return verifyMatrices(*this, getValues().size());
}

LogicalResult MmaOp::verify() {
  bool integer = getKind() == Mma::S8 || getKind() == Mma::S4;
  if (failed(expectCount(*this, "registers of a", getA().size(), 4)) ||
      failed(expectCount(*this, "registers of b", getB().size(), 2)) ||
      failed(expectCount(*this, "accumulators", getAccumulators().size(), 4)))
    return failure();
  return expectAccumulators(*this, stringifyMma(getKind()),
                            getAccumulators().getTypes(), integer);
}

LogicalResult WgmmaOp::verify() {
  bool integer = getKind() == Wgmma::S8;
  bool half = getKind() == Wgmma::F16 || getKind() == Wgmma::BF16;
  if (failed(expectNumber(*this, "n", getN(), 8, 256, 8)))
    return failure();
  if (integer && getN() > 24 && getN() % 16 != 0)
    return emitOpError("expected n of s8 to be 8, 24 or a multiple of 16, got ")
           << getN();
  bool descriptor = getA().size() == 1 && getA()[0].getType().isInteger(64);
  bool registers = getA().size() == 4 &&
                   llvm::all_of(getA().getTypes(),
                                [](Type type) { return type.isInteger(32); });
  if (!descriptor && !registers)
    return emitOpError("expected a to be a descriptor (i64) or 4 registers "
                       "(i32), got ")
           << getA().getTypes();
  if (getTransB() && !half)
    return emitOpError("expected f16 or bf16 with trans_b, got ")
           << stringifyWgmma(getKind());
  if (failed(expectCount(*this, "accumulators", getAccumulators().size(),
                         getN() / 2)))
    return failure();
  return expectAccumulators(*this, stringifyWgmma(getKind()),
                            getAccumulators().getTypes(), integer);
}

LogicalResult WgmmaWaitOp::verify() {
  return expectNumber(*this, "groups", getGroups(), 0, 7);
}

LogicalResult Lop3Op::verify() {
  return expectNumber(*this, "table", getTable(), 0, 255);
}
