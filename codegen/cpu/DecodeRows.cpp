// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rows of an item of the decode stream: where they come from, how they are
// packed, and what becomes of their state.
#include "codegen/cpu/DecodeBuilder.h"
#include "codegen/cpu/LaneTools.h"

#include <fovea/abi.h>

#include <cmath>
#include <limits>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpIPredicate;

static constexpr float kLog2E = 1.44269504088896341f;

DecodeBuilder::RowPlace DecodeBuilder::placeOf(const Item &item, Value r) {
  Value group = e.cI64(p.group);
  if (!it.shared) {
    Value packed = e.add(item.row, r);
    return {item.b, e.add(it.head, e.remU(packed, group)),
            e.divU(packed, group)};
  }
  Value head =
      e.add(it.head,
            e.remU(e.add(r, e.select(it.shared, e.cI64(0), item.row)), group));
  Values at = e.ifElse(
      it.shared, {e.i64, e.i64},
      [&] {
        auto [b, position] = f.sharedRow(e.add(item.row, e.divU(r, group)));
        return Values{b, position};
      },
      [&] { return Values{item.b, e.divU(e.add(item.row, r), group)}; });
  return {at[0], head, at[1]};
}

void DecodeBuilder::useHead(Value head) {
  it.head = e.mul(head, p.group);
  it.kvHead = e.divU(it.head, e.cI64(p.kvGroup));
}

void DecodeBuilder::beginItem(const Item &item) {
  Value group = e.cI64(p.group);
  it.b = item.b;
  it.length = f.kLength(item.b);
  useHead(item.head);
  Value count = cached() ? f.rowCount(item.b) : queries;
  Value left = e.sub(e.mul(count, group), item.row);
  if (cached()) {
    it.shared = e.cmp(CmpIPredicate::ne,
                      e.andI(item.flags, e.cI64(FOVEA_ITEM_SHARED)), e.cI64(0));
    left = e.select(it.shared, e.mul(item.count, group), left);
  }
  it.rows = e.minS(left, e.cI64(s.rows));
  Value lastRow = e.sub(it.rows, 1);
  // Not read where the item is shared.
  Value offset = f.qOffset(item.b);
  it.position = e.divU(item.row, group);
  it.q0 = e.add(offset, it.position);
  it.q1 = e.add(e.add(offset, e.divU(e.add(item.row, lastRow), group)), 1);
}

void DecodeBuilder::packQueries(const Item &item) {
  Value low = e.splatF32(s.lanes, -1e30f), zero = e.splatF32(s.lanes, 0);
  for (int64_t i = 0; i < s.state; i += s.lanes) {
    e.store(low, e.at(m.m, 4 * i));
    e.store(zero, e.at(m.l, 4 * i));
  }
  e.forLoop(e.cI64(0), e.cI64(s.rows * s.valuePad), e.cI64(s.lanes),
            [&](Value i) { e.store(zero, e.at(m.o, i, 4)); });
  Value lastRow = e.sub(it.rows, 1);
  // Lane j of the state belongs to row j mod padded. Rows past the last one
  // repeat it: they are computed and dropped.
  e.forLoop(e.cI64(0), e.cI64(s.state), e.cI64(1), [&](Value j) {
    Value r = e.minS(e.remU(j, e.cI64(s.padded)), lastRow);
    RowPlace at = placeOf(item, r);
    Value token = e.add(f.qOffset(at.b), at.position);
    e.store(e.toInt(token, e.i32), e.at(m.rowQ, j, 4));
    e.store(e.toInt(at.head, e.i32), e.at(m.rowH, j, 4));
    e.ifThen(e.cmp(CmpIPredicate::slt, j, e.cI64(s.rows)), [&] {
      Value source =
          rowAddress(f, q, p.ragged, at.b, at.head, at.position, sizeOf(p.q));
      Elem elem = p.q;
      if (p.rope.rule) {
        Value position = queryPosition(f, p.rope, p.segments, at.b, token);
        emitRotate(e, p.rope, rotation, elem, p.keyDim, source, {}, position,
                   rotatedRow);
        source = rotatedRow;
        elem = Elem::F32;
      }
      if (anyCodes)
        packCodes(j, source, elem);
      if (anyFloat)
        packRow(j, source, elem);
    });
  });
}

/// Where the score region runs, it wants natural units; else log2(e) is
/// folded into the query.
static float queryFactor(const DecodeParams &p) {
  return p.score ? p.scale : p.scale * kLog2E;
}

