// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a warp does with a block: scores, mask and modifiers, softmax, values.
//
// Fragments are those of mma.m16n8k16: of every tile of 8 columns a thread has
// four elements, columns 2 (lane % 4) and the next of row lane / 4 (elements 0
// and 1) and of the row 8 below (2 and 3).
#include "codegen/gpu/templates/StreamKernel.h"

#include <fovea/abi.h>

#include <cmath>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using namespace cpu::prefill;

/// How far above a row's maximum, in powers of two, scores may lie before it is
/// taken over: weights of 2^8 fit f16, and their sums f32.
static constexpr float kLateRescale = 8;

bool StreamKernel::plainScores() const {
  return !p.score && !pooled() && !p.twice && p.scale > 0 &&
         (!coded[0] || p.rope.rule);
}

StreamKernel::State StreamKernel::emptyState() {
  State state;
  state.o.assign(shape.rowTiles * shape.valueDim / 2, e.cF32(0));
  state.m.assign(ownRows(), e.cF32(kNoMax));
  state.l.assign(ownRows(), e.cF32(0));
  return state;
}

Value StreamKernel::ownRow(Value r) {
  return e.add(e.add(warpRow, quadRow), e.mul(r, 8));
}

unsigned StreamKernel::elementRow(size_t i, size_t count) const {
  return 2 * (i / (count / shape.rowTiles)) + i % 4 / 2;
}

unsigned StreamKernel::elementTile(size_t i, size_t count) const {
  return i % (count / shape.rowTiles) / 4;
}

/// 16 columns of 16 of the warp's rows of q: a of mma.
Values StreamKernel::queryFragment(int64_t step, int64_t rowTile) {
  // Lanes 0 to 15 name the rows of the left half, 16 to 31 those of the right.
  Value row = e.add(warpRow, e.andI(h.lane, h.c32(15)));
  Value half = e.mul(e.shrU(h.lane, 4), 16);
  Value at = e.add(e.add(e.mul(row, shape.qStride), half),
                   shape.q + 16 * rowTile * shape.qStride + 32 * step);
  return h.ldmatrix(at, 4, /*trans=*/false);
}

/// Adds a product to tile number `tile` of the fragments c.
void StreamKernel::addProduct(Values &c, int64_t tile, ArrayRef<Value> a,
                              ArrayRef<Value> b) {
  auto at = c.begin() + 4 * tile;
  Values d = h.mma(elem, a, b, ValueRange(ArrayRef<Value>(at, at + 4)));
  std::copy(d.begin(), d.end(), at);
}

/// S of the warp's rows and its keys of the block, not scaled.
Values StreamKernel::scores(const Block &block) {
  int64_t tiles = shape.ownKeys / 8;
  Values s(4 * tiles * shape.rowTiles, e.cF32(0));
  // Lanes name, eight each: left and right half of 16 channels for eight keys,
  // then of the next eight keys.
  Value key = e.add(e.andI(h.lane, h.c32(7)), e.mul(e.shrU(h.lane, 4), 8));
  Value half = e.mul(e.andI(e.shrU(h.lane, 3), h.c32(1)), 16);
  Value base = e.add(e.mul(e.add(key, warpKey), shape.qStride), half);
  base = e.add(e.add(base, block.stage), shape.kTile);
  for (int64_t step = 0; step < shape.keyDim / 16; ++step) {
    SmallVector<Values> a;
    for (int64_t t = 0; t < shape.rowTiles; ++t)
      a.push_back(queriesInRegisters()
                      ? Values(ArrayRef<Value>(q).slice(
                            4 * (step * shape.rowTiles + t), 4))
                      : queryFragment(step, t));
    for (int64_t tile = 0; tile < tiles; tile += 2) {
      Values b = h.ldmatrix(e.add(base, 8 * tile * shape.qStride + 32 * step),
                            4, false);
      for (int64_t t = 0; t < shape.rowTiles; ++t)
        for (int64_t j : {0, 1})
          addProduct(s, t * tiles + tile + j, a[t],
                     ArrayRef<Value>(b).slice(2 * j, 2));
    }
  }
  return s;
}

