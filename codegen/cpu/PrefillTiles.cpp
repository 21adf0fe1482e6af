// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The register tiles of the prefill stream and its softmax. These loops take
// all the time; tests guard their assembly.
#include "codegen/cpu/PrefillTiles.h"

using namespace mlir;

namespace fovea::cpu {

SmallVector<std::pair<int64_t, int64_t>> cutRows(int64_t total, int64_t most) {
  int64_t tiles = (total + most - 1) / most;
  int64_t small = total / tiles, larger = total % tiles;
  SmallVector<std::pair<int64_t, int64_t>> cuts;
  if (larger)
    cuts.push_back({small + 1, larger});
  cuts.push_back({small, tiles - larger});
  return cuts;
}

Values forSpans(Emitter &e, const KeySpans &keys, ValueRange init,
                llvm::function_ref<Values(Value, Value, ValueRange)> body) {
  if (!keys.table)
    return body(e.cI64(0), keys.n, init);
  return e.forLoop(
      e.cI64(0), keys.count, e.cI64(1), init, [&](Value i, ValueRange carried) {
        Value span = e.at(keys.table, e.mul(i, 2), 8);
        return body(e.load(e.i64, span), e.load(e.i64, e.at(span, 8)), carried);
      });
}

Values forKeys(Emitter &e, const KeySpans &keys, ValueRange init,
               Emitter::LoopBody body) {
  return forSpans(e, keys, init, [&](Value lo, Value hi, ValueRange carried) {
    return e.forLoop(lo, hi, e.cI64(1), carried, body);
  });
}

/// acc[r] += a[r * aRow + k * aStep] * b[k][lanes] for lo <= k < hi; a and b
/// are f32 addresses, the accumulators stay in registers.
static Values emitRegisterTile(Emitter &e, int64_t lanes, Value a, int64_t aRow,
                               int64_t aStep, Value b, Value lo, Value hi,
                               ValueRange init) {
  return e.forLoop(lo, hi, e.cI64(1), init, [&](Value k, ValueRange acc) {
    Value ak = e.at(a, e.mul(k, aStep), 4);
    Value bk = e.load(e.vec(lanes, e.f32), e.at(b, e.mul(k, lanes), 4));
    Values out;
    for (auto [r, sum] : llvm::enumerate(acc)) {
      Value x = e.load(e.f32, e.at(ak, r * aRow * 4));
      out.push_back(e.fma(e.splat(x, lanes), bk, sum));
    }
    return out;
  });
}

Value emitScores(
    Emitter &e, const PanelShape &shape, Value kTile, Value qPanel,
    Value sPanel, const KeySpans &keys, Value max,
    llvm::function_ref<void(Value row)> ahead,
    llvm::function_ref<Values(Value row, const Values &scores)> hide) {
  int64_t lanes = shape.lanes, rows = shape.regRows, dim = shape.keyDim;
  Values carried;
  if (max)
    carried.push_back(max);
  auto tile = [&](Value i, ValueRange args) {
    ahead(i);
    Values zero(rows, e.splatF32(lanes, 0));
    Values acc = emitRegisterTile(e, lanes, e.at(kTile, e.mul(i, dim), 4), dim,
                                  1, qPanel, e.cI64(0), e.cI64(dim), zero);
    if (hide)
      acc = hide(i, acc);
    Value out = e.at(sPanel, e.mul(i, lanes), 4);
    for (int64_t r = 0; r < rows; ++r)
      e.store(acc[r], e.at(out, r * lanes * 4));
    if (!max)
      return Values();
    // A tree keeps the dependent chain short.
    while (acc.size() > 1) {
      Values half;
      for (size_t r = 0; r + 1 < acc.size(); r += 2)
        half.push_back(e.fmax(acc[r], acc[r + 1]));
      if (acc.size() % 2)
        half.push_back(acc.back());
      acc = half;
    }
    return Values{e.fmax(acc[0], args[0])};
  };
  carried =
      forSpans(e, keys, carried, [&](Value lo, Value hi, ValueRange args) {
        return e.forLoop(lo, hi, e.cI64(rows), args, tile);
      });
  return max ? carried[0] : Value();
}

Value emitSoftmax(Emitter &e, const PanelShape &shape, Value sPanel,
                  const KeySpans &keys, Value max) {
  // One register at a time on AVX2: the coefficients fill most of the others.
  int64_t lanes = shape.lanes, width = e.isa == Isa::AVX2 ? 8 : lanes;
  Values sums;
  for (int64_t first = 0; first < lanes; first += width) {
    Value part = e.slice(max, first, width);
    Value base = e.at(sPanel, first * 4);
    sums.push_back(forKeys(e, keys, e.like(part, 0),
                           [&](Value i, ValueRange sum) -> Values {
                             Value p = e.at(base, e.mul(i, lanes), 4);
                             Value x = e.fsub(e.load(part.getType(), p), part);
                             Value y = e.exp2(x, shape.expDegree);
                             e.store(y, p);
                             return {e.fadd(sum[0], y)};
                           })[0]);
  }
  return e.concat(sums);
}

void emitValues(Emitter &e, const PanelShape &shape, Value vTile, Value sPanel,
                Value oPanel, const KeySpans &keys, Value alpha) {
  int64_t lanes = shape.lanes, dim = shape.valueDim, first = 0;
  for (auto [rows, tiles] : cutRows(dim, shape.regRows)) {
    Value end = e.cI64(first + rows * tiles);
    e.forLoop(e.cI64(first), end, e.cI64(rows), [&, rows = rows](Value d) {
      // The block is summed on its own: adding small terms one by one to a
      // large O would lose what they have below its last bit.
      Values zero(rows, e.splatF32(lanes, 0));
      Value column = e.at(vTile, d, 4);
      Values acc =
          forSpans(e, keys, zero, [&](Value lo, Value hi, ValueRange sums) {
            return emitRegisterTile(e, lanes, column, 1, dim, sPanel, lo, hi,
                                    sums);
          });
      Value o = e.at(oPanel, e.mul(d, lanes), 4);
      for (int64_t r = 0; r < rows; ++r) {
        Value at = e.at(o, r * lanes * 4);
        e.store(e.fma(e.load(alpha.getType(), at), alpha, acc[r]), at);
      }
    });
    first += rows * tiles;
  }
}

} // namespace fovea::cpu
