// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows from one format to another: copies, rounding, encoding.
#include "codegen/cpu/CacheRows.h"

#include "codegen/cpu/LaneTools.h"

#include <limits>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpFPredicate;
using arith::CmpIPredicate;

/// Vectors of a row that are written out one after the other.
static constexpr int64_t kUnrolled = 16;

void forRowVectors(Emitter &e, int64_t dim, int64_t lanes,
                   llvm::function_ref<void(Value, int64_t)> body) {
  int64_t whole = dim / lanes * lanes;
  if (whole / lanes <= kUnrolled)
    for (int64_t d = 0; d < whole; d += lanes)
      body(e.cI64(d), lanes);
  else
    e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(lanes),
              [&](Value d) { body(d, lanes); });
  if (whole < dim)
    body(e.cI64(whole), dim - whole);
}

/// The same with a carried value.
static Value foldRow(Emitter &e, int64_t dim, int64_t lanes, Value init,
                     llvm::function_ref<Value(Value d, int64_t n, Value)> f) {
  int64_t whole = dim / lanes * lanes;
  if (whole / lanes <= kUnrolled)
    for (int64_t d = 0; d < whole; d += lanes)
      init = f(e.cI64(d), lanes, init);
  else
    init = e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(lanes), {init},
                     [&](Value d, ValueRange carried) {
                       return Values{f(d, lanes, carried[0])};
                     })[0];
  return whole < dim ? f(e.cI64(whole), dim - whole, init) : init;
}

Value loadRowVector(Emitter &e, const RowSource &row, Value d, int64_t n,
                    int64_t lanes) {
  Value v = loadPartialAsF32(e, row.elem, e.at(row.data, d, sizeOf(row.elem)),
                             n, lanes);
  return row.scale ? e.fmul(v, e.splat(row.scale, lanes)) : v;
}

void emitConvertRow(Emitter &e, const RowSource &from, Elem elem, Value to,
                    int64_t dim) {
  unsigned bytes = sizeOf(elem);
  int64_t lanes = vectorLanes(e.isa);
  if (from.elem == elem) {
    Type storage = e.storageType(elem);
    int64_t width = lanes * 4 / bytes;
    forRowVectors(e, dim, width, [&](Value d, int64_t n) {
      Value v = loadPartial(e, storage, e.at(from.data, d, bytes), n, width);
      storePartial(e, v, e.at(to, d, bytes), n);
    });
    return;
  }
  forRowVectors(e, dim, lanes, [&](Value d, int64_t n) {
    Value v = e.narrow(elem, loadRowVector(e, from, d, n, lanes));
    storePartial(e, v, e.at(to, d, bytes), n);
  });
}

Value emitEncodeRow(Emitter &e, const RowSource &from, Value codes,
                    int64_t dim) {
  int64_t lanes = vectorLanes(e.isa);
  // Magnitudes as integers have the order of the numbers, and whatever is not
  // finite is above all that is. Numbers of 16 bits need no conversion first.
  bool narrow = !from.scale && sizeOf(from.elem) == 2;
  int64_t width = narrow ? 2 * lanes : lanes;
  Type word = narrow ? e.i16 : e.i32;
  Value mask = e.splatInt(width, word, narrow ? 0x7fff : 0x7fffffff);
  Value most = foldRow(
      e, dim, width, e.splatInt(width, word, 0),
      [&](Value d, int64_t n, Value best) {
        Value v = narrow ? loadPartial(e, word, e.at(from.data, d, 2), n, width)
                         : e.bitcast(loadRowVector(e, from, d, n, lanes),
                                     e.vec(lanes, e.i32));
        return e.maxS(best, e.andI(v, mask));
      });
  for (int64_t half = width / 2; half; half /= 2)
    most = e.maxS(e.slice(most, 0, half), e.slice(most, half, half));
  if (narrow) {
    Value one = e.bitcast(most, e.vec(1, e.storageType(from.elem)));
    most = e.bitcast(e.widen(from.elem, one), e.vec(1, e.i32));
  }
  Value bits = e.extract(most, 0);
  Value finite = e.cmp(CmpIPredicate::slt, bits, e.cI32(0x7f800000));
  Value largest = e.select(finite, e.bitcast(bits, e.f32),
                           e.cF32(std::numeric_limits<float>::quiet_NaN()));
  Value scale = e.fdiv(largest, e.cF32(127));
  auto write = [&](int64_t width, llvm::function_ref<Value(Value)> quotient) {
    forRowVectors(e, dim, width, [&](Value d, int64_t n) {
      Value v = quotient(loadRowVector(e, from, d, n, width));
      // Adding 1.5 * 2^23 leaves the rounded number in the low byte.
      Value t =
          e.bitcast(e.fadd(v, e.like(v, 12582912.0)), e.vec(width, e.i32));
      storePartial(e, e.toInt(t, e.i8), e.at(codes, d, 1), n);
    });
  };
  // Where 1 / scale is a number, a product and one correction are the
  // quotient, which is 127 at most before it is rounded. A scale of 0 makes
  // codes of 0: the row is 0, or too small to have one.
  e.ifElse(
      e.cmp(CmpFPredicate::OGE, scale, e.cF32(0x1p-100f)), {},
      [&] {
        int64_t width = dim % (4 * lanes) ? lanes : 4 * lanes;
        Value inverse = e.splat(e.fdiv(e.cF32(1), scale), width);
        Value divisor = e.splat(e.fsub(e.cF32(0), scale), width);
        write(width, [&](Value x) {
          Value q = e.fmul(x, inverse);
          return e.fma(e.fma(q, divisor, x), inverse, q);
        });
        return Values();
      },
      [&] {
        Value none = e.cmp(CmpFPredicate::OEQ, scale, e.cF32(0));
        Value divisor = e.splat(e.select(none, e.cF32(1), scale), lanes);
        Value factor = e.splat(e.select(none, e.cF32(0), e.cF32(1)), lanes);
        write(lanes, [&](Value x) {
          Value q = e.fdiv(e.fmul(x, factor), divisor);
          Value most = e.like(q, 127);
          q = e.select(e.cmp(CmpFPredicate::OLT, q, most), q, most);
          return e.fmax(q, e.like(q, -127));
        });
        return Values();
      });
  return scale;
}

} // namespace fovea::cpu