Value StreamKernel::column(Value tile, Value element) {
  Value own = e.add(e.add(warpKey, e.mul(tile, 8)), e.add(quadColumn, element));
  return h.wide(own);
}

Values StreamKernel::columnScales(const Block &block, int64_t from) {
  Values scales;
  Value base = e.add(block.stage, from);
  for (int64_t tile = 0; tile < shape.ownKeys / 8; ++tile)
    for (int64_t j : {0, 1}) {
      Value at = e.mul(e.toInt(column(h.c32(tile), h.c32(j)), e.i32), 4);
      scales.push_back(h.loadShared(e.f32, e.add(base, at)));
    }
  return scales;
}

/// The pair that a map is applied to, but for the key: row r (i32) of the
/// thread.
ElementContext StreamKernel::contextOf(Value r) {
  ElementContext context;
  Value row = ownRow(r);
  context.b = itemB;
  context.len = len;
  context.q = tokenOfRow(row);
  context.h = headOfRow(row);
  if (p.group == 1)
    context.head = head;
  return context;
}

/// Scales and modifiers; in powers of two, but for the factor of all scores
/// where there is nothing else.
Values StreamKernel::adjust(const Block &block, Values s) {
  if (plainScores())
    return s;
  Values scales;
  bool scaled = coded[0] && !p.rope.rule; // rotated keys have theirs in them
  if (scaled)
    scales = columnScales(block, shape.kScale);
  float factor = p.score ? p.scale : p.scale * kLog2E;
  SmallVector<ElementContext> rows;
  for (unsigned r = 0; p.score && r < ownRows(); ++r)
    rows.push_back(contextOf(h.c32(r)));
  for (auto [i, x] : llvm::enumerate(s)) {
    Value by = e.cF32(factor);
    unsigned tile = elementTile(i, s.size());
    if (scaled)
      by = e.fmul(by, scales[tile * 2 + i % 2]);
    x = e.fmul(x, by);
    if (!p.score && !pooled())
      continue;
    Value key = keyAt(block, column(h.c32(tile), h.c32(i % 2))).first;
    if (p.order)
      key = tokenAt(key);
    if (p.score) {
      ElementContext context = rows[elementRow(i, s.size())];
      context.k = tokenOf(block.source, key);
      FailureOr<Value> modified = p.score(e, x, context);
      if (failed(modified))
        refused = true;
      else
        x = e.fmul(*modified, e.cF32(kLog2E));
    }
    if (pooled())
      x = e.fadd(x, pooledBias(block.source, key));
  }
  return s;
}

/// Whether all pairs of a block live, i1.
Value StreamKernel::isFull(const Block &block) {
  if (!hasLists())
    return block.whole;
  return e.andI(block.whole, e.cmp(kEq, block.chooser, h.c32(0)));
}

