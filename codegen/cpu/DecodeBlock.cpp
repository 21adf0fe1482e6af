// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One block of keys of the decode stream. Four steps, each a pass over data
// that stays in the L1 cache:
//
//   scores   step keys x rows accumulators along the key dim, summed across
//            lanes into one vector of [key][row]
//   modify   score region, mask, bias of pooled rows (where there are any)
//   softmax  vertical in [key][row]
//   values   chunks of the value dim x rows accumulators, over the keys
#include "codegen/cpu/DecodeBlock.h"

#include "codegen/cpu/CacheAddress.h"
#include "codegen/cpu/LaneTools.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpIPredicate;

static constexpr float log2e = 1.44269504088896341f;

Value foldRows(Emitter &e, Value v, int64_t padded,
               llvm::function_ref<Value(Value, Value)> combine) {
  int64_t lanes = Emitter::lanesOf(v);
  for (int64_t step = padded; step < lanes; step *= 2) {
    SmallVector<int64_t> partner;
    for (int64_t j = 0; j < lanes; ++j)
      partner.push_back(j ^ step);
    v = combine(v, e.shuffle(v, v, partner));
  }
  return v;
}

std::pair<Value, Value> crossPairs(Emitter &e, Value x, Value y) {
  return {e.shuffle(x, y, {0, 1, 2, 3, 8, 9, 10, 11}),
          e.shuffle(x, y, {4, 5, 6, 7, 12, 13, 14, 15})};
}

std::pair<Value, Value> loadCrossed(Emitter &e, Value p) {
  Value v = e.load(e.vec(16, e.i16), p), zero = e.splatInt(16, e.i16, 0);
  auto unpack = [&](int64_t first) {
    SmallVector<int64_t> mask;
    for (int64_t half : {0, 8})
      for (int64_t i = 0; i < 4; ++i) {
        mask.push_back(half + first + i);
        mask.push_back(16 + half + first + i);
      }
    return e.bitcast(e.shuffle(zero, v, mask), e.vec(8, e.f32));
  };
  return {unpack(0), unpack(4)};
}

Value roundToInt(Emitter &e, Value v) {
  // Adding 1.5 * 2^23 leaves the integer in the low bits, rounded to even.
  Value t = e.fadd(v, e.like(v, 12582912.0));
  int64_t lanes = Emitter::lanesOf(v);
  Value bits = e.bitcast(t, lanes ? e.vec(lanes, e.i32) : e.i32);
  return e.sub(bits, e.like(bits, 0x4b400000));
}

void BlockBuilder::emitFull(Value first) {
  Value count = e.cI64(s.keys);
  copyScales(first, count, Value());
  rotateKeys(first, count, Value());
  scores(first, count, Value());
  if (p.score || source.level)
    modify(first, count, Value(), /*masked=*/false);
  hideRows(count);
  weigh(first, count, Value());
  if (pass != Pass::Sums)
    values(first, count, /*full=*/true);
}

void BlockBuilder::emitPartial(Value first, Value n, Value unmasked) {
  // Steps of whole vectors: the keys past the last one repeat it and are
  // masked, so nothing past the length is read.
  Value count = e.mul(e.divU(e.add(n, s.step - 1), e.cI64(s.step)), s.step);
  Value end = e.add(first, n), last = e.sub(end, 1);
  copyScales(first, count, last);
  rotateKeys(first, count, last);
  scores(first, count, last);
  if (p.keep)
    e.ifElse(
        unmasked, {},
        [&] {
          modify(first, count, end, /*masked=*/false);
          return Values();
        },
        [&] {
          modify(first, count, end, /*masked=*/true);
          return Values();
        });
  else
    modify(first, count, end, /*masked=*/false);
  hideRows(count);
  weigh(first, count, end);
  if (pass != Pass::Sums)
    values(first, n, /*full=*/false);
}

void BlockBuilder::copyScales(Value first, Value count, Value last) {
  auto copy = [&](Value from, Value stride, Value rows, Value to) {
    e.forLoop(e.cI64(0), count, e.cI64(1), [&](Value t) {
      Value at;
      if (rows) {
        at = e.at(from, e.loadAt(e.i64, rows, t), 1);
      } else {
        Value key = e.add(first, t);
        if (last)
          key = e.minS(key, last);
        at = e.at(from, e.mul(key, stride), 4);
      }
      e.store(e.load(e.f32, at), e.at(to, t, 4));
    });
  };
  if (source.kScale)
    copy(source.kScale, source.kScaleStride, source.kScaleRows, m.keyScales);
  if (source.vScale)
    copy(source.vScale, source.vScaleStride, source.vScaleRows, m.valueScales);
}

