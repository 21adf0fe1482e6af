// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scalars, memory and control flow of the stage builders. Vector arithmetic
// is in EmitterVector.cpp.
#include "codegen/cpu/Emitter.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace fovea::cpu {

unsigned sizeOf(Elem elem) {
  switch (elem) {
  case Elem::F32:
    return 4;
  case Elem::F16:
  case Elem::BF16:
    return 2;
  case Elem::I8:
    return 1;
  }
  return 0;
}

static Block *entryOf(func::FuncOp fn) {
  return fn.empty() ? fn.addEntryBlock() : &fn.front();
}

Emitter::Emitter(func::FuncOp fn, Isa isa)
    : b(OpBuilder::atBlockEnd(entryOf(fn))), loc(fn.getLoc()), isa(isa),
      i1(b.getI1Type()), i8(b.getI8Type()), i16(b.getI16Type()),
      i32(b.getI32Type()), i64(b.getI64Type()), f16(b.getF16Type()),
      f32(b.getF32Type()), ptr(LLVM::LLVMPointerType::get(b.getContext())),
      entry(&fn.front()) {}

Type Emitter::vec(int64_t lanes, Type elem) const {
  return VectorType::get({lanes}, elem);
}

int64_t Emitter::lanesOf(Value v) {
  auto type = dyn_cast<VectorType>(v.getType());
  return type ? type.getNumElements() : 0;
}

Value Emitter::constant(TypedAttr attr) {
  Value &known = constants[attr];
  if (!known) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(entry);
    known = b.create<arith::ConstantOp>(loc, attr);
  }
  return known;
}

Value Emitter::like(Value v, double x) {
  Type elem = getElementTypeOrSelf(v.getType());
  TypedAttr attr = llvm::isa<FloatType>(elem)
                       ? cast<TypedAttr>(b.getFloatAttr(elem, x))
                       : b.getIntegerAttr(elem, static_cast<int64_t>(x));
  if (auto type = dyn_cast<VectorType>(v.getType()))
    attr = DenseElementsAttr::get(type, Attribute(attr));
  return constant(attr);
}

static std::optional<int64_t> constantOf(Value v) {
  APInt value;
  if (llvm::isa<IntegerType>(v.getType()) &&
      matchPattern(v, m_ConstantInt(&value)))
    return value.getSExtValue();
  return std::nullopt;
}

Value Emitter::add(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return like(x, *cx + *cy);
  if (cx && *cx == 0)
    return y;
  if (cy && *cy == 0)
    return x;
  return b.create<arith::AddIOp>(loc, x, y);
}

Value Emitter::sub(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return like(x, *cx - *cy);
  if (cy && *cy == 0)
    return x;
  return b.create<arith::SubIOp>(loc, x, y);
}

Value Emitter::mul(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return like(x, *cx * *cy);
  if ((cx && *cx == 0) || (cy && *cy == 1))
    return x;
  if ((cy && *cy == 0) || (cx && *cx == 1))
    return y;
  return b.create<arith::MulIOp>(loc, x, y);
}

Value Emitter::divU(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cy && *cy == 1)
    return x;
  if (cx && cy && *cy)
    return like(x, *cx / *cy);
  return b.create<arith::DivUIOp>(loc, x, y);
}

Value Emitter::remU(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cy && *cy == 1)
    return like(x, 0);
  if (cx && cy && *cy)
    return like(x, *cx % *cy);
  return b.create<arith::RemUIOp>(loc, x, y);
}

Value Emitter::minS(Value x, Value y) {
  return b.create<arith::MinSIOp>(loc, x, y);
}

Value Emitter::maxS(Value x, Value y) {
  return b.create<arith::MaxSIOp>(loc, x, y);
}

Value Emitter::andI(Value x, Value y) {
  return b.create<arith::AndIOp>(loc, x, y);
}

Value Emitter::orI(Value x, Value y) {
  return b.create<arith::OrIOp>(loc, x, y);
}

Value Emitter::shl(Value x, int64_t n) {
  return b.create<arith::ShLIOp>(loc, x, like(x, n));
}

Value Emitter::shrU(Value x, int64_t n) {
  return b.create<arith::ShRUIOp>(loc, x, like(x, n));
}

Value Emitter::cmp(arith::CmpIPredicate p, Value x, Value y) {
  return b.create<arith::CmpIOp>(loc, p, x, y);
}

Value Emitter::cmp(arith::CmpFPredicate p, Value x, Value y) {
  return b.create<arith::CmpFOp>(loc, p, x, y);
}

Value Emitter::select(Value c, Value x, Value y) {
  return b.create<arith::SelectOp>(loc, c, x, y);
}

Value Emitter::toInt(Value v, Type elem) {
  unsigned from = getElementTypeOrSelf(v.getType()).getIntOrFloatBitWidth();
  unsigned to = elem.getIntOrFloatBitWidth();
  if (from == to)
    return v;
  Type type = lanesOf(v) ? vec(lanesOf(v), elem) : elem;
  if (from > to)
    return b.create<arith::TruncIOp>(loc, type, v);
  if (from == 1)
    return b.create<arith::ExtUIOp>(loc, type, v);
  return b.create<arith::ExtSIOp>(loc, type, v);
}

Value Emitter::bitcast(Value v, Type type) {
  return v.getType() == type ? v : b.create<LLVM::BitcastOp>(loc, type, v);
}

