// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Partial rows and reductions across lanes.
#include "codegen/cpu/LaneTools.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace fovea::cpu {

static Value zeroOf(Emitter &e, int64_t lanes, Type elem) {
  Type type = e.vec(lanes, elem);
  return e.constant(cast<TypedAttr>(e.b.getZeroAttr(type)));
}

/// The powers of two that make up n, largest first, with their offsets.
static SmallVector<std::pair<int64_t, int64_t>> piecesOf(int64_t n) {
  SmallVector<std::pair<int64_t, int64_t>> pieces;
  int64_t offset = 0;
  for (int64_t width = int64_t(1) << 30; width; width >>= 1)
    if (n & width) {
      pieces.push_back({offset, width});
      offset += width;
    }
  return pieces;
}

Value loadPartial(Emitter &e, Type elem, Value p, int64_t n, int64_t lanes) {
  if (n == lanes)
    return e.load(e.vec(n, elem), p);
  unsigned bytes = elem.getIntOrFloatBitWidth() / 8;
  Value result = zeroOf(e, lanes, elem);
  for (auto [offset, width] : piecesOf(n)) {
    Value piece = e.load(e.vec(width, elem), e.at(p, offset * bytes));
    SmallVector<int64_t> spread(lanes, -1), merge;
    for (int64_t i = 0; i < lanes; ++i) {
      bool inside = i >= offset && i < offset + width;
      if (inside)
        spread[i] = i - offset;
      merge.push_back(inside ? lanes + i : i);
    }
    result = e.shuffle(result, e.shuffle(piece, piece, spread), merge);
  }
  return result;
}

Value loadPartialAsF32(Emitter &e, Elem elem, Value p, int64_t n,
                       int64_t lanes) {
  return e.widen(elem, loadPartial(e, e.storageType(elem), p, n, lanes));
}

void storePartial(Emitter &e, Value v, Value p, int64_t n) {
  unsigned bytes =
      getElementTypeOrSelf(v.getType()).getIntOrFloatBitWidth() / 8;
  for (auto [offset, width] : piecesOf(n))
    e.store(e.slice(v, offset, width), e.at(p, offset * bytes));
}

Value addAny(Emitter &e, Value x, Value y) {
  return isa<FloatType>(getElementTypeOrSelf(x.getType())) ? e.fadd(x, y)
                                                           : e.add(x, y);
}

/// One step of the transposing sum. Lanes come in runs of `step`; where bit
/// `step` of the lane is 0, the result holds x's sums, where it is 1, y's.
static Value fold(Emitter &e, Value x, Value y, int64_t step) {
  int64_t n = Emitter::lanesOf(x);
  SmallVector<int64_t> own, other;
  for (int64_t j = 0; j < n; ++j) {
    bool upper = j & step;
    own.push_back(upper ? n + j : j);
    other.push_back(upper ? n + j - step : j + step);
  }
  return addAny(e, e.shuffle(x, y, own), e.shuffle(x, y, other));
}

/// The same with neighbours: pairs inside 4 lanes, in the order that a
/// horizontal add of 128-bit lanes has.
static Value foldPairs(Emitter &e, Value x, Value y) {
  int64_t n = Emitter::lanesOf(x);
  SmallVector<int64_t> even, odd;
  for (int64_t q = 0; q < n; q += 4)
    for (int64_t from : {q, q + 2, n + q, n + q + 2}) {
      even.push_back(from);
      odd.push_back(from + 1);
    }
  return addAny(e, e.shuffle(x, y, even), e.shuffle(x, y, odd));
}

Value sumRows(Emitter &e, ArrayRef<Value> rows) {
  Values level(rows.begin(), rows.end());
  // Eight lanes have a horizontal add; wider ones are cheaper by a blend and
  // one permutation.
  bool pairs = level.size() == 8;
  for (int64_t step = 1; level.size() > 1; step *= 2) {
    Values next;
    for (size_t i = 0; i < level.size(); i += 2)
      next.push_back(pairs && step < 4 ? foldPairs(e, level[i], level[i + 1])
                                       : fold(e, level[i], level[i + 1], step));
    level = next;
  }
  return level[0];
}

static Value halve(Emitter &e, Value v,
                   llvm::function_ref<Value(Value, Value)> combine) {
  while (Emitter::lanesOf(v) > 1) {
    int64_t half = Emitter::lanesOf(v) / 2;
    v = combine(e.slice(v, 0, half), e.slice(v, half, half));
  }
  return e.extract(v, 0);
}

Value sumLanes(Emitter &e, Value v) {
  return halve(e, v, [&](Value x, Value y) { return addAny(e, x, y); });
}

Value maxLanes(Emitter &e, Value v) {
  return halve(e, v, [&](Value x, Value y) { return e.fmax(x, y); });
}

} // namespace fovea::cpu