/// The scales of the keys of one vector of scores, in their lanes.
Value BlockBuilder::scaleLanes(Value table, Value firstKey) {
  Value p = e.at(table, firstKey, 4);
  if (s.padded >= s.lanes)
    return e.splat(e.load(e.f32, p), s.lanes);
  Value v = e.load(e.vec(s.step, e.f32), p);
  SmallVector<int64_t> mask;
  for (int64_t j = 0; j < s.lanes; ++j)
    mask.push_back(j / s.padded);
  return e.shuffle(v, v, mask);
}

Value BlockBuilder::keyRow(Value first, Value t, Value last) {
  unsigned bytes = sizeOf(source.kElem);
  if (source.kRows)
    return e.at(source.k, e.loadAt(e.i64, source.kRows, t), 1);
  Value key = e.add(first, t);
  if (last)
    key = e.minS(key, last);
  return e.at(source.k, e.mul(key, source.kStride), bytes);
}

Value BlockBuilder::valueRow(Value first, Value t, Value last) {
  unsigned bytes = sizeOf(source.vElem);
  if (source.vRows)
    return e.at(source.v, e.loadAt(e.i64, source.vRows, t), 1);
  Value key = e.add(first, t);
  if (last)
    key = e.minS(key, last);
  return e.at(source.v, e.mul(key, source.vStride), bytes);
}

/// The block's keys, turned to their positions, as f32 rows.
void BlockBuilder::rotateKeys(Value first, Value count, Value last) {
  if (!source.rotation.data)
    return;
  e.forLoop(e.cI64(0), count, e.cI64(1), [&](Value t) {
    Value token = e.add(first, t);
    if (last)
      token = e.minS(token, last);
    emitRotate(e, p.rope, source.rotation, source.kElem, p.keyDim,
               keyRow(first, t, last), {},
               e.sub(treePosition(e, source.tree, it.b, token), source.shift),
               e.at(m.keyTile, e.mul(t, s.keyPad), 4));
  });
}

void BlockBuilder::scores(Value first, Value count, Value last) {
  Values queryScales;
  if (source.integer)
    for (int64_t row0 = 0; row0 < s.rows; row0 += s.lanes) {
      int64_t n = std::min(s.padded, s.lanes);
      Value v = e.load(e.vec(n, e.f32), e.at(m.queryScale, 4 * row0));
      SmallVector<int64_t> mask;
      for (int64_t j = 0; j < s.lanes; ++j)
        mask.push_back(j % n);
      queryScales.push_back(e.shuffle(v, v, mask));
    }
  e.forLoop(e.cI64(0), count, e.cI64(s.step), [&](Value t) {
    Values keyRows;
    for (int64_t i = 0; i < s.step; ++i) {
      Value key = e.add(t, i);
      keyRows.push_back(source.rotation.data
                            ? e.at(m.keyTile, e.mul(key, s.keyPad), 4)
                            : keyRow(first, key, last));
      if (source.far) {
        prefetchAhead(Part::Keys, key, e.cI64(0),
                      llvm::divideCeil(p.keyDim * sizeOf(source.kElem), 64));
        continue;
      }
      if (!p.prefetchV || pass == Pass::Sums)
        continue;
      Value row = valueRow(first, key, last);
      for (int64_t at = 0; at < p.valueDim * sizeOf(source.vElem); at += 64)
        e.prefetch(e.at(row, at));
    }
    for (int64_t row0 = 0; row0 < s.rows; row0 += s.lanes) {
      Value v =
          sumRows(e, dot(keyRows, row0, std::min(s.lanes, s.rows - row0)));
      if (source.integer)
        v = e.fmul(e.toF32(v), queryScales[row0 / s.lanes]);
      if (source.kScale)
        v = e.fmul(v, scaleLanes(m.keyScales, t));
      e.store(v, e.at(scoreAt(t), 4 * row0));
    }
  });
}