Value Emitter::at(Value base, int64_t bytes) {
  if (bytes == 0)
    return base;
  return b.create<LLVM::GEPOp>(loc, ptr, i8, base,
                               ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
}

Value Emitter::at(Value base, Value index, unsigned elemBytes) {
  if (auto known = constantOf(index))
    if (std::abs(*known) < (int64_t(1) << 31) / elemBytes)
      return at(base, *known * elemBytes);
  return b.create<LLVM::GEPOp>(loc, ptr, b.getIntegerType(elemBytes * 8), base,
                               ArrayRef<LLVM::GEPArg>{index});
}

static unsigned alignOf(Type type) {
  type = getElementTypeOrSelf(type);
  return type.isIntOrFloat() ? std::max(1u, type.getIntOrFloatBitWidth() / 8)
                             : 8;
}

Value Emitter::load(Type type, Value p) {
  return b.create<LLVM::LoadOp>(loc, type, p, alignOf(type));
}

Value Emitter::loadAt(Type type, Value base, Value index) {
  return load(type, at(base, index, alignOf(type)));
}

void Emitter::store(Value v, Value p) {
  b.create<LLVM::StoreOp>(loc, v, p, alignOf(v.getType()));
}

void Emitter::prefetch(Value p, bool write, int locality) {
  b.create<LLVM::Prefetch>(loc, p, write ? 1 : 0, locality, /*cache=*/1);
}

Value Emitter::loadMasked(Type type, Value p, Value keep) {
  Value zero = b.create<LLVM::ZeroOp>(loc, type);
  return b.create<LLVM::MaskedLoadOp>(loc, type, p, keep, zero, alignOf(type));
}

void Emitter::storeMasked(Value v, Value p, Value keep) {
  b.create<LLVM::MaskedStoreOp>(loc, v, p, keep, alignOf(v.getType()));
}

static Value gatherAt(Emitter &e, Type elem, Type unit, Value base, Value index,
                      Value keep, unsigned align) {
  int64_t n = Emitter::lanesOf(index);
  Type ptrs = LLVM::getFixedVectorType(e.ptr, n);
  Value p = e.b.create<LLVM::GEPOp>(e.loc, ptrs, unit, base,
                                    ArrayRef<LLVM::GEPArg>{index});
  Value zero = e.b.create<LLVM::ZeroOp>(e.loc, e.vec(n, elem));
  return e.b.create<LLVM::masked_gather>(e.loc, e.vec(n, elem), p, keep, zero,
                                         align);
}

Value Emitter::gather(Type elem, Value base, Value index, Value keep) {
  return gatherAt(*this, elem, elem, base, index, keep, alignOf(elem));
}

Value Emitter::gatherBytes(Type elem, Value base, Value bytes, Value keep) {
  return gatherAt(*this, elem, i8, base, bytes, keep, 1);
}

Values Emitter::forLoop(Value lo, Value hi, Value step, ValueRange init,
                        LoopBody body) {
  auto loop = b.create<scf::ForOp>(
      loc, lo, hi, step, init,
      [&](OpBuilder &, Location, Value iv, ValueRange carried) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(iv.getParentBlock());
        Values out = body(iv, carried);
        b.create<scf::YieldOp>(loc, out);
      });
  return Values(loop.getResults());
}

void Emitter::forLoop(Value lo, Value hi, Value step,
                      llvm::function_ref<void(Value)> body) {
  forLoop(lo, hi, step, ValueRange(), [&](Value iv, ValueRange) {
    body(iv);
    return Values();
  });
}

void Emitter::ifThen(Value cond, llvm::function_ref<void()> body) {
  auto op = b.create<scf::IfOp>(loc, cond, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&op.getThenRegion().front());
  body();
}

Values Emitter::ifElse(Value cond, TypeRange types,
                       llvm::function_ref<Values()> then,
                       llvm::function_ref<Values()> otherwise) {
  auto op = b.create<scf::IfOp>(loc, types, cond, /*withElseRegion=*/true);
  auto fill = [&](Region &region, llvm::function_ref<Values()> body) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&region.front());
    Values out = body();
    if (!types.empty())
      b.create<scf::YieldOp>(loc, out);
  };
  fill(op.getThenRegion(), then);
  fill(op.getElseRegion(), otherwise);
  return Values(op.getResults());
}

Values Emitter::whileLoop(ValueRange init,
                          llvm::function_ref<Value(ValueRange)> cond,
                          llvm::function_ref<Values(ValueRange)> body) {
  auto op = b.create<scf::WhileOp>(
      loc, init.getTypes(), init,
      [&](OpBuilder &, Location, ValueRange state) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(state.front().getParentBlock());
        Value go = cond(state);
        b.create<scf::ConditionOp>(loc, go, state);
      },
      [&](OpBuilder &, Location, ValueRange state) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(state.front().getParentBlock());
        Values out = body(state);
        b.create<scf::YieldOp>(loc, out);
      });
  return Values(op.getResults());
}

Values Emitter::call(func::FuncOp callee, ValueRange args) {
  return Values(b.create<func::CallOp>(loc, callee, args).getResults());
}

Value Emitter::stackSlot(int64_t bytes, int64_t align) {
  Value n = cI64(bytes);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(n);
  return b.create<LLVM::AllocaOp>(loc, ptr, i8, n, align);
}

void Emitter::ret(ValueRange values) { b.create<func::ReturnOp>(loc, values); }

Value Emitter::intrinsic(StringRef name, Type result, ValueRange args) {
  return b
      .create<LLVM::CallIntrinsicOp>(loc, result, b.getStringAttr(name), args)
      .getResult(0);
}

} // namespace fovea::cpu
