// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Units of work for warps, rows in the lanes of one.
#include "codegen/gpu/templates/WarpStage.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/Support/MathExtras.h"

#include <fovea/abi.h>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using arith::CmpIPredicate;

RowLanes::RowLanes(HwEmitter &h, int64_t dim) : dim(dim) {
  while (width < 32 && 4 * width < dim)
    width *= 2;
  rows = 32 / width;
  steps = llvm::divideCeil(dim, 4 * width);
  Value own = h.e.andI(h.lane, h.c32(width - 1));
  row = h.wide(h.e.shrU(h.lane, llvm::Log2_64(width)));
  column = h.wide(h.e.mul(own, 4));
  first = h.e.cmp(CmpIPredicate::eq, own, h.c32(0));
  leading = h.e.cmp(CmpIPredicate::slt, h.lane, h.c32(width));
}

WarpStage::WarpStage(ModuleOp module, StringRef name)
    : b(OpBuilder::atBlockEnd(module.getBody())),
      s(b, module.getLoc(), name, Isa::AVX2), e(s.e), h(e) {
  s.grid = {h.cta, h.ctas, [this](Value at, Value n) {
              Value one = e.andI(e.cmp(CmpIPredicate::eq, h.thread, h.c32(0)),
                                 e.cmp(CmpIPredicate::eq, h.cta, e.cI64(0)));
              e.ifThen(one, [&] { h.atomicAdd(at, n); });
            }};
  s.allowErrors();
  misaligned = e.cI64(0);
}

View WarpStage::view(unsigned slot, unsigned rank, Elem elem) {
  View view = s.view(slot, rank);
  Value at = e.b.create<LLVM::PtrToIntOp>(e.loc, e.i64, view.data);
  for (auto [extent, stride] :
       llvm::zip(ArrayRef<Value>(view.shape).drop_back(), view.stride)) {
    // Of one row no stride is taken.
    Value step = e.select(e.cmp(CmpIPredicate::slt, e.cI64(1), extent), stride,
                          e.cI64(0));
    at = e.orI(at, e.mul(step, sizeOf(elem)));
  }
  misaligned = e.orI(misaligned, e.andI(at, e.cI64(4 * sizeOf(elem) - 1)));
  return view;
}

void WarpStage::viewsAreRead() {
  aligned = e.cmp(CmpIPredicate::eq, misaligned, e.cI64(0));
}

void WarpStage::forEachWarp(Value lo, Value hi,
                            llvm::function_ref<void(Value)> body) {
  Value warp = e.add(e.mul(h.cta, kWarps), h.wide(h.warp));
  e.forLoop(e.add(lo, warp), hi, e.mul(h.ctas, kWarps), body);
}

void WarpStage::forEachUnit(
    int64_t parts, llvm::function_ref<void(const Item &, Value part)> body) {
  s.count(StageFunction::Items, e.sub(s.end, s.begin));
  forEachWarp(e.mul(s.begin, parts), e.mul(s.end, parts), [&](Value u) {
    body(s.itemAt(e.divU(u, e.cI64(parts))), e.remU(u, e.cI64(parts)));
  });
}

void WarpStage::warpBarrier() { e.b.create<hw::WarpBarrierOp>(e.loc); }

BuiltStage WarpStage::finish() {
  s.finish();
  return {s.fn, static_cast<uint64_t>(s.scratchBytes())};
}

void WarpStage::fail(int32_t code) {
  Value at = e.at(s.scratch, sizeof(fovea_abi_counters));
  e.b.create<hw::AtomicOp>(e.loc, hw::Atomic::Max, h.global(at), h.c32(code),
                           Value(), hw::Order::Relaxed, hw::Scope::Gpu);
}

WarpStage::Quad WarpStage::loadQuad(Elem elem, Value p, Value left) {
  auto halves = [&](Value word) {
    auto [low, high] = h.unpack(elem, word);
    return Values{low, high};
  };
  auto whole = [&]() -> Values {
    if (elem == Elem::F32) {
      Value v = h.loadGlobal(e.vec(4, e.f32), p);
      return {e.extract(v, 0), e.extract(v, 1), e.extract(v, 2),
              e.extract(v, 3)};
    }
    Values x;
    if (elem == Elem::I8) {
      Value codes = h.loadGlobal(e.i32, p);
      for (int64_t i = 0; i < 4; ++i) {
        Value high = e.shl(codes, 24 - 8 * i);
        x.push_back(e.toF32(
            e.b.create<arith::ShRSIOp>(e.loc, high, h.c32(24)).getResult()));
      }
      return x;
    }
    Value v = h.loadGlobal(e.vec(2, e.i32), p);
    for (int64_t i : {0, 1})
      x.append(halves(e.extract(v, i)));
    return x;
  };
  auto single = [&]() -> Values {
    Type type = elem == Elem::F32 ? e.f32 : elem == Elem::I8 ? e.i8 : e.i16;
    auto number = [&](int64_t i) {
      return h.loadGlobal(type, e.at(p, i * sizeOf(elem)));
    };
    Values x;
    for (int64_t i = 0; i < 4; ++i) {
      if (left && i) // the first one is there
        x.push_back(e.ifElse(
            e.cmp(CmpIPredicate::slt, e.cI64(i), left), type,
            [&] { return Values{number(i)}; },
            [&] { return Values{e.constant(e.b.getZeroAttr(type))}; })[0]);
      else
        x.push_back(number(i));
    }
    if (elem == Elem::F32)
      return x;
    for (Value &v : x)
      v = e.toInt(v, e.i32);
    if (elem == Elem::I8) {
      for (Value &v : x)
        v = e.toF32(v);
      return x;
    }
    Values y;
    for (int64_t i : {0, 2})
      y.append(halves(e.orI(e.andI(x[i], h.c32(0xffff)), e.shl(x[i + 1], 16))));
    return y;
  };
  if (left)
    return single();
  return e.ifElse(aligned, SmallVector<Type>(4, e.f32), whole, single);
}