/// Partial sums of the dots of keyRows with rows [row0, row0 + nRows), one
/// vector for each lane of the result.
Values BlockBuilder::dot(ArrayRef<Value> keyRows, int64_t row0, int64_t nRows) {
  Values live = source.integer ? dotCodes(keyRows, row0, nRows)
                               : dotFloat(keyRows, row0, nRows);
  Values all(s.lanes, source.integer ? e.splatInt(s.lanes, e.i32, 0)
                                     : e.splatF32(s.lanes, 0));
  for (size_t i = 0; i < keyRows.size(); ++i)
    for (int64_t r = 0; r < nRows; ++r)
      all[i * s.padded + r] = live[i * nRows + r];
  return all;
}

/// Runs body over [0, whole) in steps of `width`, `unroll` steps a turn where
/// that divides, then over the rest of `dim`. The body gets the number of
/// elements.
static Values alongDim(
    Emitter &e, int64_t dim, int64_t width, int64_t unroll, Values init,
    llvm::function_ref<Values(Value d, int64_t n, ValueRange carried)> body) {
  int64_t whole = dim / width * width;
  if (whole % (unroll * width) != 0)
    unroll = 1;
  Values state = init;
  if (whole)
    state = e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(unroll * width), state,
                      [&](Value d, ValueRange carried) {
                        Values inner(carried.begin(), carried.end());
                        for (int64_t u = 0; u < unroll; ++u)
                          inner = body(e.add(d, u * width), width, inner);
                        return inner;
                      });
  if (whole < dim)
    state = body(e.cI64(whole), dim - whole, state);
  return state;
}

/// Calls body for every (row, key). The fewer of the two stay in registers,
/// the others are loaded one at a time.
static void
outerProduct(int64_t rows, int64_t keys, llvm::function_ref<Value(int64_t)> row,
             llvm::function_ref<Value(int64_t)> key,
             llvm::function_ref<void(int64_t, int64_t, Value, Value)> body) {
  bool holdRows = rows <= keys;
  Values held;
  for (int64_t i = 0; i < std::min(rows, keys); ++i)
    held.push_back(holdRows ? row(i) : key(i));
  for (int64_t i = 0; i < std::max(rows, keys); ++i) {
    Value v = holdRows ? key(i) : row(i);
    for (auto [n, other] : llvm::enumerate(held)) {
      if (holdRows)
        body(n, i, other, v);
      else
        body(i, n, v, other);
    }
  }
}

/// One row has as many keys in flight as there are accumulators: a second
/// step would find no registers.
static int64_t unrollOf(int64_t rows) { return rows == 1 ? 1 : 2; }

Values BlockBuilder::dotFloat(ArrayRef<Value> keyRows, int64_t row0,
                              int64_t nRows) {
  int64_t keys = keyRows.size();
  Values init(keys * nRows, e.splatF32(s.lanes, 0));
  Elem elem = source.rotation.data ? Elem::F32 : source.kElem;
  auto query = [&](int64_t r, Value d, int64_t more) {
    Value row = e.at(m.q, 4 * ((row0 + r) * s.keyPad + more));
    return e.load(e.vec(s.lanes, e.f32), e.at(row, d, 4));
  };
  if (s.crossed)
    return alongDim(
        e, p.keyDim, 16, 1, init, [&](Value d, int64_t, ValueRange carried) {
          Values acc(carried.begin(), carried.end());
          // The fewer of both sides stay in registers.
          SmallVector<std::pair<Value, Value>> held;
          auto step = [&](int64_t i, int64_t r, std::pair<Value, Value> k,
                          std::pair<Value, Value> q) {
            Value &sum = acc[i * nRows + r];
            sum = e.fma(k.second, q.second, e.fma(k.first, q.first, sum));
          };
          auto key = [&](int64_t i) {
            return loadCrossed(e, e.at(keyRows[i], d, 2));
          };
          auto row = [&](int64_t r) {
            return std::pair(query(r, d, 0), query(r, d, 8));
          };
          if (keys <= nRows) {
            for (int64_t i = 0; i < keys; ++i)
              held.push_back(key(i));
            for (int64_t r = 0; r < nRows; ++r)
              for (int64_t i = 0; i < keys; ++i)
                step(i, r, held[i], row(r));
          } else {
            for (int64_t r = 0; r < nRows; ++r)
              held.push_back(row(r));
            for (int64_t i = 0; i < keys; ++i) {
              auto k = key(i);
              for (int64_t r = 0; r < nRows; ++r)
                step(i, r, k, held[r]);
            }
          }
          return acc;
        });
  return alongDim(e, p.keyDim, s.lanes, unrollOf(nRows), init,
                  [&](Value d, int64_t n, ValueRange carried) {
                    Values acc(carried.begin(), carried.end()), k;
                    for (Value row : keyRows)
                      k.push_back(loadPartialAsF32(
                          e, elem, e.at(row, d, sizeOf(elem)), n, s.lanes));
                    for (int64_t r = 0; r < nRows; ++r) {
                      Value q = query(r, d, 0);
                      for (int64_t i = 0; i < keys; ++i)
                        acc[i * nRows + r] = e.fma(k[i], q, acc[i * nRows + r]);
                    }
                    return acc;
                  });
}

