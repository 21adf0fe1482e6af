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

StreamKernel::State StreamKernel::emptyState() {
  State state;
  state.o.assign(shape.valueDim / 2, e.cF32(0));
  for (int i : {0, 1}) {
    state.m[i] = e.cF32(kNoMax);
    state.l[i] = e.cF32(0);
  }
  return state;
}

/// 16 columns of the warp's rows of q: a of mma.
Values StreamKernel::queryFragment(int64_t step) {
  // Lanes 0 to 15 name the rows of the left half, 16 to 31 those of the right.
  Value row = e.add(warpRow, e.andI(h.lane, h.c32(15)));
  Value half = e.mul(e.shrU(h.lane, 4), 16);
  Value at = e.add(e.add(e.mul(row, shape.qStride), half), shape.q + 32 * step);
  return h.ldmatrix(at, 4, /*trans=*/false);
}

/// S of the warp's rows and its keys of the block, not scaled.
Values StreamKernel::scores(const Block &block) {
  int64_t tiles = shape.ownKeys / 8;
  Values s(4 * tiles, e.cF32(0));
  // Lanes name, eight each: left and right half of 16 channels for eight keys,
  // then of the next eight keys.
  Value key = e.add(e.andI(h.lane, h.c32(7)), e.mul(e.shrU(h.lane, 4), 8));
  Value half = e.mul(e.andI(e.shrU(h.lane, 3), h.c32(1)), 16);
  Value base = e.add(e.mul(e.add(key, warpKey), shape.qStride), half);
  base = e.add(e.add(base, block.stage), shape.kTile);
  for (int64_t step = 0; step < shape.keyDim / 16; ++step) {
    Values a = queriesInRegisters()
                   ? Values(ArrayRef<Value>(q).slice(4 * step, 4))
                   : queryFragment(step);
    for (int64_t tile = 0; tile < tiles; tile += 2) {
      Values b = h.ldmatrix(e.add(base, 8 * tile * shape.qStride + 32 * step),
                            4, false);
      for (int64_t j : {0, 1}) {
        auto at = s.begin() + 4 * (tile + j);
        Values d = h.mma(elem, a, ArrayRef<Value>(b).slice(2 * j, 2),
                         ValueRange(ArrayRef<Value>(at, at + 4)));
        std::copy(d.begin(), d.end(), at);
      }
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

/// The pair that a map is applied to, but for the key: row `half` of the
/// thread.
ElementContext StreamKernel::contextOf(int half) {
  ElementContext context;
  context.b = itemB;
  context.len = len;
  context.q = rowToken[half];
  context.h = rowHead[half];
  if (p.group == 1)
    context.head = head;
  return context;
}

/// Scales and modifiers; in powers of two.
Values StreamKernel::adjust(const Block &block, Values s) {
  Values scales;
  bool scaled = coded[0] && !p.rope.rule; // rotated keys have theirs in them
  if (scaled)
    scales = columnScales(block, shape.kScale);
  float factor = p.score ? p.scale : p.scale * kLog2E;
  for (auto [i, x] : llvm::enumerate(s)) {
    Value by = e.cF32(factor);
    if (scaled)
      by = e.fmul(by, scales[i / 4 * 2 + i % 2]);
    x = e.fmul(x, by);
    if (!p.score && !pooled())
      continue;
    Value key = keyAt(block, column(h.c32(i / 4), h.c32(i % 2))).first;
    if (p.order)
      key = tokenAt(key);
    if (p.score) {
      ElementContext context = contextOf(i % 4 / 2);
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

/// -inf where a pair does not live. One copy of the mask's code: a loop over
/// the thread's pairs makes bits, which then choose.
Values StreamKernel::hide(const Block &block, const Values &s) {
  Value whole = block.whole;
  bool lists = p.selection && p.group > p.selection->heads;
  Value all = e.cmp(kEq, block.chooser, h.c32(0));
  if (lists)
    whole = e.andI(whole, all);
  SmallVector<Type> types(s.size(), e.f32);
  return e.ifElse(
      whole, types, [&] { return s; },
      [&] {
        // A bit for each pair of the thread.
        Type word = s.size() > 32 ? e.i64 : e.i32;
        auto number = [&](uint64_t v) {
          return e.constant(e.b.getIntegerAttr(word, int64_t(v)));
        };
        Value one = e.cI64(1);
        Value bits = e.forLoop(
            e.cI64(0), e.cI64(s.size()), one, {number(0)},
            [&](Value i, ValueRange carried) {
              Value index = e.toInt(i, e.i32);
              Value at = column(e.shrU(index, 2), e.andI(index, h.c32(1)));
              auto [key, live] = keyAt(block, at);
              Value lower = e.cmp(kNe, e.andI(index, h.c32(2)), h.c32(0));
              Value ofHead = e.select(lower, rowHead[1], rowHead[0]);
              if (lists) {
                Value own =
                    e.divU(e.sub(ofHead, head), e.cI64(p.selection->heads));
                own = e.cmp(kEq, e.add(e.toInt(own, e.i32), 1), block.chooser);
                live = e.andI(live, e.orI(all, own));
              }
              if (p.keep)
                live = e.ifElse(
                    e.andI(live,
                           e.cmp(kNe, block.kind, e.cI32(FOVEA_TILE_FULL))),
                    e.i1,
                    [&] {
                      ElementContext context = contextOf(0);
                      context.q = e.select(lower, rowToken[1], rowToken[0]);
                      context.h = ofHead;
                      return Values{emitKeep(
                          context, p.order ? tokenAt(key) : key, block.source)};
                    },
                    [&] { return Values{live}; })[0];
              Value bit = e.b.create<arith::ShLIOp>(e.loc, e.toInt(live, word),
                                                    e.toInt(i, word));
              return Values{e.orI(carried[0], bit)};
            })[0];
        Values hidden;
        for (auto [i, x] : llvm::enumerate(s)) {
          Value live =
              e.cmp(kNe, e.andI(bits, number(uint64_t(1) << i)), number(0));
          hidden.push_back(e.select(live, x, e.cF32(-INFINITY)));
        }
        return hidden;
      });
}

/// What the probability region and the values' scales make of the weights.
Values StreamKernel::weights(const Block &block, Values w) {
  Values scales;
  if (coded[1])
    scales = columnScales(block, shape.vScale);
  for (auto [i, x] : llvm::enumerate(w)) {
    if (p.prob) {
      Value hidden = e.cmp(arith::CmpFPredicate::OEQ, x, e.cF32(0));
      ElementContext context = contextOf(i % 4 / 2);
      Value key = keyAt(block, column(h.c32(i / 4), h.c32(i % 2))).first;
      context.k = tokenOf(block.source, p.order ? tokenAt(key) : key);
      FailureOr<Value> changed = p.prob(e, x, context);
      if (failed(changed))
        refused = true;
      else
        x = e.select(hidden, e.cF32(0), *changed);
    }
    if (coded[1])
      x = e.fmul(x, scales[i / 4 * 2 + i % 2]);
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
    Values a;
    for (int64_t i = 0; i < 8; i += 2)
      a.push_back(h.pack(elem, w[8 * step + i], w[8 * step + i + 1]));
    for (int64_t tile = 0; tile < shape.valueDim / 8; tile += 2) {
      Values b = h.ldmatrix(e.add(base, 16 * step * shape.vStride + 16 * tile),
                            4, true);
      for (int64_t j : {0, 1}) {
        auto at = o.begin() + 4 * (tile + j);
        Values d = h.mma(elem, a, ArrayRef<Value>(b).slice(2 * j, 2),
                         ValueRange(ArrayRef<Value>(at, at + 4)));
        std::copy(d.begin(), d.end(), at);
      }
    }
  }
  return o;
}

StreamKernel::State StreamKernel::compute(const Block &block, State state) {
  Values s = hide(block, adjust(block, scores(block)));
  auto rowOf = [](size_t i) { return i % 4 / 2; };
  if (pass == Pass::Values) {
    Value inverse[2];
    for (int r : {0, 1})
      inverse[r] = e.fdiv(e.cF32(1), state.l[r]);
    for (auto [i, x] : llvm::enumerate(s)) {
      // A row that sees nothing has l = 0.
      Value hidden = e.cmp(arith::CmpFPredicate::OEQ, x, e.cF32(-INFINITY));
      Value share =
          e.fmul(h.exp2(e.fsub(x, state.m[rowOf(i)])), inverse[rowOf(i)]);
      x = e.select(hidden, e.cF32(0), share);
    }
    state.o = addValues(block, weights(block, s), state.o);
    return state;
  }
  Value alpha[2];
  for (int r : {0, 1}) {
    Value most = state.m[r];
    for (auto [i, x] : llvm::enumerate(s))
      if (int(rowOf(i)) == r)
        most = e.fmax(x, most);
    for (int64_t mask : {1, 2})
      most = e.fmax(h.shuffleXor(most, mask), most);
    alpha[r] = h.exp2(e.fsub(state.m[r], most));
    state.m[r] = most;
    state.l[r] = e.fmul(state.l[r], alpha[r]);
  }
  for (auto [i, x] : llvm::enumerate(s)) {
    x = h.exp2(e.fsub(x, state.m[rowOf(i)]));
    Value &sum = state.l[rowOf(i)];
    sum = e.fadd(sum, x);
  }
  if (pass == Pass::Sums)
    return state;
  for (auto [i, x] : llvm::enumerate(state.o))
    x = e.fmul(x, alpha[rowOf(i)]);
  state.o = addValues(block, weights(block, s), state.o);
  return state;
}

} // namespace fovea::gpu
