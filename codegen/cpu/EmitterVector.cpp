// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Vector arithmetic of the stage builders: f32 math without library calls,
// shuffles, and the number formats.
#include "codegen/cpu/Emitter.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace fovea::cpu {

Value Emitter::splatF32(int64_t lanes, float v) {
  return constant(DenseElementsAttr::get(cast<VectorType>(vec(lanes, f32)),
                                         ArrayRef<float>{v}));
}

Value Emitter::splatInt(int64_t lanes, Type elem, int64_t v) {
  return constant(DenseElementsAttr::get(cast<VectorType>(vec(lanes, elem)),
                                         b.getIntegerAttr(elem, v)));
}

Value Emitter::iota(int64_t lanes, Type elem) {
  SmallVector<Attribute> values;
  for (int64_t i = 0; i < lanes; ++i)
    values.push_back(b.getIntegerAttr(elem, i));
  return constant(
      DenseElementsAttr::get(cast<VectorType>(vec(lanes, elem)), values));
}

Value Emitter::fadd(Value x, Value y) {
  return b.create<arith::AddFOp>(loc, x, y);
}

Value Emitter::fsub(Value x, Value y) {
  return b.create<arith::SubFOp>(loc, x, y);
}

Value Emitter::fmul(Value x, Value y) {
  return b.create<arith::MulFOp>(loc, x, y);
}

Value Emitter::fdiv(Value x, Value y) {
  return b.create<arith::DivFOp>(loc, x, y);
}

Value Emitter::fma(Value x, Value y, Value z) {
  return b.create<LLVM::FMAOp>(loc, x, y, z);
}

Value Emitter::fmax(Value x, Value y) {
  return select(cmp(arith::CmpFPredicate::OGT, x, y), x, y);
}

Value Emitter::toF32(Value v) {
  return b.create<arith::SIToFPOp>(loc, lanesOf(v) ? vec(lanesOf(v), f32) : f32,
                                   v);
}

/// Coefficients of 2^f, constant term first, least maximal relative error
/// with p(0) = 1: over [-1/2, 1/2] (rounding to nearest) and [0, 1) (floor).
static ArrayRef<float> exp2Polynomial(int degree, bool floor) {
  static const float near4[] = {1.0f, 0.6931241750717163f, 0.24024099111557007f,
                                0.055906426161527634f, 0.009582852944731712f};
  static const float near5[] = {1.0f,
                                0.6931470036506653f,
                                0.24022242426872253f,
                                0.05550733581185341f,
                                0.009671512991189957f,
                                0.001326472731307149f};
  static const float floor4[] = {1.0f, 0.6930448412895203f, 0.241280198097229f,
                                 0.052242472767829895f, 0.013426684774458408f};
  static const float floor5[] = {1.0f,
                                 0.6931512951850891f,
                                 0.24016444385051727f,
                                 0.05579991266131401f,
                                 0.009017030708491802f,
                                 0.0018671299330890179f};
  if (floor)
    return degree == 4 ? ArrayRef<float>(floor4) : ArrayRef<float>(floor5);
  return degree == 4 ? ArrayRef<float>(near4) : ArrayRef<float>(near5);
}

Value Emitter::exp2(Value x, int degree) {
  int64_t lanes = lanesOf(x);
  auto polynomial = [&](Value f, bool floor) {
    ArrayRef<float> c = exp2Polynomial(degree, floor);
    Value p = like(f, c.back());
    for (float k : llvm::reverse(c.drop_back()))
      p = fma(p, f, like(f, k));
    return p;
  };
  if (isa == Isa::AVX512 && lanes >= 16 && lanes % 16 == 0) {
    // x - floor(x) and p * 2^floor(x) are one instruction each, and both do
    // the right thing for -inf and NaN.
    Value all = constant(b.getIntegerAttr(i16, -1));
    Value current = cI32(4); // _MM_FROUND_CUR_DIRECTION
    Values parts;
    for (int64_t i = 0; i < lanes; i += 16) {
      Value part = slice(x, i, 16);
      Type type = vec(16, f32);
      Value f = intrinsic("llvm.x86.avx512.mask.reduce.ps.512", type,
                          {part, cI32(9), part, all, current});
      parts.push_back(
          intrinsic("llvm.x86.avx512.mask.scalef.ps.512", type,
                    {polynomial(f, true), part, part, all, current}));
    }
    return concat(parts);
  }
  // Adding 1.5 * 2^23 rounds to an integer; 127 more makes it the biased
  // exponent, so that one shift gives 2^n, and 0 at the clamp. The select
  // keeps NaN, and the product spreads it.
  const float magic = 12582912.0f + 127.0f;
  Value low = like(x, -127.0);
  x = select(cmp(arith::CmpFPredicate::OLT, x, low), low, x);
  Value t = fadd(x, like(x, magic));
  Value f = fsub(x, fsub(t, like(x, magic)));
  Type ints = lanes ? vec(lanes, i32) : i32;
  Value scale = bitcast(shl(bitcast(t, ints), 23), x.getType());
  return fmul(polynomial(f, false), scale);
}

