// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds the decode stream: what an item is, where its keys come from, and
// what becomes of its state. The work on a block of keys is in
// DecodeBlock.cpp.
#include "codegen/cpu/DecodeBlock.h"
#include "codegen/cpu/LaneTools.h"

#include <fovea/abi.h>

#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpIPredicate;

DecodeShape::DecodeShape(const DecodeParams &p)
    : lanes(vectorLanes(p.isa)), rows(p.rows),
      padded(llvm::PowerOf2Ceil(p.rows)), state(std::max(lanes, padded)),
      step(std::max<int64_t>(1, lanes / padded)),
      keys(llvm::alignTo(p.keys, std::max(step, state / padded))),
      dotLanes(p.integerDot ? 2 * lanes : lanes),
      keyPad(llvm::alignTo(p.keyDim, dotLanes)),
      valuePad(llvm::alignTo(p.valueDim, lanes)) {}

namespace {

class DecodeBuilder {
public:
  DecodeBuilder(ModuleOp module, const DecodeParams &p)
      : p(p), s(p), b(OpBuilder::atBlockEnd(module.getBody())),
        f(b, module.getLoc(), p.name, p.isa), e(f.e) {}

  BuiltStage build();

private:
  /// The query rows of the item: packed, scaled, with their coordinates.
  void packQueries(const Item &item);
  void packRow(Value r, Value source);
  void packCodes(Value r, Value source);
  /// Walks over the item's runs, list or levels.
  void walk(const Item &item);
  void walkRuns(const Item &item);
  void walkList(const Item &item);
  void walkLevels(const Item &item);
  /// Index of the item's list or level row in a view [b, head, block, ..].
  Value listRow(const Item &item, const View &view, unsigned bytes);
  /// Keys [lo, hi) of a source, in its own rows (of `level` tokens).
  void range(Value lo, Value hi, const SourceValues &source);
  Value classify(Value t0, Value t1);
  void finishItem(const Item &item);
  void fail(StageError error) { e.store(e.cI32(error), m.error); }

  const DecodeParams &p;
  const DecodeShape s;
  OpBuilder b;
  StageFunction f;
  Emitter &e;
  DecodeMemory m;
  DecodeItem it;
  View q, o, lse, mOut, lOut, wsO, wsM, wsL, list, listCount, levels;
  std::vector<std::array<View, 4>> sources;
  Value queries;
};

} // namespace