void WarpStage::storeQuad(Elem elem, ValueRange x, Value p, Value left) {
  Values words(x.begin(), x.end());
  if (elem == Elem::F16 || elem == Elem::BF16)
    words = {h.pack(elem, x[0], x[1]), h.pack(elem, x[2], x[3])};
  if (elem == Elem::I8)
    for (Value &w : words)
      w = e.b.create<arith::FPToSIOp>(e.loc, e.i32, w);
  auto whole = [&] {
    if (elem == Elem::I8) {
      Value all = e.shl(words[3], 24);
      for (int64_t i = 0; i < 3; ++i)
        all = e.orI(all, e.shl(e.andI(words[i], h.c32(255)), 8 * i));
      h.storeGlobal(all, p);
      return Values();
    }
    Type type = e.vec(words.size(), words[0].getType());
    Value v = e.b.create<LLVM::UndefOp>(e.loc, type);
    for (auto [i, word] : llvm::enumerate(words))
      v = e.b.create<LLVM::InsertElementOp>(e.loc, v, word, h.c32(i));
    h.storeGlobal(v, p);
    return Values();
  };
  auto single = [&] {
    for (int64_t i = 0; i < 4; ++i) {
      Value v;
      if (elem == Elem::F32)
        v = words[i];
      else if (elem == Elem::I8)
        v = e.toInt(words[i], e.i8);
      else
        v = e.toInt(i % 2 ? e.shrU(words[i / 2], 16) : words[i / 2], e.i16);
      auto write = [&] { h.storeGlobal(v, e.at(p, i * sizeOf(elem))); };
      if (left && i)
        e.ifThen(e.cmp(CmpIPredicate::slt, e.cI64(i), left), write);
      else
        write();
    }
    return Values();
  };
  if (left)
    single();
  else
    e.ifElse(aligned, TypeRange(), whole, single);
}

Value WarpStage::hasColumns(const RowLanes &lanes, int64_t step) {
  int64_t size = 4 * lanes.width;
  if ((step + 1) * size <= lanes.dim)
    return {};
  return e.cmp(CmpIPredicate::slt, lanes.column,
               e.cI64(lanes.dim - step * size));
}

Value WarpStage::elementsLeft(const RowLanes &lanes, int64_t step) {
  if (lanes.dim % 4 == 0)
    return {};
  return e.sub(e.cI64(lanes.dim - step * 4 * lanes.width), lanes.column);
}

WarpStage::Row WarpStage::load(const RowLanes &lanes, Elem elem, Value row) {
  Row x;
  for (int64_t step = 0; step < lanes.steps; ++step) {
    Value at =
        e.at(row, e.add(lanes.column, 4 * lanes.width * step), sizeOf(elem));
    auto read = [&] { return loadQuad(elem, at, elementsLeft(lanes, step)); };
    Value has = hasColumns(lanes, step);
    if (!has)
      x.append(read());
    else
      x.append(e.ifElse(has, SmallVector<Type>(4, e.f32), read,
                        [&] { return Values(4, e.cF32(0)); }));
  }
  return x;
}

void WarpStage::store(const RowLanes &lanes, Elem elem, const Row &x, Value row,
                      Value where) {
  for (int64_t step = 0; step < lanes.steps; ++step) {
    Value at =
        e.at(row, e.add(lanes.column, 4 * lanes.width * step), sizeOf(elem));
    auto write = [&] {
      storeQuad(elem, ValueRange(x).slice(4 * step, 4), at,
                elementsLeft(lanes, step));
    };
    if (Value has = logical(hasColumns(lanes, step), where))
      e.ifThen(has, write);
    else
      write();
  }
}

Value WarpStage::reduce(Value v, int64_t from, int64_t to, Combine combine) {
  for (int64_t mask = from; mask < to; mask *= 2)
    v = combine(v, h.shuffleXor(v, mask));
  return v;
}

Value WarpStage::alongRow(const RowLanes &lanes, Value v, Combine combine) {
  return reduce(v, 1, lanes.width, combine);
}

Value WarpStage::acrossRows(const RowLanes &lanes, Value v, Combine combine) {
  return reduce(v, lanes.width, 32, combine);
}

void WarpStage::sumRows(const RowLanes &lanes, Row &x) {
  for (Value &v : x)
    v = acrossRows(lanes, v, [&](Value a, Value b) { return e.fadd(a, b); });
}

} // namespace fovea::gpu
