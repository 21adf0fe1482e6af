// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds the decode stream: what an item is and where its keys come from. The
// work on a block of keys is in DecodeBlock.cpp.
#include "codegen/cpu/DecodeBuilder.h"

#include <fovea/abi.h>

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace fovea::cpu {

using arith::CmpIPredicate;

static bool isCrossed(const DecodeParams &p) {
  bool all = p.isa == Isa::AVX2 && !p.rope.rule && p.keyDim % 16 == 0 &&
             p.valueDim % 16 == 0;
  for (const CacheSource &c : p.segments)
    all &= c.kElem == Elem::BF16 && c.vElem == Elem::BF16;
  if (p.segments.empty())
    all &= p.k == Elem::BF16 && p.v == Elem::BF16;
  return all;
}

DecodeShape::DecodeShape(const DecodeParams &p)
    : lanes(vectorLanes(p.isa)), rows(p.rows),
      padded(llvm::PowerOf2Ceil(p.rows)), state(std::max(lanes, padded)),
      step(std::max<int64_t>(1, lanes / padded)),
      keys(llvm::alignTo(p.keys, std::max(step, state / padded))),
      dotLanes(p.integerDot ? 2 * lanes : lanes),
      keyPad(llvm::alignTo(p.keyDim, dotLanes)),
      valuePad(llvm::alignTo(p.valueDim, lanes)), crossed(isCrossed(p)) {}

void DecodeBuilder::reserveScratch() {
  Value scratch = f.reserve(64);
  m.error = scratch;
  m.runs = f.reserve(FOVEA_ABI_MAX_RUNS * sizeof(fovea_abi_run));
  m.alpha = f.reserve(4 * s.state);
  m.scores = f.reserve(4 * s.padded * s.keys);
  m.keyScales = f.reserve(4 * s.keys);
  m.valueScales = f.reserve(4 * s.keys);
  if (p.rope.rule) {
    m.keyTile = f.reserve(4 * s.keys * s.keyPad);
    rotatedRow = f.reserve(4 * s.keyPad);
  }
  if (cached())
    tables = f.reserve(3 * tableBytes());
  reserveLists();
  reserveStates();
}

/// What is kept of a head while its item runs: one copy for each head of a
/// bundle, at equal distances.
void DecodeBuilder::reserveStates() {
  int64_t used = 0;
  auto take = [&](Value DecodeMemory::*member, int64_t bytes) {
    stateParts.push_back({member, used});
    used += llvm::alignTo(bytes, 64);
  };
  take(&DecodeMemory::rowQ, 4 * s.state);
  take(&DecodeMemory::rowH, 4 * s.state);
  take(&DecodeMemory::m, 4 * s.state);
  take(&DecodeMemory::l, 4 * s.state);
  if (anyCodes) {
    take(&DecodeMemory::queryScale, 4 * s.state);
    take(&DecodeMemory::qCodes, 2 * s.rows * s.keyPad);
  }
  if (anyFloat)
    take(&DecodeMemory::q, 4 * s.rows * s.keyPad);
  take(&DecodeMemory::o, 4 * s.rows * s.valuePad);
  stateBytes = used;
  states = f.reserve(used * heads);
  useState(e.cI64(0));
}

void DecodeBuilder::useState(Value j) {
  Value base = e.at(states, e.mul(j, stateBytes), 1);
  for (auto [member, offset] : stateParts)
    m.*member = e.at(base, offset);
}

void DecodeBuilder::readViews() {
  unsigned rank = p.ragged ? 3 : 4;
  q = f.view(p.qSlot, rank);
  o = f.view(p.oSlot, rank);
  if (p.lseSlot >= 0)
    lse = f.view(p.lseSlot, rank - 1);
  if (p.mSlot >= 0) {
    mOut = f.view(p.mSlot, rank - 1);
    lOut = f.view(p.lSlot, rank - 1);
  }
  if (p.wsO >= 0) {
    wsO = f.view(p.wsO, 3);
    wsM = f.view(p.wsM, 2);
    wsL = f.view(p.wsL, 2);
  }
  if (p.listSlot >= 0) {
    list = f.view(p.listSlot, rank);
    listCount = f.view(p.listCountSlot, rank - 1);
  }
  if (p.levelSlot >= 0)
    levels = f.view(p.levelSlot, 4);
  if (p.rope.rule)
    rotation = f.view(p.rope.table, 3);
  if (p.sinkSlot >= 0)
    sink = f.view(p.sinkSlot, 1);
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
  if (!cached())
    queries = f.symbol(p.querySymbol);
}

BuiltStage DecodeBuilder::build() {
  classes = classesOf(p.segments);
  for (const SegmentClass &c : classes)
    (integer(c.k) ? anyCodes : anyFloat) = true;
  if (!cached())
    (p.integerDot ? anyCodes : anyFloat) = true;
  // Heads whose masks are the same can share their walk.
  if (cached() && p.listSlot < 0 && (p.group > 1 || !p.bounds))
    heads = 8;
  reserveScratch();
  readViews();
  e.store(e.cI32(StageOk), m.error);

  if (heads > 1)
    forEachBundle();
  else
    f.forEachItem([&](const Item &item) {
      beginItem(item);
      packQueries(item);
      pass = p.twice ? Pass::Sums : Pass::All;
      walk(item);
      if (p.twice) {
        closeSums();
        pass = Pass::Values;
        walk(item);
      }
      finishItem(item, item.slot);
    });
  e.ret(e.load(e.i32, m.error));
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

void DecodeBuilder::walk(const Item &item) {
  if (cached())
    return walkSegments(item);
  if (p.listSlot >= 0)
    return walkList(item);
  if (p.levelSlot >= 0)
    return walkLevels(item);
  if (p.maskLevels)
    return walkMaskLevels(item);
  walkRuns(item);
}

SourceValues sourceOf(Emitter &e, const DecodeParams &p,
                      const std::array<View, 4> &views, const DecodeItem &it) {
  SourceValues source;
  source.kElem = p.k;
  source.vElem = p.v;
  source.integer = p.integerDot;
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
  forRuns(storeRuns(item), [&](Value lo, Value hi) {
    range(e.maxS(lo, item.k0), e.minS(hi, end), source);
  });
}

Value DecodeBuilder::storeRuns(const Item &item) {
  auto solved = [&] {
    return e.call(p.bounds,
                  {f.args, it.b, it.head, it.q0, it.q1, it.length, m.runs})[0];
  };
  if (!it.shared)
    return e.toInt(solved(), e.i64);
  // Rows of several sequences that all see all of the item's keys.
  return e.ifElse(
      it.shared, {e.i64},
      [&] {
        e.store(item.k0, e.at(m.runs, offsetof(fovea_abi_run, lo)));
        e.store(item.k1, e.at(m.runs, offsetof(fovea_abi_run, hi)));
        return Values{e.cI64(1)};
      },
      [&] { return Values{e.toInt(solved(), e.i64)}; })[0];
}

void DecodeBuilder::forRuns(Value count,
                            llvm::function_ref<void(Value, Value)> body) {
  e.forLoop(e.cI64(0), count, e.cI64(1), [&](Value i) {
    Value run = e.at(m.runs, e.mul(i, sizeof(fovea_abi_run)), 1);
    body(e.load(e.i64, e.at(run, offsetof(fovea_abi_run, lo))),
         e.load(e.i64, e.at(run, offsetof(fovea_abi_run, hi))));
  });
}

SourceValues DecodeBuilder::pickLevel(ArrayRef<SourceValues> all, Value level,
                                      Value &known) {
  SourceValues source = all[0];
  source.level = level;
  known = e.cmp(CmpIPredicate::eq, level, e.cI64(p.sources[0].level));
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
  return source;
}

/// The rows of each source that have tokens in the runs of what has any level,
/// each row once.
void DecodeBuilder::walkMaskLevels(const Item &item) {
  Value zero = e.cI64(0), one = e.cI64(1), done = e.stackSlot(8);
  std::vector<SourceValues> all;
  for (const auto &views : sources)
    all.push_back(sourceOf(e, p, views, it));
  e.forLoop(zero, e.cI64(all.size()), one, [&](Value i) {
    Value level = e.cI64(p.sources[0].level), known;
    for (size_t n = 1; n < all.size(); ++n)
      level = e.select(e.cmp(CmpIPredicate::eq, i, e.cI64(n)),
                       e.cI64(p.sources[n].level), level);
    SourceValues source = pickLevel(all, level, known);
    e.store(zero, done);
    auto rowsIn = [&](Value lo, Value hi) {
      Value before = e.load(e.i64, done);
      Value first = e.maxS(e.divU(lo, level), before);
      Value end = e.divU(e.sub(e.add(hi, level), one), level);
      end = e.select(e.cmp(CmpIPredicate::slt, lo, hi), e.maxS(first, end),
                     first);
      e.store(e.maxS(before, end), done);
      range(first, end, source);
    };
    if (p.bounds)
      forRuns(storeRuns(item), rowsIn);
    else
      rowsIn(zero, it.length);
  });
}

void DecodeBuilder::walkLevels(const Item &item) {
  Value unit = e.cI64(p.listUnit);
  Value row = listRow(item.b, it.head, it.position, levels, 1);
  Value end = e.minS(item.k1, it.length);
  Value first = e.divU(item.k0, unit);
  Value last =
      e.minS(e.divU(e.add(end, p.listUnit - 1), unit), levels.shape[3]);
  std::vector<SourceValues> all;
  for (const auto &views : sources)
    all.push_back(sourceOf(e, p, views, it));
  e.forLoop(first, last, e.cI64(1), [&](Value i) {
    Value level =
        e.toInt(e.load(e.i8, e.at(row, e.mul(i, levels.stride[3]), 1)), e.i64);
    Value known;
    SourceValues source = pickLevel(all, level, known);
    e.ifThen(known, [&] {
      // Items are cut at multiples of the unit, units hold whole groups.
      Value t1 = e.minS(e.mul(e.add(i, 1), unit), end);
      Value hi = e.divU(e.sub(e.add(t1, level), 1), level);
      range(e.divU(e.mul(i, unit), level), hi, source);
    });
  });
}

Value DecodeBuilder::classify(Value lo, Value hi, const SourceValues &source) {
  Value t0 = lo, t1 = hi;
  if (source.level) {
    t0 = e.mul(lo, source.level);
    t1 = e.minS(e.mul(hi, source.level), it.length);
  }
  Value kind = e.call(
      p.classify, {f.args, it.b, it.head, it.q0, it.q1, t0, t1, it.length})[0];
  return p.maskLevels ? classOfLevels(e, kind, source.level) : kind;
}

Value DecodeBuilder::classOfRun(Value lo, Value hi,
                                const SourceValues &source) {
  // Where the whole run is full, none of its blocks is asked again.
  Value full = e.cI32(FOVEA_TILE_FULL), whole = full;
  if (p.classify)
    whole = e.ifElse(
        e.cmp(CmpIPredicate::slt, lo, hi), {e.i32},
        [&] { return Values{classify(lo, hi, source)}; },
        [&] { return Values{e.cI32(FOVEA_TILE_EMPTY)}; })[0];
  else if (p.keep)
    whole = e.cI32(FOVEA_TILE_PARTIAL);
  return p.keep && it.shared ? e.select(it.shared, full, whole) : whole;
}

Value DecodeBuilder::classOfBlock(Value whole, Value first, Value n,
                                  const SourceValues &source) {
  if (!p.classify)
    return whole;
  return e.ifElse(
      e.cmp(CmpIPredicate::eq, whole, e.cI32(FOVEA_TILE_PARTIAL)), {e.i32},
      [&] { return Values{classify(first, e.add(first, n), source)}; },
      [&] { return Values{whole}; })[0];
}

void DecodeBuilder::range(Value lo, Value hi, const SourceValues &source) {
  Value whole = classOfRun(lo, hi, source);
  e.forLoop(lo, hi, e.cI64(s.keys), [&](Value first) {
    Value n = e.minS(e.sub(hi, first), e.cI64(s.keys));
    Value kind = classOfBlock(whole, first, n, source);
    SourceValues own = source;
    own.ahead[0] = {source.k, source.v, e.add(first, s.keys), {}, {}};
    e.ifThen(e.cmp(CmpIPredicate::ne, kind, e.cI32(FOVEA_TILE_EMPTY)),
             [&] { block(first, n, kind, own); });
  });
}

void DecodeBuilder::block(Value first, Value n, Value kind,
                          const SourceValues &source) {
  BlockBuilder block(f, p, s, m, it, source, pass);
  Value unmasked = e.cmp(CmpIPredicate::eq, kind, e.cI32(FOVEA_TILE_FULL));
  if (pass != Pass::Sums) { // a pair of two walks counts once
    f.count(StageFunction::Pairs, e.mul(n, it.rows));
    Value one = e.toInt(unmasked, e.i64);
    f.count(StageFunction::TilesFull, one);
    f.count(StageFunction::TilesPartial, e.sub(e.cI64(1), one));
  }
  Value wholeGroups = e.cBool(true);
  if (source.level)
    wholeGroups = e.cmp(CmpIPredicate::sle,
                        e.mul(e.add(first, n), source.level), it.length);
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
}

BuiltStage buildDecodeStream(ModuleOp module, const DecodeParams &params) {
  return DecodeBuilder(module, params).build();
}

} // namespace fovea::cpu
