// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// C entry points of mask functions; see the header.
#include "codegen/abi/MaskAbi.h"

#include "codegen/abi/AbiEmit.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace fovea::cabi {

/// A memref made of its parts, in the form that the conversion of memref to
/// LLVM gives it.
static Value makeMemRef(OpBuilder &b, Location loc, MemRefType type, Value data,
                        ValueRange sizes, ValueRange strides) {
  Type ptr = LLVM::LLVMPointerType::get(b.getContext()), i64 = b.getI64Type();
  auto array = LLVM::LLVMArrayType::get(i64, type.getRank());
  SmallVector<Type> fields{ptr, ptr, i64};
  if (type.getRank() > 0)
    fields.append({array, array});
  Value d = b.create<LLVM::UndefOp>(
      loc, LLVM::LLVMStructType::getLiteral(b.getContext(), fields));
  auto set = [&](Value v, ArrayRef<int64_t> at) {
    d = b.create<LLVM::InsertValueOp>(loc, d, v, at);
  };
  set(data, {0});
  set(data, {1});
  set(b.create<LLVM::ConstantOp>(loc, i64, b.getI64IntegerAttr(0)), {2});
  for (int64_t i = 0; i < type.getRank(); ++i) {
    set(sizes[i], {3, i});
    set(strides[i], {4, i});
  }
  return b.create<UnrealizedConversionCastOp>(loc, type, d).getResult(0);
}

static bool hasRunTimeStrides(MemRefType type) {
  auto layout = dyn_cast<StridedLayoutAttr>(type.getLayout());
  return layout && llvm::all_of(layout.getStrides(), ShapedType::isDynamic);
}

/// The summary of the table in view slot `slot`; a memref without entries if
/// the caller has none.
static Value loadSummary(OpBuilder &b, Location loc, MemRefType type,
                         Value args, unsigned slot) {
  Type i64 = b.getI64Type(), ptr = LLVM::LLVMPointerType::get(b.getContext());
  unsigned rank = type.getRank();
  Value table = loadField(b, loc, args, args::summaries);
  Value null = b.create<LLVM::ZeroOp>(loc, ptr);
  Value some =
      b.create<LLVM::ICmpOp>(loc, LLVM::ICmpPredicate::ne, table, null);
  SmallVector<Type> types(2 * rank, i64);
  types.push_back(ptr);
  auto choice = b.create<scf::IfOp>(loc, types, some, true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(&choice.getThenRegion().front());
    Value at = ptrAdd(b, loc, table, int64_t(slot) * view::bytes);
    SmallVector<Value> values;
    for (unsigned d = 0; d < rank; ++d)
      values.push_back(loadField(b, loc, at, view::shape(d)));
    for (unsigned d = 0; d < rank; ++d)
      values.push_back(loadField(b, loc, at, view::stride(d)));
    values.push_back(loadField(b, loc, at, view::data));
    b.create<scf::YieldOp>(loc, values);
    b.setInsertionPointToEnd(&choice.getElseRegion().front());
    Value zero = b.create<LLVM::ConstantOp>(loc, i64, b.getI64IntegerAttr(0));
    values.assign(2 * rank, zero);
    values.push_back(null);
    b.create<scf::YieldOp>(loc, values);
  }
  ValueRange results = choice.getResults();
  return makeMemRef(b, loc, type, results.back(), results.take_front(rank),
                    results.slice(rank, rank));
}

static FailureOr<Value> loadOperand(OpBuilder &b, func::FuncOp inner,
                                    unsigned i, MaskOperandSlot slot,
                                    Value args) {
  Location loc = inner.getLoc();
  Type type = inner.getArgumentTypes()[i];
  bool isView = slot.kind != MaskOperandSlot::Scalar;
  if (isView != isa<MemRefType>(type))
    return inner.emitOpError("expected operand ")
           << i << " to lie in a " << (isView ? "scalar" : "view")
           << " slot, got " << type;
  if (!isView)
    return loadScalar(b, loc, args, slot.slot, type);
  auto table = cast<MemRefType>(type);
  if (!hasRunTimeStrides(table) || table.getRank() > FOVEA_ABI_MAX_RANK)
    return inner.emitOpError("expected table operands of rank at most ")
           << FOVEA_ABI_MAX_RANK << " with run-time strides, got " << type;
  if (slot.kind == MaskOperandSlot::Summary)
    return loadSummary(b, loc, table, args, slot.slot);
  ViewValues view = loadView(b, loc, args, slot.slot, table.getRank());
  auto asI64 = [&](Value v) -> Value {
    return b.create<arith::IndexCastOp>(loc, b.getI64Type(), v);
  };
  auto sizes = llvm::map_to_vector(view.shape, asI64);
  auto strides = llvm::map_to_vector(view.stride, asI64);
  return makeMemRef(b, loc, table, view.data, sizes, strides);
}

FailureOr<func::FuncOp> wrapMaskFunction(ModuleOp module, func::FuncOp inner,
                                         StringRef name,
                                         ArrayRef<MaskOperandSlot> slots) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Location loc = inner.getLoc();
  Type ptr = LLVM::LLVMPointerType::get(b.getContext()), i64 = b.getI64Type();
  if (slots.size() > inner.getNumArguments() || inner.getNumResults() != 1)
    return inner.emitOpError("expected at least ")
           << slots.size() << " arguments and one result, got "
           << inner.getNumArguments() << " and " << inner.getNumResults();
  ArrayRef<Type> rest = inner.getArgumentTypes().drop_front(slots.size());
  SmallVector<Type> inputs{ptr};
  for (Type type : rest)
    inputs.push_back(isa<MemRefType>(type) ? ptr : i64);
  auto func = b.create<func::FuncOp>(loc, name,
                                     b.getFunctionType(inputs, b.getI32Type()));
  b.setInsertionPointToStart(func.addEntryBlock());
  SmallVector<Value> operands;
  for (auto [i, slot] : llvm::enumerate(slots)) {
    FailureOr<Value> v = loadOperand(b, inner, i, slot, func.getArgument(0));
    if (failed(v)) {
      func.erase();
      return failure();
    }
    operands.push_back(*v);
  }
  for (auto [type, arg] :
       llvm::zip_equal(rest, func.getArguments().drop_front())) {
    auto runs = dyn_cast<MemRefType>(type);
    if (!runs) {
      operands.push_back(b.create<arith::IndexCastOp>(loc, type, arg));
      continue;
    }
    SmallVector<Value> sizes, strides;
    auto [steps, offset] = getStridesAndOffset(runs);
    for (auto [size, step] : llvm::zip_equal(runs.getShape(), steps)) {
      sizes.push_back(
          b.create<LLVM::ConstantOp>(loc, i64, b.getI64IntegerAttr(size)));
      strides.push_back(
          b.create<LLVM::ConstantOp>(loc, i64, b.getI64IntegerAttr(step)));
    }
    operands.push_back(makeMemRef(b, loc, runs, arg, sizes, strides));
  }
  Value result = b.create<func::CallOp>(loc, inner, operands).getResult(0);
  if (result.getType() != b.getI32Type())
    result = b.create<arith::ExtUIOp>(loc, b.getI32Type(), result);
  b.create<func::ReturnOp>(loc, result);
  return func;
}

} // namespace fovea::cabi