Values BlockBuilder::dotCodes(ArrayRef<Value> keyRows, int64_t row0,
                              int64_t nRows) {
  int64_t keys = keyRows.size();
  Type words = e.vec(s.dotLanes, e.i16), sums = e.vec(s.lanes, e.i32);
  Values init(keys * nRows, e.splatInt(s.lanes, e.i32, 0));
  auto step = [&](Value acc, Value k, Value q) -> Value {
    if (p.vnni)
      return e.intrinsic("llvm.x86.avx512.vpdpwssd.512", sums,
                         {acc, e.bitcast(k, sums), e.bitcast(q, sums)});
    if (p.isa == Isa::Wide) {
      Values halves;
      for (int64_t i : {0, 16})
        halves.push_back(e.intrinsic("llvm.x86.avx2.pmadd.wd", e.vec(8, e.i32),
                                     {e.slice(k, i, 16), e.slice(q, i, 16)}));
      return e.add(acc, e.concat(halves));
    }
    Value products =
        e.intrinsic(p.isa == Isa::AVX512 ? "llvm.x86.avx512.pmaddw.d.512"
                                         : "llvm.x86.avx2.pmadd.wd",
                    sums, {k, q});
    return e.add(acc, products);
  };
  return alongDim(
      e, p.keyDim, s.dotLanes, unrollOf(nRows), init,
      [&](Value d, int64_t n, ValueRange carried) {
        Values acc(carried.begin(), carried.end());
        auto query = [&](int64_t r) {
          return e.load(words,
                        e.at(e.at(m.qCodes, 2 * (row0 + r) * s.keyPad), d, 2));
        };
        auto key = [&](int64_t i) {
          return e.toInt(
              loadPartial(e, e.i8, e.at(keyRows[i], d, 1), n, s.dotLanes),
              e.i16);
        };
        outerProduct(nRows, keys, query, key,
                     [&](int64_t r, int64_t i, Value q, Value k) {
                       Value &a = acc[i * nRows + r];
                       a = step(a, k, q);
                     });
        return acc;
      });
}

Value BlockBuilder::keep(const PairLanes &at, Value row) {
  if (!source.level)
    return p.keep(e, at);
  // A pooled row is visible when all of its tokens are.
  Value lastToken = e.sub(it.length, 1);
  Value all = e.splatInt(s.lanes, e.i1, 1);
  Value level = e.splat(e.toInt(source.level, e.i32), s.lanes);
  Value last = e.splat(e.toInt(lastToken, e.i32), s.lanes);
  Value base = e.mul(row, level);
  return e.forLoop(e.cI64(0), source.level, e.cI64(1), {all},
                   [&](Value j, ValueRange carried) {
                     PairLanes token = at;
                     Value offset = e.splat(e.toInt(j, e.i32), s.lanes);
                     token.k = e.minS(e.add(base, offset), last);
                     Value seen = p.keep(e, token);
                     if (p.maskLevels)
                       seen = e.cmp(CmpIPredicate::eq, seen, level);
                     return Values{e.andI(carried[0], seen)};
                   })[0];
}

