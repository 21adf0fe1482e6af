// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits loads of the ABI structs; see the header.
#include "codegen/abi/AbiEmit.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace fovea::cabi {

static Type llvmType(MLIRContext *context, FieldType type) {
  switch (type) {
  case FieldType::I32:
    return IntegerType::get(context, 32);
  case FieldType::I64:
    return IntegerType::get(context, 64);
  case FieldType::F64:
    return Float64Type::get(context);
  case FieldType::Ptr:
    return LLVM::LLVMPointerType::get(context);
  }
  llvm_unreachable("covered switch");
}

static unsigned byteSize(FieldType type) {
  return type == FieldType::I32 ? 4 : 8;
}

static Value toI64(OpBuilder &b, Location loc, Value value) {
  Type i64 = b.getI64Type();
  if (value.getType() == i64)
    return value;
  if (value.getType().isIndex())
    return b.create<arith::IndexCastOp>(loc, i64, value);
  return b.create<arith::ExtSIOp>(loc, i64, value);
}

Value ptrAdd(OpBuilder &b, Location loc, Value base, int64_t bytes) {
  if (bytes == 0)
    return base;
  return b.create<LLVM::GEPOp>(
      loc, LLVM::LLVMPointerType::get(b.getContext()), b.getI8Type(), base,
      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
}

Value ptrAt(OpBuilder &b, Location loc, Value base, Value index,
            int64_t bytes) {
  // An array of bytes as the element keeps the multiplication in the
  // addressing mode or the induction variable.
  Type element = bytes == 1
                     ? Type(b.getI8Type())
                     : Type(LLVM::LLVMArrayType::get(b.getI8Type(), bytes));
  return b.create<LLVM::GEPOp>(loc, LLVM::LLVMPointerType::get(b.getContext()),
                               element, base,
                               ArrayRef<LLVM::GEPArg>{toI64(b, loc, index)});
}

static Value loadInvariant(OpBuilder &b, Location loc, Type type, Value addr,
                           unsigned align) {
  return b.create<LLVM::LoadOp>(loc, type, addr, align, /*isVolatile=*/false,
                                /*isNonTemporal=*/false, /*isInvariant=*/true);
}

Value loadField(OpBuilder &b, Location loc, Value base, Field field) {
  return loadInvariant(b, loc, llvmType(b.getContext(), field.type),
                       ptrAdd(b, loc, base, field.offset),
                       byteSize(field.type));
}

Value loadIndexField(OpBuilder &b, Location loc, Value base, Field field) {
  Value value = loadField(b, loc, base, field);
  return b.create<arith::IndexCastOp>(loc, b.getIndexType(), value);
}

Value viewAddress(OpBuilder &b, Location loc, Value args, unsigned slot) {
  Value views = loadField(b, loc, args, args::views);
  return ptrAdd(b, loc, views, static_cast<int64_t>(slot) * view::bytes);
}

ViewValues loadView(OpBuilder &b, Location loc, Value args, unsigned slot,
                    unsigned rank) {
  Value address = viewAddress(b, loc, args, slot);
  ViewValues result;
  result.data = loadField(b, loc, address, view::data);
  for (unsigned dim = 0; dim < rank; ++dim) {
    result.shape.push_back(loadIndexField(b, loc, address, view::shape(dim)));
    result.stride.push_back(loadIndexField(b, loc, address, view::stride(dim)));
  }
  return result;
}

Value loadScalar(OpBuilder &b, Location loc, Value args, unsigned slot,
                 Type type) {
  Value scalars = loadField(b, loc, args, args::scalars);
  Value address =
      ptrAdd(b, loc, scalars, static_cast<int64_t>(slot) * scalar::bytes);
  if (isa<FloatType>(type)) {
    Value value = loadField(b, loc, address, scalar::f);
    if (type.isF64())
      return value;
    return b.create<arith::TruncFOp>(loc, type, value);
  }
  Value value = loadField(b, loc, address, scalar::i);
  if (type.isIndex())
    return b.create<arith::IndexCastOp>(loc, type, value);
  if (type.isInteger(64))
    return value;
  return b.create<arith::TruncIOp>(loc, type, value);
}

static Value loadTableEntry(OpBuilder &b, Location loc, Value plan, Field table,
                            Value index) {
  Value base = loadField(b, loc, plan, table);
  Value value =
      loadInvariant(b, loc, b.getI64Type(), ptrAt(b, loc, base, index, 8), 8);
  return b.create<arith::IndexCastOp>(loc, b.getIndexType(), value);
}

Value loadSymbol(OpBuilder &b, Location loc, Value plan, unsigned symbol) {
  Value base = loadField(b, loc, plan, plan::symbols);
  return loadIndexField(b, loc, base,
                        {static_cast<int64_t>(symbol) * 8, FieldType::I64});
}

Value loadQueryOffset(OpBuilder &b, Location loc, Value plan, Value batch) {
  return loadTableEntry(b, loc, plan, plan::qOff, batch);
}

Value loadKeyLength(OpBuilder &b, Location loc, Value plan, Value batch) {
  return loadTableEntry(b, loc, plan, plan::kLen, batch);
}

ItemValues loadItem(OpBuilder &b, Location loc, Value plan, Value index) {
  Value items = loadField(b, loc, plan, plan::items);
  Value address = ptrAt(b, loc, items, index, item::bytes);
  auto load = [&](Field field) {
    return loadIndexField(b, loc, address, field);
  };
  ItemValues result;
  result.b = load(item::b);
  result.head = load(item::head);
  result.row = load(item::row);
  result.slot = load(item::slot);
  result.k0 = load(item::k0);
  result.k1 = load(item::k1);
  result.count = load(item::count);
  return result;
}

void addCounter(OpBuilder &b, Location loc, Value scratch, Field field,
                Value amount) {
  Value address = ptrAdd(b, loc, scratch, field.offset);
  Value old = b.create<LLVM::LoadOp>(loc, b.getI64Type(), address, 8);
  Value sum = b.create<arith::AddIOp>(loc, old, toI64(b, loc, amount));
  b.create<LLVM::StoreOp>(loc, sum, address, 8);
}

Type stageFunctionType(MLIRContext *context) {
  Type ptr = LLVM::LLVMPointerType::get(context);
  Type i64 = IntegerType::get(context, 64);
  return LLVM::LLVMFunctionType::get(IntegerType::get(context, 32),
                                     {ptr, ptr, i64, i64, ptr});
}

} // namespace fovea::cabi