/// A bit for each of the thread's pairs of a block that is not full: which of
/// them live. One copy of the mask's code, in a loop.
Value StreamKernel::livePairs(const Block &block) {
  Type word = pairWord();
  Value zero = e.cI64(0), one = e.cI64(1);
  Value all = e.cmp(kEq, block.chooser, h.c32(0));
  Value partial = e.cmp(kNe, block.kind, e.cI32(FOVEA_TILE_FULL));
  auto lives = [&](Value index) {
    Value each = h.c32(pairs() / shape.rowTiles);
    Value tile = e.shrU(e.remU(index, each), 2);
    Value key, live;
    std::tie(key, live) = keyAt(block, column(tile, e.andI(index, h.c32(1))));
    Value r = e.add(e.mul(e.divU(index, each), 2),
                    e.andI(e.shrU(index, 1), h.c32(1)));
    if (hasLists()) {
      Value ofHead = headOfRow(ownRow(r));
      Value own = e.divU(e.sub(ofHead, head), e.cI64(p.selection->heads));
      own = e.cmp(kEq, e.add(e.toInt(own, e.i32), 1), block.chooser);
      live = e.andI(live, e.orI(all, own));
    }
    if (!p.keep)
      return live;
    auto keep = [&] {
      ElementContext context = contextOf(r);
      return Values{
          emitKeep(context, p.order ? tokenAt(key) : key, block.source)};
    };
    return Value(e.ifElse(e.andI(live, partial), e.i1, keep,
                          [&] { return Values{live}; })[0]);
  };
  Value none = e.constant(e.b.getIntegerAttr(word, 0));
  return e.forLoop(
      zero, e.cI64(pairs()), one, {none}, [&](Value i, ValueRange carried) {
        Value bit = e.b.create<arith::ShLIOp>(
            e.loc, e.toInt(lives(e.toInt(i, e.i32)), word), e.toInt(i, word));
        return Values{e.orI(carried[0], bit)};
      })[0];
}

/// -inf where a pair does not live.
Values StreamKernel::hide(const Values &s, Value bits) {
  auto number = [&](uint64_t v) {
    return e.constant(e.b.getIntegerAttr(pairWord(), int64_t(v)));
  };
  Values hidden;
  for (auto [i, x] : llvm::enumerate(s)) {
    Value live = e.cmp(kNe, e.andI(bits, number(uint64_t(1) << i)), number(0));
    hidden.push_back(e.select(live, x, e.cF32(-INFINITY)));
  }
  return hidden;
}

/// What the probability region and the values' scales make of the weights.
Values StreamKernel::weights(const Block &block, Values w) {
  Values scales;
  if (coded[1])
    scales = columnScales(block, shape.vScale);
  SmallVector<ElementContext> rows;
  for (unsigned r = 0; p.prob && r < ownRows(); ++r)
    rows.push_back(contextOf(h.c32(r)));
  for (auto [i, x] : llvm::enumerate(w)) {
    unsigned tile = elementTile(i, w.size());
    if (p.prob) {
      Value hidden = e.cmp(arith::CmpFPredicate::OEQ, x, e.cF32(0));
      ElementContext context = rows[elementRow(i, w.size())];
      Value key = keyAt(block, column(h.c32(tile), h.c32(i % 2))).first;
      context.k = tokenOf(block.source, p.order ? tokenAt(key) : key);
      FailureOr<Value> changed = p.prob(e, x, context);
      if (failed(changed))
        refused = true;
      else
        x = e.select(hidden, e.cF32(0), *changed);
    }
    if (coded[1])
      x = e.fmul(x, scales[tile * 2 + i % 2]);
  }
  return w;
}

/// o + weights V over the warp's keys.
Values StreamKernel::addValues(const Block &block, const Values &w, Values o) {
  // Lanes name, eight each: keys 0 to 7 and 8 to 15 of 16 for eight channels,
  // then for the next eight.
  Value key = e.andI(h.lane, h.c32(15));
  Value half = e.mul(e.shrU(h.lane, 4), 16);
  Value base = e.add(e.mul(e.add(key, warpKey), shape.vStride), half);
  base = e.add(e.add(base, block.stage), shape.vTile);
  for (int64_t step = 0; step < shape.ownKeys / 16; ++step) {
    // Accumulators of two tiles are the fragment of 16 columns.
    SmallVector<Values> a(shape.rowTiles);
    for (auto [t, own] : llvm::enumerate(a))
      for (int64_t i = 0; i < 8; i += 2) {
        size_t at = t * w.size() / shape.rowTiles + 8 * step + i;
        own.push_back(h.pack(elem, w[at], w[at + 1]));
      }
    int64_t tiles = shape.valueDim / 8;
    for (int64_t tile = 0; tile < tiles; tile += 2) {
      Values b = h.ldmatrix(e.add(base, 16 * step * shape.vStride + 16 * tile),
                            4, true);
      for (int64_t t = 0; t < shape.rowTiles; ++t)
        for (int64_t j : {0, 1})
          addProduct(o, t * tiles + tile + j, a[t],
                     ArrayRef<Value>(b).slice(2 * j, 2));
    }
  }
  return o;
}