BuiltStage DecodeBuilder::build() {
  Value scratch = f.reserve(64);
  m.error = scratch;
  m.runs = f.reserve(FOVEA_ABI_MAX_RUNS * sizeof(fovea_abi_run));
  m.rowQ = f.reserve(4 * s.state);
  m.rowH = f.reserve(4 * s.state);
  m.m = f.reserve(4 * s.state);
  m.l = f.reserve(4 * s.state);
  m.alpha = f.reserve(4 * s.state);
  m.queryScale = f.reserve(4 * s.state);
  m.q = f.reserve((p.integerDot ? 2 : 4) * s.rows * s.keyPad);
  m.o = f.reserve(4 * s.rows * s.valuePad);
  m.scores = f.reserve(4 * s.padded * s.keys);
  m.keyScales = f.reserve(4 * s.keys);
  m.valueScales = f.reserve(4 * s.keys);

  q = f.view(p.qSlot, 4);
  o = f.view(p.oSlot, 4);
  if (p.lseSlot >= 0)
    lse = f.view(p.lseSlot, 3);
  if (p.mSlot >= 0) {
    mOut = f.view(p.mSlot, 3);
    lOut = f.view(p.lSlot, 3);
  }
  if (p.wsO >= 0) {
    wsO = f.view(p.wsO, 3);
    wsM = f.view(p.wsM, 2);
    wsL = f.view(p.wsL, 2);
  }
  if (p.listSlot >= 0) {
    list = f.view(p.listSlot, 4);
    listCount = f.view(p.listCountSlot, 3);
  }
  if (p.levelSlot >= 0)
    levels = f.view(p.levelSlot, 4);
  for (const KeySource &source : p.sources) {
    std::array<View, 4> views;
    views[0] = f.view(source.k, 4);
    views[1] = f.view(source.v, 4);
    if (source.kScale >= 0)
      views[2] = f.view(source.kScale, 3);
    if (source.vScale >= 0)
      views[3] = f.view(source.vScale, 3);
    sources.push_back(views);
  }
  queries = f.symbol(p.querySymbol);
  e.store(e.cI32(StageOk), m.error);

  f.forEachItem([&](const Item &item) {
    packQueries(item);
    Value low = e.splatF32(s.lanes, -1e30f), zero = e.splatF32(s.lanes, 0);
    for (int64_t i = 0; i < s.state; i += s.lanes) {
      e.store(low, e.at(m.m, 4 * i));
      e.store(zero, e.at(m.l, 4 * i));
    }
    e.forLoop(e.cI64(0), e.cI64(s.rows * s.valuePad), e.cI64(s.lanes),
              [&](Value i) { e.store(zero, e.at(m.o, i, 4)); });
    walk(item);
    finishItem(item);
  });
  e.ret(e.load(e.i32, m.error));
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

void DecodeBuilder::packQueries(const Item &item) {
  Value group = e.cI64(p.group);
  it.b = item.b;
  it.length = f.kLength(item.b);
  Value total = e.mul(queries, group);
  Value last = e.sub(total, 1);
  it.rows = e.minS(e.sub(total, item.row), e.cI64(s.rows));
  Value offset = f.qOffset(item.b);
  it.head = e.mul(item.head, group);
  it.kvHead = e.divU(it.head, e.cI64(p.kvGroup));
  Value lastRow = e.sub(e.add(item.row, it.rows), 1);
  it.position = e.divU(item.row, group);
  it.q0 = e.add(offset, it.position);
  it.q1 = e.add(e.add(offset, e.divU(lastRow, group)), 1);
  // Lane j of the state belongs to row j mod padded. Rows past the last one
  // repeat it: they are computed and dropped.
  e.forLoop(e.cI64(0), e.cI64(s.state), e.cI64(1), [&](Value j) {
    Value r = e.minS(e.add(item.row, e.remU(j, e.cI64(s.padded))), last);
    Value position = e.divU(r, group);
    Value head = e.add(it.head, e.remU(r, group));
    e.store(e.toInt(e.add(offset, position), e.i32), e.at(m.rowQ, j, 4));
    e.store(e.toInt(head, e.i32), e.at(m.rowH, j, 4));
    e.ifThen(e.cmp(CmpIPredicate::slt, j, e.cI64(s.rows)), [&] {
      Value source = addressOf(e, q, {item.b, head, position}, sizeOf(p.q));
      if (p.integerDot)
        packCodes(j, source);
      else
        packRow(j, source);
    });
  });
}

/// Where the score region runs, it wants natural units; else log2(e) is
/// folded into the query.
static float queryFactor(const DecodeParams &p) {
  return p.score ? p.scale : p.scale * 1.44269504088896341f;
}

void DecodeBuilder::packRow(Value r, Value source) {
  Value target = e.at(m.q, e.mul(r, s.keyPad), 4);
  Value factor = e.splatF32(s.lanes, queryFactor(p));
  int64_t whole = p.keyDim / s.lanes * s.lanes;
  e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(s.lanes), [&](Value d) {
    Value v = e.loadAsF32(p.q, e.at(source, d, sizeOf(p.q)), s.lanes);
    e.store(e.fmul(v, factor), e.at(target, d, 4));
  });
  if (whole < p.keyDim) {
    Value v = loadPartialAsF32(e, p.q, e.at(source, whole * sizeOf(p.q)),
                               p.keyDim - whole, s.lanes);
    e.store(e.fmul(v, factor), e.at(target, 4 * whole));
  }
}