PairLanes BlockBuilder::lanesAt(Value first, Value t, int64_t v, Value end,
                                Value &row) {
  Type ints = e.vec(s.lanes, e.i32);
  SmallVector<Attribute> keyOf;
  for (int64_t j = 0; j < s.lanes; ++j)
    keyOf.push_back(e.b.getI32IntegerAttr((v + j) / s.padded));
  row =
      e.add(e.splat(e.toInt(e.add(first, t), e.i32), s.lanes),
            e.constant(DenseElementsAttr::get(cast<VectorType>(ints), keyOf)));
  // Callbacks may index memory by k: dead lanes repeat the last key.
  Value live = row;
  if (end)
    live = e.minS(row, e.sub(e.splat(e.toInt(end, e.i32), s.lanes), 1));
  PairLanes at{it.b, e.load(ints, e.at(m.rowH, 4 * v)),
               e.load(ints, e.at(m.rowQ, 4 * v)), live,
               p.group == 1 ? it.head : Value()};
  if (source.level)
    at.k = e.mul(live, e.splat(e.toInt(source.level, e.i32), s.lanes));
  return at;
}

void BlockBuilder::modify(Value first, Value count, Value end, bool masked) {
  Value minusInf = e.splatF32(s.lanes, -std::numeric_limits<float>::infinity());
  Value level, whole;
  if (source.level) {
    level = e.splat(e.toInt(source.level, e.i32), s.lanes);
    Value ln = e.log(e.toF32(e.toInt(source.level, e.i32)));
    whole = e.splat(e.fmul(ln, e.cF32(log2e)), s.lanes);
  }
  e.forLoop(e.cI64(0), count, e.cI64(s.state / s.padded), [&](Value t) {
    for (int64_t v = 0; v < s.state; v += s.lanes) {
      Value row;
      PairLanes at = lanesAt(first, t, v, end, row);
      Value address = e.at(scoreAt(t), 4 * v);
      Value x = e.load(e.vec(s.lanes, e.f32), address);
      if (p.score)
        x = e.fmul(p.score(e, x, at), e.splatF32(s.lanes, log2e));
      if (level && !end) {
        x = e.fadd(x, whole);
      } else if (level) {
        // The last row of the keys may be short.
        Value length = e.splat(e.toInt(it.length, e.i32), s.lanes);
        Value tokens = e.minS(level, e.sub(length, at.k));
        x = e.fadd(x,
                   e.fmul(e.log(e.toF32(tokens)), e.splatF32(s.lanes, log2e)));
      }
      if (end) {
        Value stop = e.splat(e.toInt(end, e.i32), s.lanes);
        Value alive = e.cmp(CmpIPredicate::slt, row, stop);
        if (masked)
          alive = e.andI(alive, keep(at, e.minS(row, e.sub(stop, 1))));
        x = e.select(alive, x, minusInf);
      }
      e.store(x, address);
    }
  });
}

void BlockBuilder::hideRows(Value count) {
  if (!source.unitRows)
    return;
  Value one = e.cI32(1), rows = e.toInt(it.rows, e.i32);
  Value all = e.sub(e.b.create<arith::ShLIOp>(e.loc, one, rows), one);
  e.ifThen(e.cmp(CmpIPredicate::ne, source.unitRows, all), [&] {
    Type floats = e.vec(s.lanes, e.f32);
    Value low = e.splatF32(s.lanes, -std::numeric_limits<float>::infinity());
    Values sees;
    for (int64_t v = 0; v < s.state; v += s.lanes) {
      SmallVector<Attribute> bits;
      for (int64_t j = 0; j < s.lanes; ++j)
        bits.push_back(e.b.getI32IntegerAttr(1 << (v + j) % s.padded));
      Value bit = e.constant(DenseElementsAttr::get(
          cast<VectorType>(e.vec(s.lanes, e.i32)), bits));
      Value own = e.andI(e.splat(source.unitRows, s.lanes), bit);
      sees.push_back(e.cmp(CmpIPredicate::ne, own, e.like(own, 0)));
    }
    e.forLoop(e.cI64(0), count, e.cI64(s.state / s.padded), [&](Value t) {
      for (auto [n, seen] : llvm::enumerate(sees)) {
        Value at = e.at(scoreAt(t), 4 * int64_t(n) * s.lanes);
        e.store(e.select(seen, e.load(floats, at), low), at);
      }
    });
  });
}