StreamKernel::State StreamKernel::compute(const Block &block, State state) {
  // The mask's code runs while there are no scores, which take registers.
  Value full = isFull(block),
        none = e.constant(e.b.getIntegerAttr(pairWord(), 0));
  Value bits = e.ifElse(
      full, pairWord(), [&] { return Values{none}; },
      [&] {
        Value bits;
        part([&](const Item &) { bits = livePairs(block); });
        return Values{bits};
      })[0];
  Values s = adjust(block, scores(block));
  s = e.ifElse(
      full, TypeRange(ValueRange(s)), [&] { return s; },
      [&] { return hide(s, bits); });
  if (pass == Pass::Values) {
    Values inverse;
    for (Value l : state.l)
      inverse.push_back(e.fdiv(e.cF32(1), l));
    for (auto [i, x] : llvm::enumerate(s)) {
      unsigned r = elementRow(i, s.size());
      // A row that sees nothing has l = 0.
      Value hidden = e.cmp(arith::CmpFPredicate::OEQ, x, e.cF32(-INFINITY));
      Value share = e.fmul(h.exp2(e.fsub(x, state.m[r])), inverse[r]);
      x = e.select(hidden, e.cF32(0), share);
    }
    state.o = addValues(block, weights(block, s), state.o);
    return state;
  }
  Value factor;
  if (plainScores())
    factor = e.cF32(float(p.scale * kLog2E));
  // What attn.partial returns is the maximum; scales of values times a weight
  // may be more than f16 holds.
  bool late = !p.partial && !(coded[1] && elem == Elem::F16);
  State next = state;
  Value grows = e.cBool(false);
  for (unsigned r = 0; r < ownRows(); ++r) {
    Value most;
    for (auto [i, x] : llvm::enumerate(s))
      if (elementRow(i, s.size()) == r)
        most = most ? h.max(x, most) : x;
    for (int64_t mask : {1, 2})
      most = h.max(h.shuffleXor(most, mask), most);
    if (factor)
      most = e.fmul(most, factor);
    next.m[r] = h.max(most, state.m[r]);
    Value by = e.fsub(next.m[r], state.m[r]);
    grows = e.orI(grows, e.cmp(arith::CmpFPredicate::OGT, by,
                               e.cF32(late ? kLateRescale : 0)));
  }
  // Maxima are taken over, and sums rescaled, only where weights would become
  // large otherwise: after a few blocks that is rare.
  state = stateOf(e.ifElse(
      h.any(grows), TypeRange(ValueRange(state.flat())),
      [&] {
        Values alpha;
        for (unsigned r = 0; r < ownRows(); ++r) {
          alpha.push_back(h.exp2(e.fsub(state.m[r], next.m[r])));
          next.l[r] = e.fmul(state.l[r], alpha[r]);
        }
        if (pass != Pass::Sums)
          for (auto [i, x] : llvm::enumerate(next.o))
            x = e.fmul(x, alpha[elementRow(i, next.o.size())]);
        return next.flat();
      },
      [&] { return state.flat(); }));
  Values less;
  for (Value m : state.m)
    less.push_back(e.fsub(e.cF32(0), m));
  for (auto [i, x] : llvm::enumerate(s)) {
    unsigned r = elementRow(i, s.size());
    x = h.exp2(factor ? e.fma(x, factor, less[r]) : e.fadd(x, less[r]));
    state.l[r] = e.fadd(state.l[r], x);
  }
  if (pass == Pass::Sums)
    return state;
  state.o = addValues(block, weights(block, s), state.o);
  return state;
}

} // namespace fovea::gpu