/// Quantises a row to 16 bits, or fewer where the sum of the dot would not
/// fit 32. A NaN or inf in it makes the row's scale NaN.
void DecodeBuilder::packCodes(Value r, Value source) {
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
    return loadPartialAsF32(e, p.q, e.at(source, whole * sizeOf(p.q)),
                            p.keyDim - whole, n);
  };
  Values found = e.forLoop(
      e.cI64(0), e.cI64(whole), e.cI64(n), {zero, zero},
      [&](Value d, ValueRange c) {
        Value v = e.loadAsF32(p.q, e.at(source, d, sizeOf(p.q)), n);
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
  Value target = e.at(m.q, e.mul(r, s.keyPad), 2);
  auto put = [&](Value v, Value to) {
    Value codes = roundToInt(e, e.fmul(v, factor));
    e.store(e.toInt(codes, e.i16), to);
  };
  e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(n), [&](Value d) {
    put(e.loadAsF32(p.q, e.at(source, d, sizeOf(p.q)), n), e.at(target, d, 2));
  });
  int64_t done = whole;
  if (whole < p.keyDim) {
    put(tail(), e.at(target, 2 * whole));
    done += n;
  }
  if (done < s.keyPad)
    e.store(e.splatInt(n, e.i16, 0), e.at(target, 2 * done));
}

void DecodeBuilder::walk(const Item &item) {
  if (p.listSlot >= 0)
    return walkList(item);
  if (p.levelSlot >= 0)
    return walkLevels(item);
  walkRuns(item);
}

static SourceValues sourceOf(Emitter &e, const DecodeParams &p,
                             const std::array<View, 4> &views,
                             const DecodeItem &it) {
  SourceValues source;
  source.k = addressOf(e, views[0], {it.b, it.kvHead}, sizeOf(p.k));
  source.kStride = views[0].stride[2];
  source.v = addressOf(e, views[1], {it.b, it.kvHead}, sizeOf(p.v));
  source.vStride = views[1].stride[2];
  if (views[2].data) {
    source.kScale = addressOf(e, views[2], {it.b, it.kvHead}, 4);
    source.kScaleStride = views[2].stride[2];
  }
  if (views[3].data) {
    source.vScale = addressOf(e, views[3], {it.b, it.kvHead}, 4);
    source.vScaleStride = views[3].stride[2];
  }
  return source;
}

void DecodeBuilder::walkRuns(const Item &item) {
  SourceValues source = sourceOf(e, p, sources[0], it);
  Value end = e.minS(item.k1, it.length);
  if (!p.bounds)
    return range(item.k0, end, source);
  Value n = e.call(p.bounds,
                   {f.args, it.b, it.head, it.q0, it.q1, it.length, m.runs})[0];
  e.forLoop(e.cI64(0), e.toInt(n, e.i64), e.cI64(1), [&](Value i) {
    Value run = e.at(m.runs, e.mul(i, sizeof(fovea_abi_run)), 1);
    Value lo = e.load(e.i64, e.at(run, offsetof(fovea_abi_run, lo)));
    Value hi = e.load(e.i64, e.at(run, offsetof(fovea_abi_run, hi)));
    range(e.maxS(lo, item.k0), e.minS(hi, end), source);
  });
}

Value DecodeBuilder::listRow(const Item &item, const View &view,
                             unsigned bytes) {
  return addressOf(e, view,
                   {item.b, e.divU(it.head, e.cI64(p.listHeads)),
                    e.divU(it.position, e.cI64(p.listQueries))},
                   bytes);
}

