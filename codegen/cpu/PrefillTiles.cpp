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

Value LiveKeys::at(Emitter &e, Value i) const {
  return list ? e.toInt(e.loadAt(e.i32, list, i), e.i64) : i;
}

/// acc[r] += left(k)[r] * b[k][lanes] for 0 <= k < count: `left` gives the f32
/// addresses of a column; the accumulators stay in registers.
static Values emitRegisterTile(Emitter &e, int64_t lanes, Value count,
                               llvm::function_ref<Values(Value k)> left,
                               Value b, int64_t rows) {
  Values zero(rows, e.splatF32(lanes, 0));
  return e.forLoop(
      e.cI64(0), count, e.cI64(1), zero, [&](Value k, ValueRange acc) {
        Values column = left(k);
        Value bk = e.load(e.vec(lanes, e.f32), e.at(b, e.mul(k, lanes), 4));
        Values out;
        for (auto [at, sum] : llvm::zip_equal(column, acc))
          out.push_back(e.fma(e.splat(e.load(e.f32, at), lanes), bk, sum));
        return out;
      });
}

Value reduceMax(Emitter &e, Values rows) {
  while (rows.size() > 1) {
    Values half;
    for (size_t r = 0; r + 1 < rows.size(); r += 2)
      half.push_back(e.fmax(rows[r], rows[r + 1]));
    if (rows.size() % 2)
      half.push_back(rows.back());
    rows = half;
  }
  return rows[0];
}

Value emitScores(
    Emitter &e, const PanelShape &shape, Value kTile, Value qPanel,
    Value sPanel, const LiveKeys &keys, Value max,
    llvm::function_ref<void(Value row)> ahead,
    llvm::function_ref<Values(Value row, const Values &scores)> hide) {
  int64_t lanes = shape.lanes, rows = shape.regRows, dim = shape.keyDim;
  Values carried;
  if (max)
    carried.push_back(max);
  auto tile = [&](Value i, ValueRange args) {
    ahead(i);
    Value first = e.at(kTile, e.mul(i, dim), 4);
    Values key;
    for (int64_t r = 0; r < rows; ++r)
      key.push_back(keys.list
                        ? e.at(kTile, e.mul(keys.at(e, e.add(i, r)), dim), 4)
                        : e.at(first, r * dim * 4));
    auto left = [&](Value k) {
      Values column;
      for (Value row : key)
        column.push_back(e.at(row, k, 4));
      return column;
    };
    Values acc = emitRegisterTile(e, lanes, e.cI64(dim), left, qPanel, rows);
    if (hide)
      acc = hide(i, acc);
    Value out = e.at(sPanel, e.mul(i, lanes), 4);
    for (int64_t r = 0; r < rows; ++r)
      e.store(acc[r], e.at(out, r * lanes * 4));
    if (!max)
      return Values();
    return Values{e.fmax(reduceMax(e, acc), args[0])};
  };
  carried = e.forLoop(e.cI64(0), keys.count, e.cI64(rows), carried, tile);
  return max ? carried[0] : Value();
}

Value emitSoftmax(Emitter &e, const PanelShape &shape, Value sPanel,
                  Value count, Value max) {
  // One register at a time on AVX2: the coefficients fill most of the others.
  int64_t lanes = shape.lanes, width = e.isa == Isa::AVX2 ? 8 : lanes;
  Values sums;
  for (int64_t first = 0; first < lanes; first += width) {
    Value part = e.slice(max, first, width);
    Value base = e.at(sPanel, first * 4);
    sums.push_back(e.forLoop(e.cI64(0), count, e.cI64(1), e.like(part, 0),
                             [&](Value i, ValueRange sum) -> Values {
                               Value p = e.at(base, e.mul(i, lanes), 4);
                               Value x =
                                   e.fsub(e.load(part.getType(), p), part);
                               Value y = e.exp2(x, shape.expDegree);
                               e.store(y, p);
                               return {e.fadd(sum[0], y)};
                             })[0]);
  }
  return e.concat(sums);
}

void emitValues(Emitter &e, const PanelShape &shape, Value vTile, Value sPanel,
                Value oPanel, const LiveKeys &keys, Value alpha) {
  int64_t lanes = shape.lanes, dim = shape.valueDim, first = 0;
  for (auto [rows, tiles] : cutRows(dim, shape.regRows)) {
    Value end = e.cI64(first + rows * tiles);
    e.forLoop(e.cI64(first), end, e.cI64(rows), [&, rows = rows](Value d) {
      // The block is summed on its own: adding small terms one by one to a
      // large O would lose what they have below its last bit.
      Value column = e.at(vTile, d, 4);
      auto left = [&](Value k) {
        Value first = e.at(column, e.mul(keys.at(e, k), dim), 4);
        Values channels;
        for (int64_t r = 0; r < rows; ++r)
          channels.push_back(e.at(first, r * 4));
        return channels;
      };
      Values acc = emitRegisterTile(e, lanes, keys.count, left, sPanel, rows);
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