void DecodeBuilder::packRow(Value r, Value source, Elem elem) {
  Value target = e.at(m.q, e.mul(r, s.keyPad), 4);
  Value factor = e.splatF32(s.lanes, queryFactor(p));
  int64_t whole = p.keyDim / s.lanes * s.lanes;
  auto load = [&](Value d) {
    return e.fmul(e.loadAsF32(elem, e.at(source, d, sizeOf(elem)), s.lanes),
                  factor);
  };
  if (s.crossed)
    return e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(16), [&](Value d) {
      auto [x, y] = crossPairs(e, load(d), load(e.add(d, 8)));
      e.store(x, e.at(target, d, 4));
      e.store(y, e.at(e.at(target, d, 4), 32));
    });
  e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(s.lanes),
            [&](Value d) { e.store(load(d), e.at(target, d, 4)); });
  if (whole < p.keyDim) {
    Value v = loadPartialAsF32(e, elem, e.at(source, whole * sizeOf(elem)),
                               p.keyDim - whole, s.lanes);
    e.store(e.fmul(v, factor), e.at(target, 4 * whole));
  }
}

/// Quantises a row to 16 bits, or fewer where the sum of the dot would not
/// fit 32. A NaN or inf in it makes the row's scale NaN.
void DecodeBuilder::packCodes(Value r, Value source, Elem elem) {
  int64_t n = s.lanes, whole = p.keyDim / n * n;
  float limit = std::min<double>(
      32767, std::floor(2147483647.0 / (127.0 * double(p.keyDim))));
  Value zero = e.splatF32(n, 0);
  auto magnitude = [&](Value v) {
    Value bits =
        e.andI(e.bitcast(v, e.vec(n, e.i32)), e.splatInt(n, e.i32, 0x7fffffff));
    return e.bitcast(bits, e.vec(n, e.f32));
  };
  auto tail = [&] {
    return loadPartialAsF32(e, elem, e.at(source, whole * sizeOf(elem)),
                            p.keyDim - whole, n);
  };
  Values found = e.forLoop(
      e.cI64(0), e.cI64(whole), e.cI64(n), {zero, zero},
      [&](Value d, ValueRange c) {
        Value v = e.loadAsF32(elem, e.at(source, d, sizeOf(elem)), n);
        return Values{e.fmax(c[0], magnitude(v)), e.fma(v, zero, c[1])};
      });
  if (whole < p.keyDim) {
    Value v = tail();
    found = {e.fmax(found[0], magnitude(v)), e.fma(v, zero, found[1])};
  }
  Value largest = maxLanes(e, found[0]);
  Value poison = sumLanes(e, found[1]);
  Value some = e.cmp(arith::CmpFPredicate::OGT, largest, e.cF32(0));
  Value inverse = e.select(some, e.fdiv(e.cF32(limit), largest), e.cF32(0));
  Value scale = e.fmul(largest, e.cF32(queryFactor(p) / limit));
  e.store(e.fadd(scale, poison), e.at(m.queryScale, r, 4));
  Value factor = e.splat(inverse, n);
  Value target = e.at(m.qCodes, e.mul(r, s.keyPad), 2);
  auto put = [&](Value v, Value to) {
    Value codes = roundToInt(e, e.fmul(v, factor));
    e.store(e.toInt(codes, e.i16), to);
  };
  e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(n), [&](Value d) {
    put(e.loadAsF32(elem, e.at(source, d, sizeOf(elem)), n),
        e.at(target, d, 2));
  });
  int64_t done = whole;
  if (whole < p.keyDim) {
    put(tail(), e.at(target, 2 * whole));
    done += n;
  }
  if (done < s.keyPad)
    e.store(e.splatInt(n, e.i16, 0), e.at(target, 2 * done));
}

/// Lanes of one row still hold parts of its sum; m is the same in all.
void DecodeBuilder::foldSums() {
  if (s.padded >= s.lanes)
    return;
  Value l = e.load(e.vec(s.lanes, e.f32), m.l);
  l = foldRows(e, l, s.padded, [&](Value x, Value y) { return e.fadd(x, y); });
  e.store(l, m.l);
}

void DecodeBuilder::closeSums() {
  foldSums();
  if (p.sinkSlot < 0)
    return;
  e.forLoop(e.cI64(0), e.cI64(s.state), e.cI64(1), [&](Value j) {
    Value head = e.toInt(e.loadAt(e.i32, m.rowH, j), e.i64);
    Value own = e.fmul(sinkOf(head), e.cF32(kLog2E));
    Value m0 = e.loadAt(e.f32, m.m, j), l0 = e.loadAt(e.f32, m.l, j);
    Value top = e.fmax(m0, own);
    e.store(top, e.at(m.m, j, 4));
    e.store(e.fma(l0, e.exp2(e.fsub(m0, top)), e.exp2(e.fsub(own, top))),
            e.at(m.l, j, 4));
  });
}

