// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Accesses to memory. LLVM 19 drops orders and scopes, so ordered accesses
// are inline PTX; the weak ones are LLVM's own and may be moved and merged.
#include "codegen/gpu/ptx/Asm.h"
#include "dialects/hw/Hw.h"

using namespace mlir;
using namespace fovea::hw;

namespace fovea::gpu {

/// The symbol of a CTA's dynamic shared memory.
static constexpr StringLiteral kSharedName = "fovea_shared";

static unsigned byteSize(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getNumElements() * vector.getElementTypeBitWidth() / 8;
  return type.getIntOrFloatBitWidth() / 8;
}

static StringRef spaceName(Value address) {
  auto type = cast<LLVM::LLVMPointerType>(address.getType());
  return type.getAddressSpace() == 1 ? "global" : "shared";
}

static StringRef bitsOf(Type type) {
  return type.isInteger(64) ? "b64" : "b32";
}

namespace {

/// All kernels of a module name the same window of shared memory.
struct SharedMemoryPattern : ConvertOpToLLVMPattern<SharedMemoryOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(SharedMemoryOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto module = op->getParentOfType<ModuleOp>();
    if (!module.lookupSymbol(kSharedName)) {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointToStart(module.getBody());
      rewriter.create<LLVM::GlobalOp>(
          module.getLoc(), LLVM::LLVMArrayType::get(rewriter.getI8Type(), 0),
          /*isConstant=*/false, LLVM::Linkage::External, kSharedName,
          Attribute(), /*alignment=*/1024, /*addrSpace=*/3);
    }
    rewriter.replaceOpWithNewOp<LLVM::AddressOfOp>(op, op.getType(),
                                                   kSharedName);
    return success();
  }
};

} // namespace

/// Loads with an L2 policy: the hint of the plain instruction is not for all
/// widths.
static SmallVector<Value> emitEvictFirst(OpBuilder &b, LoadOp op, Value p) {
  Type type = op.getType();
  auto vector = dyn_cast<VectorType>(type);
  unsigned count = vector ? vector.getNumElements() : 1;
  // Narrow ones go through a 32-bit register.
  unsigned size = byteSize(type) / count;
  Type element = vector ? vector.getElementType() : type;
  Type reg = size < 4 ? b.getI32Type() : element;
  std::string width = ("b" + Twine(size * 8)).str();
  std::string text = "{ .reg .b64 policy; "
                     "createpolicy.fractional.L2::evict_first.b64 policy, 1.0; "
                     "ld.global.L2::cache_hint" +
                     (count > 1 ? ".v" + std::to_string(count) : "") + "." +
                     (size < 4 ? "u" + std::to_string(size * 8) : width) + " " +
                     (count > 1 ? registerList(0, count) : "$0") + ", [$" +
                     std::to_string(count) + "], policy; }";
  Location loc = op.getLoc();
  SmallVector<Value> parts = emitAsm(b, loc, SmallVector<Type>(count, reg),
                                     text, {p}, Effects::Memory);
  if (!vector) {
    if (size < 4) {
      parts[0] =
          b.create<LLVM::TruncOp>(loc, b.getIntegerType(size * 8), parts[0]);
      if (!isa<IntegerType>(element))
        parts[0] = b.create<LLVM::BitcastOp>(loc, element, parts[0]);
    }
    return parts;
  }
  Value whole = b.create<LLVM::UndefOp>(loc, type);
  for (auto [i, part] : llvm::enumerate(parts)) {
    Value at = b.create<LLVM::ConstantOp>(loc, b.getI32Type(), i);
    whole = b.create<LLVM::InsertElementOp>(loc, whole, part, at);
  }
  return {whole};
}

static SmallVector<Value> emitLoad(OpBuilder &b, LoadOp op,
                                   LoadOp::Adaptor in) {
  Location loc = op.getLoc();
  Value address = in.getAddress();
  if (op.getCache() == Cache::EvictFirst)
    return emitEvictFirst(b, op, address);
  if (op.getOrder() == Order::Weak)
    return {b.create<LLVM::LoadOp>(
        loc, op.getType(), address, byteSize(op.getType()),
        /*isVolatile=*/false,
        /*isNonTemporal=*/false, op.getCache() == Cache::ReadOnly)};
  return emitAsm(b, loc, op.getType(),
                 "ld." + stringifyOrder(op.getOrder()) + "." +
                     stringifyScope(op.getScope()) + "." + spaceName(address) +
                     "." + bitsOf(op.getType()) + " $0, [$1];",
                 {address}, Effects::Memory);
}

static SmallVector<Value> emitStore(OpBuilder &b, StoreOp op,
                                    StoreOp::Adaptor in) {
  Type type = op.getValue().getType();
  if (op.getOrder() == Order::Weak) {
    b.create<LLVM::StoreOp>(op.getLoc(), in.getValue(), in.getAddress(),
                            byteSize(type));
    return {};
  }
  return emitAsm(b, op.getLoc(), {},
                 "st." + stringifyOrder(op.getOrder()) + "." +
                     stringifyScope(op.getScope()) + "." +
                     spaceName(in.getAddress()) + "." + bitsOf(type) +
                     " [$0], $1;",
                 {in.getAddress(), in.getValue()}, Effects::Memory);
}

static SmallVector<Value> emitAtomic(OpBuilder &b, AtomicOp op,
                                     AtomicOp::Adaptor in) {
  Type type = op.getType();
  std::string width = std::to_string(type.getIntOrFloatBitWidth());
  std::string suffix = "b" + width;
  if (op.getKind() == Atomic::Add)
    suffix = (type.isF32() ? "f" : "u") + width;
  else if (op.getKind() == Atomic::Max || op.getKind() == Atomic::Min)
    suffix = "s" + width;
  SmallVector<Value> operands = {in.getAddress()};
  if (op.getCompare())
    operands.push_back(in.getCompare());
  operands.push_back(in.getValue());
  return emitAsm(
      b, op.getLoc(), type,
      "atom." + stringifyOrder(op.getOrder()) + "." +
          stringifyScope(op.getScope()) + "." + spaceName(in.getAddress()) +
          "." + stringifyAtomic(op.getKind()) + "." + suffix +
          (op.getCompare() ? " $0, [$1], $2, $3;" : " $0, [$1], $2;"),
      operands, Effects::Memory);
}

void populateMemoryPatterns(const LLVMTypeConverter &converter,
                            RewritePatternSet &patterns) {
  patterns.add<SharedMemoryPattern>(converter);
  addEmit<SharedOffsetOp>(
      converter, patterns,
      [](OpBuilder &b, SharedOffsetOp op, SharedOffsetOp::Adaptor in) {
        Value offset = b.create<LLVM::PtrToIntOp>(op.getLoc(), b.getI32Type(),
                                                  in.getShared());
        return SmallVector<Value>{offset};
      });
  addEmit<LoadOp>(converter, patterns, emitLoad);
  addEmit<StoreOp>(converter, patterns, emitStore);
  addEmit<AtomicOp>(converter, patterns, emitAtomic);
  addEmit<PrefetchL2Op>(
      converter, patterns,
      [](OpBuilder &b, PrefetchL2Op op, PrefetchL2Op::Adaptor in) {
        return emitAsm(b, op.getLoc(), {}, "prefetch.global.L2 [$0];",
                       in.getAddress(), Effects::Memory);
      });
}

} // namespace fovea::gpu
