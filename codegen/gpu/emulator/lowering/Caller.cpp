// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Calls through the emulator's table: see Caller.h.
#include "codegen/gpu/emulator/lowering/Caller.h"
#include "codegen/gpu/emulator/Emulator.h"

using namespace mlir;

namespace fovea::gpu {

Caller::Caller(ConversionPatternRewriter &builder, Operation *op)
    : builder(builder), loc(op->getLoc()),
      pointer(LLVM::LLVMPointerType::get(builder.getContext())),
      i32(builder.getI32Type()), i64(builder.getI64Type()),
      f32(builder.getF32Type()), body(op->getParentOfType<LLVM::LLVMFuncOp>()) {
}

Value Caller::unit() { return body.getBody().front().getArgument(0); }

Value Caller::constant(int64_t value, unsigned bits) {
  Type type = builder.getIntegerType(bits);
  return builder.create<LLVM::ConstantOp>(loc, type,
                                          builder.getIntegerAttr(type, value));
}

Value Caller::call(Call slot, Type result, ValueRange arguments) {
  static_assert(offsetof(fovea_emulator_table_t, launch) == 16,
                "the calls follow size and version");
  Value env = body.getBody().front().getArgument(1);
  Value table = builder.create<LLVM::LoadOp>(loc, pointer, env);
  Value entry = builder.create<LLVM::GEPOp>(
      loc, pointer, builder.getI8Type(), table,
      ArrayRef<LLVM::GEPArg>{int32_t(16 + 8 * int32_t(slot))});
  SmallVector<Value> operands = {
      builder.create<LLVM::LoadOp>(loc, pointer, entry)};
  operands.append(arguments.begin(), arguments.end());
  auto type = LLVM::LLVMFunctionType::get(
      result ? result : LLVM::LLVMVoidType::get(builder.getContext()),
      llvm::to_vector(arguments.getTypes()));
  auto call = builder.create<LLVM::CallOp>(loc, type, operands);
  return result ? call.getResult() : Value();
}

Value Caller::buffer(int64_t bytes) {
  OpBuilder::InsertionGuard guard(builder);
  // In the entry block: the stack must not grow in loops.
  builder.setInsertionPointToStart(&body.getBody().front());
  Value count = constant(bytes, 64);
  return builder.create<LLVM::AllocaOp>(loc, pointer, builder.getI8Type(),
                                        count, 16);
}

Value Caller::array(ValueRange registers) {
  Value array = buffer(4 * registers.size());
  for (auto [i, value] : llvm::enumerate(registers)) {
    Value at = builder.create<LLVM::GEPOp>(loc, pointer, i32, array,
                                           ArrayRef<LLVM::GEPArg>{int32_t(i)});
    builder.create<LLVM::StoreOp>(loc, value, at);
  }
  return array;
}

void Caller::loadArray(Value array, TypeRange types,
                       SmallVectorImpl<Value> &out) {
  for (auto [i, type] : llvm::enumerate(types)) {
    Value at = builder.create<LLVM::GEPOp>(loc, pointer, i32, array,
                                           ArrayRef<LLVM::GEPArg>{int32_t(i)});
    out.push_back(builder.create<LLVM::LoadOp>(loc, type, at));
  }
}

Value Caller::sharedAddress(Value address) {
  return builder.create<LLVM::PtrToIntOp>(loc, i32, address);
}

Value Caller::globalAddress(Value address) {
  return builder.create<LLVM::AddrSpaceCastOp>(loc, pointer, address);
}

Value Caller::bitsOf(Value value, unsigned bits) {
  unsigned width = value.getType().getIntOrFloatBitWidth();
  if (!isa<IntegerType>(value.getType()))
    value = builder.create<LLVM::BitcastOp>(loc, builder.getIntegerType(width),
                                            value);
  if (width == bits)
    return value;
  return builder.create<LLVM::ZExtOp>(loc, builder.getIntegerType(bits), value);
}

Value Caller::fromBits(Value bits, Type type) {
  unsigned width = type.getIntOrFloatBitWidth();
  if (bits.getType().getIntOrFloatBitWidth() != width)
    bits =
        builder.create<LLVM::TruncOp>(loc, builder.getIntegerType(width), bits);
  if (isa<IntegerType>(type))
    return bits;
  return builder.create<LLVM::BitcastOp>(loc, type, bits);
}

} // namespace fovea::gpu