void DecodeBuilder::walkList(const Item &item) {
  SourceValues source = sourceOf(e, p, sources[0], it);
  Value unit = e.cI64(p.listUnit);
  Value row = listRow(item, list, 4);
  Value stored = e.load(e.i32, listRow(item, listCount, 4));
  Value count = e.minS(e.toInt(stored, e.i64), list.shape[3]);
  Value first = e.divU(item.k0, unit);
  Value last = e.minS(e.divU(e.add(item.k1, p.listUnit - 1), unit), count);
  e.forLoop(first, last, e.cI64(1), [&](Value i) {
    Value block =
        e.toInt(e.load(e.i32, e.at(row, e.mul(i, list.stride[3]), 4)), e.i64);
    Value lo = e.mul(block, unit);
    // A block between the sequence's length and the view's end has no keys.
    Value good = e.andI(e.cmp(CmpIPredicate::sge, block, e.cI64(0)),
                        e.cmp(CmpIPredicate::slt, lo, sources[0][0].shape[2]));
    e.ifElse(
        good, {},
        [&] {
          range(lo, e.minS(e.add(lo, unit), it.length), source);
          return Values();
        },
        [&] {
          fail(StageListOutOfRange);
          return Values();
        });
  });
}

void DecodeBuilder::walkLevels(const Item &item) {
  Value unit = e.cI64(p.listUnit);
  Value row = listRow(item, levels, 1);
  Value end = e.minS(item.k1, it.length);
  Value first = e.divU(item.k0, unit);
  Value last =
      e.minS(e.divU(e.add(end, p.listUnit - 1), unit), levels.shape[3]);
  SmallVector<SourceValues> all;
  for (const auto &views : sources)
    all.push_back(sourceOf(e, p, views, it));
  e.forLoop(first, last, e.cI64(1), [&](Value i) {
    Value level =
        e.toInt(e.load(e.i8, e.at(row, e.mul(i, levels.stride[3]), 1)), e.i64);
    SourceValues source = all[0];
    Value known = e.cmp(CmpIPredicate::eq, level, e.cI64(p.sources[0].level));
    for (size_t n = 1; n < all.size(); ++n) {
      Value is = e.cmp(CmpIPredicate::eq, level, e.cI64(p.sources[n].level));
      known = e.orI(known, is);
      for (auto member : {&SourceValues::k, &SourceValues::kStride,
                          &SourceValues::v, &SourceValues::vStride,
                          &SourceValues::kScale, &SourceValues::kScaleStride,
                          &SourceValues::vScale, &SourceValues::vScaleStride})
        if (all[n].*member)
          source.*member = e.select(is, all[n].*member, source.*member);
    }
    e.ifThen(known, [&] {
      source.level = level;
      // Items are cut at multiples of the unit, units hold whole groups.
      Value t1 = e.minS(e.mul(e.add(i, 1), unit), end);
      Value hi = e.divU(e.sub(e.add(t1, level), 1), level);
      range(e.divU(e.mul(i, unit), level), hi, source);
    });
  });
}

Value DecodeBuilder::classify(Value t0, Value t1) {
  return e.call(p.classify,
                {f.args, it.b, it.head, it.q0, it.q1, t0, t1, it.length})[0];
}