void DecodeBuilder::finishItem(const Item &item, Value slot) {
  if (!p.twice)
    foldSums();
  Value total = e.at(m.l, 0);
  Value minusInf = e.cF32(-std::numeric_limits<float>::infinity());
  float ln2 = 0.693147180559945309f;
  auto copyRow = [&](Value from, Value to, Value factor, Elem elem) {
    Value f = e.splat(factor, s.lanes);
    if (s.crossed)
      return e.forLoop(e.cI64(0), e.cI64(p.valueDim), e.cI64(16), [&](Value d) {
        Value at = e.at(from, d, 4), out = e.at(to, d, sizeOf(elem));
        Type type = e.vec(8, e.f32);
        auto [x, y] =
            crossPairs(e, e.load(type, at), e.load(type, e.at(at, 32)));
        e.store(e.narrow(elem, e.fmul(x, f)), out);
        e.store(e.narrow(elem, e.fmul(y, f)), e.at(out, 8 * sizeOf(elem)));
      });
    int64_t whole = p.valueDim / s.lanes * s.lanes;
    auto value = [&](Value at) {
      return e.narrow(elem, e.fmul(e.load(e.vec(s.lanes, e.f32), at), f));
    };
    e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(s.lanes), [&](Value d) {
      e.store(value(e.at(from, d, 4)), e.at(to, d, sizeOf(elem)));
    });
    if (whole < p.valueDim)
      storePartial(e, value(e.at(from, 4 * whole)),
                   e.at(to, whole * sizeOf(elem)), p.valueDim - whole);
  };
  e.forLoop(e.cI64(0), it.rows, e.cI64(1), [&](Value r) {
    Value l = e.load(e.f32, e.at(total, r, 4));
    Value empty = e.cmp(arith::CmpFPredicate::OEQ, l, e.cF32(0));
    Value natural = e.fmul(e.load(e.f32, e.at(m.m, r, 4)), e.cF32(ln2));
    natural = e.select(empty, minusInf, natural);
    Value from = e.at(m.o, e.mul(r, s.valuePad), 4);
    auto finish = [&] {
      RowPlace at = placeOf(item, r);
      auto place = [&](const View &view, unsigned bytes) {
        return rowAddress(f, view, p.ragged, at.b, at.head, at.position, bytes);
      };
      // Of the row with its sink, if it has one.
      Value top = natural, total = l, none = empty, factor = e.cF32(1);
      if (p.sinkSlot >= 0 && !p.twice) {
        auto power = [&](Value x) { return e.exp2(e.fmul(x, e.cF32(kLog2E))); };
        Value own = sinkOf(at.head), most = e.fmax(natural, own);
        Value low = e.cmp(arith::CmpFPredicate::OEQ, most, minusInf);
        Value base = e.select(low, e.cF32(0), most);
        factor = power(e.fsub(natural, base));
        total = e.fma(l, factor, power(e.fsub(own, base)));
        top = most;
        none = e.cmp(arith::CmpFPredicate::OEQ, total, e.cF32(0));
      }
      if (p.mSlot >= 0) {
        e.store(top, place(mOut, 4));
        e.store(total, place(lOut, 4));
      } else if (!p.twice) {
        Value inverse = e.fdiv(e.fmul(factor, e.cF32(p.outFactor)), total);
        factor = e.select(none, e.cF32(0), inverse);
      }
      copyRow(from, place(o, sizeOf(p.o)), factor, p.o);
      if (p.lseSlot >= 0) {
        Value sum = e.fadd(top, e.log(e.select(none, e.cF32(1), total)));
        e.store(sum, place(lse, 4));
      }
      return Values();
    };
    if (p.wsO < 0) {
      finish();
      return;
    }
    e.ifElse(
        e.cmp(CmpIPredicate::sge, slot, e.cI64(0)), {},
        [&] {
          copyRow(from, addressOf(e, wsO, {slot, r}, 4), e.cF32(1), Elem::F32);
          e.store(natural, addressOf(e, wsM, {slot, r}, 4));
          e.store(l, addressOf(e, wsL, {slot, r}, 4));
          return Values();
        },
        finish);
  });
}

} // namespace fovea::cpu