Value Emitter::log(Value x) { return b.create<math::LogOp>(loc, x); }

Value Emitter::splat(Value scalar, int64_t lanes) {
  auto type = cast<VectorType>(vec(lanes, scalar.getType()));
  Attribute known;
  if (matchPattern(scalar, m_Constant(&known)))
    return constant(DenseElementsAttr::get(type, known));
  return b.create<vector::SplatOp>(loc, scalar, type);
}

Value Emitter::extract(Value v, int64_t lane) {
  return b.create<LLVM::ExtractElementOp>(loc, v, cI64(lane));
}

Value Emitter::shuffle(Value x, Value y, ArrayRef<int64_t> mask) {
  SmallVector<int32_t> narrow(mask.begin(), mask.end());
  return b.create<LLVM::ShuffleVectorOp>(loc, x, y, narrow);
}

Value Emitter::slice(Value v, int64_t first, int64_t n) {
  if (n == lanesOf(v))
    return v;
  return shuffle(v, v, llvm::to_vector(llvm::seq(first, first + n)));
}

Value Emitter::concat(ArrayRef<Value> parts) {
  Values level(parts.begin(), parts.end());
  while (level.size() > 1) {
    int64_t n = 2 * lanesOf(level[0]);
    for (size_t i = 0; i < level.size() / 2; ++i)
      level[i] = shuffle(level[2 * i], level[2 * i + 1],
                         llvm::to_vector(llvm::seq<int64_t>(0, n)));
    level.resize(level.size() / 2);
  }
  return level[0];
}

Values Emitter::transpose(ArrayRef<Value> rows) {
  // Swaps off-diagonal blocks of 1, 2, 4, .. lanes. Inside a step, row i
  // keeps the elements whose block bit is 0 and takes its partner's.
  Values m(rows.begin(), rows.end());
  int64_t n = m.size();
  for (int64_t step = 1; step < n; step *= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t j = 0; j < n; ++j) {
      low.push_back(j & step ? n + j - step : j);
      high.push_back(j & step ? n + j : j + step);
    }
    for (int64_t i = 0; i < n; ++i) {
      if (i & step)
        continue;
      Value x = m[i], y = m[i + step];
      m[i] = shuffle(x, y, low);
      m[i + step] = shuffle(x, y, high);
    }
  }
  return m;
}

Type Emitter::storageType(Elem elem) const {
  switch (elem) {
  case Elem::F32:
    return f32;
  case Elem::F16:
    return f16;
  case Elem::BF16:
    return i16;
  case Elem::I8:
    return i8;
  }
  return {};
}

Value Emitter::loadAsF32(Elem elem, Value p, int64_t lanes) {
  return widen(elem, load(vec(lanes, storageType(elem)), p));
}

Value Emitter::widen(Elem elem, Value v) {
  int64_t n = lanesOf(v);
  switch (elem) {
  case Elem::F32:
    return v;
  case Elem::F16:
    return b.create<arith::ExtFOp>(loc, vec(n, f32), v);
  case Elem::BF16: {
    Value wide = b.create<arith::ExtUIOp>(loc, vec(n, i32), v);
    return bitcast(shl(wide, 16), vec(n, f32));
  }
  case Elem::I8:
    return toF32(b.create<arith::ExtSIOp>(loc, vec(n, i32), v));
  }
  return {};
}

Value Emitter::narrow(Elem elem, Value v) {
  int64_t n = lanesOf(v);
  if (elem == Elem::F32)
    return v;
  if (elem == Elem::F16)
    return b.create<arith::TruncFOp>(loc, vec(n, f16), v);
  // To nearest even by integer arithmetic; a NaN stays one.
  Value bits = bitcast(v, vec(n, i32));
  Value odd = andI(shrU(bits, 16), like(bits, 1));
  Value rounded = add(bits, add(odd, like(bits, 0x7fff)));
  Value isNaN = cmp(arith::CmpFPredicate::UNO, v, v);
  Value top = shrU(select(isNaN, like(bits, 0x7fc00000), rounded), 16);
  return b.create<arith::TruncIOp>(loc, vec(n, i16), top);
}

} // namespace fovea::cpu