void DecodeBuilder::range(Value lo, Value hi, const SourceValues &source) {
  BlockBuilder block(f, p, s, m, it, source);
  Value full = e.cI32(FOVEA_TILE_FULL);
  auto token = [&](Value row) {
    return source.level ? e.mul(row, source.level) : row;
  };
  auto tokenEnd = [&](Value row) {
    return source.level ? e.minS(token(row), it.length) : row;
  };
  // Where the whole run is full, none of its blocks is asked again.
  Value whole = full;
  if (p.classify)
    whole = e.ifElse(
        e.cmp(CmpIPredicate::slt, lo, hi), {e.i32},
        [&] { return Values{classify(token(lo), tokenEnd(hi))}; },
        [&] { return Values{e.cI32(FOVEA_TILE_EMPTY)}; })[0];
  else if (p.keep)
    whole = e.cI32(FOVEA_TILE_PARTIAL);
  e.forLoop(lo, hi, e.cI64(s.keys), [&](Value first) {
    Value n = e.minS(e.sub(hi, first), e.cI64(s.keys));
    Value kind = whole;
    if (p.classify)
      kind = e.ifElse(
          e.cmp(CmpIPredicate::eq, whole, e.cI32(FOVEA_TILE_PARTIAL)), {e.i32},
          [&] {
            return Values{classify(token(first), tokenEnd(e.add(first, n)))};
          },
          [&] { return Values{whole}; })[0];
    e.ifThen(e.cmp(CmpIPredicate::ne, kind, e.cI32(FOVEA_TILE_EMPTY)), [&] {
      Value unmasked = e.cmp(CmpIPredicate::eq, kind, full);
      f.count(StageFunction::Pairs, e.mul(n, it.rows));
      Value one = e.toInt(unmasked, e.i64);
      f.count(StageFunction::TilesFull, one);
      f.count(StageFunction::TilesPartial, e.sub(e.cI64(1), one));
      Value wholeGroups = e.cBool(true);
      if (source.level)
        wholeGroups =
            e.cmp(CmpIPredicate::sle, token(e.add(first, n)), it.length);
      Value fast = e.andI(e.andI(unmasked, wholeGroups),
                          e.cmp(CmpIPredicate::eq, n, e.cI64(s.keys)));
      e.ifElse(
          fast, {},
          [&] {
            block.emitFull(first);
            return Values();
          },
          [&] {
            block.emitPartial(first, n, unmasked);
            return Values();
          });
    });
  });
}

void DecodeBuilder::finishItem(const Item &item) {
  // Lanes of one row still hold parts of its sum; m is the same in all.
  if (s.padded < s.lanes) {
    Value l = e.load(e.vec(s.lanes, e.f32), m.l);
    l = foldRows(e, l, s.padded,
                 [&](Value x, Value y) { return e.fadd(x, y); });
    e.store(l, m.l);
  }
  Value total = e.at(m.l, 0);
  Value minusInf = e.cF32(-std::numeric_limits<float>::infinity());
  float ln2 = 0.693147180559945309f;
  auto copyRow = [&](Value from, Value to, Value factor, Elem elem) {
    Value f = e.splat(factor, s.lanes);
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
      Value packed = e.add(item.row, r);
      Value position = e.divU(packed, e.cI64(p.group));
      Value head = e.add(it.head, e.remU(packed, e.cI64(p.group)));
      Value inverse = e.cF32(1);
      if (p.mSlot >= 0) {
        e.store(natural, addressOf(e, mOut, {item.b, head, position}, 4));
        e.store(l, addressOf(e, lOut, {item.b, head, position}, 4));
      } else {
        inverse = e.select(empty, e.cF32(0), e.fdiv(e.cF32(1), l));
      }
      copyRow(from, addressOf(e, o, {item.b, head, position}, sizeOf(p.o)),
              inverse, p.o);
      if (p.lseSlot >= 0) {
        Value sum = e.fadd(natural, e.log(e.select(empty, e.cF32(1), l)));
        e.store(sum, addressOf(e, lse, {item.b, head, position}, 4));
      }
      return Values();
    };
    if (p.wsO < 0) {
      finish();
      return;
    }
    e.ifElse(
        e.cmp(CmpIPredicate::sge, item.slot, e.cI64(0)), {},
        [&] {
          copyRow(from, addressOf(e, wsO, {item.slot, r}, 4), e.cF32(1),
                  Elem::F32);
          e.store(natural, addressOf(e, wsM, {item.slot, r}, 4));
          e.store(l, addressOf(e, wsL, {item.slot, r}, 4));
          return Values();
        },
        finish);
  });
}

BuiltStage buildDecodeStream(ModuleOp module, const DecodeParams &params) {
  return DecodeBuilder(module, params).build();
}

} // namespace fovea::cpu