void BlockBuilder::weigh(Value first, Value count, Value end) {
  if (pass == Pass::Values)
    return shares(first, count, end);
  softmax(first, count, end);
}

Value BlockBuilder::probOf(Value weight, Value hidden, const PairLanes &at) {
  return e.select(hidden, e.like(weight, 0), p.prob(e, weight, at));
}

/// The second walk: m and l are those of all keys.
void BlockBuilder::shares(Value first, Value count, Value end) {
  Type floats = e.vec(s.lanes, e.f32);
  Values top, inverse;
  for (int64_t v = 0; v < s.state; v += s.lanes) {
    top.push_back(e.load(floats, e.at(m.m, 4 * v)));
    Value l = e.load(floats, e.at(m.l, 4 * v));
    inverse.push_back(e.fdiv(e.like(l, 1), l));
    e.store(e.splatF32(s.lanes, 1), e.at(m.alpha, 4 * v));
  }
  Value minusInf = e.splatF32(s.lanes, -std::numeric_limits<float>::infinity());
  e.forLoop(e.cI64(0), count, e.cI64(s.state / s.padded), [&](Value t) {
    for (int64_t v = 0; v < s.state; v += s.lanes) {
      Value row, address = e.at(scoreAt(t), 4 * v);
      PairLanes at = lanesAt(first, t, v, end, row);
      Value x = e.load(floats, address);
      Value hidden = e.cmp(arith::CmpFPredicate::OEQ, x, minusInf);
      Value share =
          e.fmul(e.exp2(e.fsub(x, top[v / s.lanes])), inverse[v / s.lanes]);
      Value w = probOf(share, hidden, at);
      if (source.vScale)
        w = e.fmul(w, scaleLanes(m.valueScales, t));
      e.store(w, address);
    }
  });
}

void BlockBuilder::softmax(Value first, Value count, Value end) {
  Type floats = e.vec(s.lanes, e.f32);
  int64_t n = s.state / s.lanes;
  Values old, alphas, l(n, e.splatF32(s.lanes, 0));
  for (int64_t v = 0; v < n; ++v)
    old.push_back(e.load(floats, e.at(m.m, 4 * v * s.lanes)));
  // Loops count scores, not keys: addresses then need no multiplication.
  Value entries = e.mul(count, s.padded), step = e.cI64(s.state);
  auto score = [&](Value i, int64_t v) {
    return e.at(e.at(m.scores, i, 4), 4 * v * s.lanes);
  };
  Values top = e.forLoop(
      e.cI64(0), entries, step, old, [&](Value i, ValueRange carried) {
        Values next;
        for (int64_t v = 0; v < n; ++v)
          next.push_back(e.fmax(carried[v], e.load(floats, score(i, v))));
        return next;
      });
  for (int64_t v = 0; v < n; ++v) {
    top[v] = foldRows(e, top[v], s.padded,
                      [&](Value x, Value y) { return e.fmax(x, y); });
    Value alpha = e.exp2(e.fsub(old[v], top[v]));
    e.store(alpha, e.at(m.alpha, 4 * v * s.lanes));
    e.store(top[v], e.at(m.m, 4 * v * s.lanes));
    alphas.push_back(alpha);
  }
  l = e.forLoop(e.cI64(0), entries, step, l, [&](Value i, ValueRange carried) {
    Value t = e.divU(i, e.cI64(s.padded));
    Values next;
    for (int64_t v = 0; v < n; ++v) {
      Value w = e.exp2(e.fsub(e.load(floats, score(i, v)), top[v]));
      next.push_back(e.fadd(carried[v], w));
      if (p.prob && pass == Pass::All) {
        Value row, none = e.cmp(arith::CmpFPredicate::OEQ, w, e.like(w, 0));
        w = probOf(w, none, lanesAt(first, t, v * s.lanes, end, row));
      }
      if (source.vScale)
        w = e.fmul(w, scaleLanes(m.valueScales, t));
      e.store(w, score(i, v));
    }
    return next;
  });
  for (int64_t v = 0; v < n; ++v) {
    Value at = e.at(m.l, 4 * v * s.lanes);
    e.store(e.fma(e.load(floats, at), alphas[v], l[v]), at);
  }
}

} // namespace fovea::cpu
