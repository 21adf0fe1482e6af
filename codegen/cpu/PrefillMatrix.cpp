// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products of a panel on the matrix unit, and what brings keys, values and
// weights into its tiles. The products take a few cycles of each pair; softmax
// and moves take the rest.
#include "codegen/cpu/PrefillMatrix.h"

#include <cmath>

using namespace mlir;

namespace fovea::cpu {

/// Sums are tiles 0 to 3, [row tile][lane tile]; then two of each side.
constexpr int kLeft = 4, kRight = 6;

Value paddedKeys(Emitter &e, Value n) {
  Value step = e.cI64(kMatrixStep);
  return e.mul(e.divU(e.add(n, kMatrixStep - 1), step), step);
}

Value emitMatrixKeys(Emitter &e, const TileSource &source, int64_t dim, Value n,
                     Value tile) {
  auto eq = arith::CmpIPredicate::eq;
  Value close = e.cmp(eq, source.stride, e.cI64(dim));
  Value whole = e.cmp(eq, e.remU(n, e.cI64(kMatrixStep)), e.cI64(0));
  return e.ifElse(
      e.andI(close, whole), e.ptr, [&] { return Values{source.data}; },
      [&] {
        // Pairs move as numbers of 32 bits.
        emitTableTile(e, Elem::F32, dim / 2, n, kMatrixStep, tile,
                      [&](Value i) {
                        Value at = e.at(source.data, e.mul(i, source.stride),
                                        sizeOf(Elem::BF16));
                        return std::pair(at, Value());
                      });
        return Values{tile};
      })[0];
}

void emitMatrixValueTile(Emitter &e, int64_t dim, Value n, int64_t keys,
                         Value tile, Value zeros, RowOf rowOf) {
  constexpr int64_t lanes = MatrixUnit::kFloats;
  Type halves = e.vec(lanes, e.i16), words = e.vec(lanes, e.i32);
  Value last = e.sub(n, 1), step = e.cI64(kMatrixStep);
  e.forLoop(e.cI64(0), n, step, [&](Value k) {
    Values rows;
    for (int64_t r = 0; r < kMatrixStep; ++r) {
      Value i = e.add(k, r), row = rowOf(e.minS(i, last)).first;
      Value exists = e.cmp(arith::CmpIPredicate::slt, i, n);
      rows.push_back(e.select(exists, row, zeros));
    }
    e.forLoop(e.cI64(0), e.cI64(dim), e.cI64(lanes), [&](Value d) {
      auto bits = [&](Value row) {
        Value v = e.load(halves, e.at(row, d, sizeOf(Elem::BF16)));
        return Value(e.b.create<arith::ExtUIOp>(e.loc, words, v));
      };
      Values pairs;
      for (int64_t r = 0; r < kMatrixStep; r += 2)
        pairs.push_back(e.orI(bits(rows[r]), e.shl(bits(rows[r + 1]), 16)));
      Value to = e.at(e.at(tile, e.mul(d, keys), sizeOf(Elem::BF16)), k,
                      sizeOf(Elem::BF16));
      for (auto [i, column] : llvm::enumerate(e.transpose(pairs)))
        e.store(column, e.at(to, int64_t(i) * keys * sizeOf(Elem::BF16)));
    });
  });
}

/// Adds the products of kMatrixStep rows on the left and 32 of their numbers
/// with as many pairs on the right to the sums.
static void emitDots(Emitter &e, MatrixUnit &unit, int64_t lanes, Value left,
                     Value leftStride, Value right) {
  int64_t tiles = lanes / MatrixUnit::kFloats;
  Value rightStride = e.cI64(lanes * 4);
  for (int64_t r = 0; r < 2; ++r) {
    Value at = r ? e.at(left, e.mul(leftStride, MatrixUnit::kRows), 1) : left;
    unit.load(int(kLeft + r), at, leftStride);
  }
  for (int64_t t = 0; t < tiles; ++t)
    unit.load(int(kRight + t), e.at(right, t * MatrixUnit::kRowBytes),
              rightStride);
  for (int64_t r = 0; r < 2; ++r)
    for (int64_t t = 0; t < tiles; ++t)
      unit.dot(int(2 * r + t), int(kLeft + r), int(kRight + t));
}

/// body(first row, first lane, its tile) for each tile of sums.
static void
forSums(int64_t lanes,
        llvm::function_ref<void(int64_t row, int64_t lane, int sum)> body) {
  for (int64_t r = 0; r < 2; ++r)
    for (int64_t t = 0; t < lanes / MatrixUnit::kFloats; ++t)
      body(r * MatrixUnit::kRows, t * MatrixUnit::kFloats, int(2 * r + t));
}

void emitPadPanel(Emitter &e, const PanelShape &shape, Value sPanel, Value n,
                  float x) {
  Value v = e.splatF32(shape.lanes, x);
  e.forLoop(n, paddedKeys(e, n), e.cI64(1), [&](Value i) {
    e.store(v, e.at(sPanel, e.mul(i, shape.lanes), 4));
  });
}

void emitMatrixDots(Emitter &e, MatrixUnit &unit, const PanelShape &shape,
                    Value kTile, Value qPanel, Value sPanel, Value count,
                    llvm::function_ref<void(Value row)> ahead) {
  int64_t lanes = shape.lanes, dim = shape.keyDim;
  Value stride = e.cI64(dim * 2);
  e.forLoop(e.cI64(0), count, e.cI64(kMatrixStep), [&](Value first) {
    ahead(first);
    forSums(lanes, [&](int64_t, int64_t, int sum) { unit.zero(sum); });
    Value left = e.at(kTile, e.mul(first, dim), 2);
    for (int64_t d = 0; d < dim; d += MatrixUnit::kHalves)
      emitDots(e, unit, lanes, e.at(left, d * 2), stride,
               e.at(qPanel, d / 2 * lanes * 4));
    Value to = e.at(sPanel, e.mul(first, lanes), 4);
    forSums(lanes, [&](int64_t row, int64_t lane, int sum) {
      unit.store(sum, e.at(to, (row * lanes + lane) * 4), e.cI64(lanes * 4));
    });
  });
}

Value emitMatrixMaximum(
    Emitter &e, const PanelShape &shape, std::optional<float> factor,
    Value sPanel, const LiveKeys &keys, Value max,
    llvm::function_ref<Values(Value row, const Values &scores)> hide) {
  constexpr int64_t rows = 4; // unrolled; kMatrixStep is a multiple
  int64_t lanes = shape.lanes;
  Type type = e.vec(lanes, e.f32);
  Values init;
  if (max)
    init.push_back(max);
  auto pass = [&](Value first, ValueRange most) -> Values {
    Value at = e.at(sPanel, e.mul(first, lanes), 4);
    Values scores;
    for (int64_t i = 0; i < rows; ++i) {
      Value x = e.load(type, e.at(at, i * lanes * 4));
      scores.push_back(factor ? e.fmul(x, e.like(x, *factor)) : x);
    }
    if (hide)
      scores = hide(first, scores);
    for (int64_t i = 0; (hide || factor) && i < rows; ++i)
      e.store(scores[i], e.at(at, i * lanes * 4));
    if (!max)
      return {};
    return {e.fmax(reduceMax(e, scores), most[0])};
  };
  Values found = e.forLoop(e.cI64(0), keys.count, e.cI64(rows), init, pass);
  return max ? found[0] : Value();
}

/// Two rows of weights as pairs of bf16, rounded to nearest, ties away from 0.
/// A NaN stays one but for those with nothing in their upper bits, which no
/// arithmetic makes.
static Value pairOf(Emitter &e, Value first, Value second) {
  int64_t lanes = Emitter::lanesOf(first);
  Type words = e.vec(lanes, e.i32);
  Value half = e.splatInt(lanes, e.i32, 0x8000);
  Value low = e.shrU(e.add(e.bitcast(first, words), half), 16);
  Value high = e.andI(e.add(e.bitcast(second, words), half),
                      e.splatInt(lanes, e.i32, -65536));
  return e.orI(low, high);
}

Value emitPairedSoftmax(Emitter &e, const PanelShape &shape, float factor,
                        Value sPanel, Value count, Value max) {
  int64_t lanes = shape.lanes;
  Type type = e.vec(lanes, e.f32);
  Value scale = e.splatF32(lanes, factor);
  Value less = e.fsub(e.splatF32(lanes, 0), max);
  auto weight = [&](Value at) {
    return e.exp2(e.fma(e.load(type, at), scale, less), shape.expDegree);
  };
  return e.forLoop(e.cI64(0), count, e.cI64(2), e.splatF32(lanes, 0),
                   [&](Value i, ValueRange sum) -> Values {
                     Value at = e.at(sPanel, e.mul(i, lanes), 4);
                     Value w0 = weight(at), w1 = weight(e.at(at, lanes * 4));
                     // Row i / 2 has been read: pairs follow behind the scores.
                     e.store(pairOf(e, w0, w1),
                             e.at(sPanel, e.mul(i, lanes), 2));
                     return {e.fadd(sum[0], e.fadd(w0, w1))};
                   })[0];
}

void emitPairs(Emitter &e, const PanelShape &shape, Value sPanel, Value count) {
  int64_t lanes = shape.lanes;
  Type type = e.vec(lanes, e.f32);
  e.forLoop(e.cI64(0), count, e.cI64(2), [&](Value i) {
    Value at = e.at(sPanel, e.mul(i, lanes), 4);
    Value pair = pairOf(e, e.load(type, at), e.load(type, e.at(at, lanes * 4)));
    e.store(pair, e.at(sPanel, e.mul(i, lanes), 2));
  });
}

void emitMatrixValues(Emitter &e, MatrixUnit &unit, const PanelShape &shape,
                      int64_t keys, Value vTile, Value pairs, Value oPanel,
                      Value count, Value alpha) {
  int64_t lanes = shape.lanes, dim = shape.valueDim;
  // The maximum seldom changes once a few blocks have been seen.
  Value one = e.like(alpha, 1);
  Value same = e.cmp(arith::CmpFPredicate::OEQ, alpha, one);
  Type bits = e.b.getIntegerType(lanes);
  Value every = e.constant(e.b.getIntegerAttr(bits, -1));
  e.ifThen(e.cmp(arith::CmpIPredicate::ne, e.bitcast(same, bits), every), [&] {
    e.forLoop(e.cI64(0), e.cI64(dim), e.cI64(1), [&](Value d) {
      Value at = e.at(oPanel, e.mul(d, lanes), 4);
      e.store(e.fmul(e.load(alpha.getType(), at), alpha), at);
    });
  });
  Value stride = e.cI64(keys * 2), step = e.cI64(kMatrixStep);
  Value rowBytes = e.cI64(lanes * 4);
  e.forLoop(e.cI64(0), e.cI64(dim), step, [&](Value d) {
    Value o = e.at(oPanel, e.mul(d, lanes), 4);
    forSums(lanes, [&](int64_t row, int64_t lane, int sum) {
      unit.load(sum, e.at(o, (row * lanes + lane) * 4), rowBytes);
    });
    Value left = e.at(vTile, e.mul(d, keys), 2);
    e.forLoop(e.cI64(0), count, step, [&](Value k) {
      emitDots(e, unit, lanes, e.at(left, k, 2), stride,
               e.at(pairs, e.mul(k, lanes), 2));
    });
    forSums(lanes, [&](int64_t row, int64_t lane, int sum) {
      unit.store(sum, e.at(o, (row * lanes + lane) * 4), rowBytes);
    });
  });
}

} // namespace fovea::cpu
