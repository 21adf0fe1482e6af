// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stages of selection: the softmax of block scores and what is chosen by them.
// Choosing looks for the next best unit again and again: no memory that grows
// with the row, sums in the order of choice as the semantics want, and little
// beside the attention that a chosen unit costs. Many by their number are those
// above a score, which a bisection finds.
#include "codegen/cpu/LaneTools.h"
#include "codegen/cpu/SelectRows.h"

#include <limits>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpFPredicate;
using arith::CmpIPredicate;

/// So many units are found faster one by one.
static constexpr int64_t kFew = 12;
static constexpr float infinity = std::numeric_limits<float>::infinity();

/// f32 at p for lanes [0, n), `fill` in the others.
static Value loadRow(Emitter &e, Value p, Value n, int64_t lanes, float fill) {
  Value live = e.cmp(CmpIPredicate::slt, e.iota(lanes, e.i32),
                     e.splat(e.toInt(n, e.i32), lanes));
  Value v = e.loadMasked(e.vec(lanes, e.f32), p, live);
  return e.select(live, v, e.splatF32(lanes, fill));
}

static Value minLanes(Emitter &e, Value v) {
  while (Emitter::lanesOf(v) > 1) {
    int64_t half = Emitter::lanesOf(v) / 2;
    v = e.minS(e.slice(v, 0, half), e.slice(v, half, half));
  }
  return e.extract(v, 0);
}

//===----------------------------------------------------------------------===//
// Normalize
//===----------------------------------------------------------------------===//

BuiltStage buildNormalize(ModuleOp module, const NormalizeParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  int64_t lanes = vectorLanes(p.isa);
  unsigned rank = p.ragged ? 3 : 4;
  View scores = f.view(p.scoreSlot, rank), result = f.view(p.resultSlot, rank);
  Value n = scores.shape.back(), step = e.cI64(lanes);
  Value log2e = e.splatF32(lanes, 1.44269504088896341f);
  f.forEachItem([&](const Item &item) {
    e.forLoop(item.row, rowsEnd(f, p, item), e.cI64(1), [&](Value r) {
      Value from = rowOf(f, p, scores, item, r, 4);
      Value to = rowOf(f, p, result, item, r, 4);
      auto at = [&](Value c) {
        return loadRow(e, e.at(from, c, 4), e.sub(n, c), lanes, -infinity);
      };
      Value top = e.forLoop(e.cI64(0), n, step, {e.splatF32(lanes, -infinity)},
                            [&](Value c, ValueRange s) {
                              return Values{e.fmax(s[0], at(c))};
                            })[0];
      Value largest = maxLanes(e, top);
      // Nothing live: any finite number gives weights of 0.
      Value none = e.cmp(CmpFPredicate::OEQ, largest, e.cF32(-infinity));
      Value m = e.splat(e.select(none, e.cF32(0), largest), lanes);
      Value sums = e.forLoop(e.cI64(0), n, step, {e.splatF32(lanes, 0)},
                             [&](Value c, ValueRange s) {
                               Value w =
                                   e.exp2(e.fmul(e.fsub(at(c), m), log2e));
                               return Values{e.fadd(s[0], w)};
                             })[0];
      Value sum = sumLanes(e, sums);
      Value zero = e.cmp(CmpFPredicate::OEQ, sum, e.cF32(0));
      Value divisor = e.splat(e.select(zero, e.cF32(1), sum), lanes);
      e.forLoop(e.cI64(0), n, step, [&](Value c) {
        Value w = e.exp2(e.fmul(e.fsub(at(c), m), log2e));
        Value live = e.cmp(CmpIPredicate::slt, e.iota(lanes, e.i32),
                           e.splat(e.toInt(e.sub(n, c), e.i32), lanes));
        e.storeMasked(e.fdiv(w, divisor), e.at(to, c, 4), live);
      });
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

//===----------------------------------------------------------------------===//
// Choose and assign
//===----------------------------------------------------------------------===//

namespace {

/// One row of scores and the search in it.
class Ranking : public ForcedTest {
public:
  Ranking(StageFunction &f, const ForcedUnits &forced, bool shares, Isa isa)
      : ForcedTest(f, forced), e(f.e), lanes(vectorLanes(isa)),
        nothing(shares ? 0 : -infinity) {}

  /// Begins the row at `row` of the item, n scores at `scores`.
  void begin(const Item &item, Value row, Value scores, Value n, bool ragged);
  Value isLive(Value score) {
    return e.cmp(CmpFPredicate::OGT, score, e.like(score, nothing));
  }
  Value scoreAt(Value unit) { return e.load(e.f32, e.at(scores, unit, 4)); }
  /// The best live unit behind (score, unit), forced ones left out if so
  /// asked: {score, unit}; score is `nothing` if there is none.
  Values next(Value score, Value unit, bool skipForced);
  Value exists(Value score) { return isLive(score); }
  /// Score and unit of the last of the best `count` live units that are not
  /// forced; of all of them if there are not more.
  Values last(Value count);

private:
  /// How many live units that are not forced have a score of `least` at least.
  Value countFrom(Value least);
  /// Lanes of the scores from unit c on that are live and not forced.
  Value freeLanes(Value c, Value s);

  Emitter &e;
  const int64_t lanes;
  const float nothing;
  Value scores, n;
};

} // namespace

void Ranking::begin(const Item &item, Value row, Value rowScores, Value count,
                    bool ragged) {
  scores = rowScores;
  n = count;
  ForcedTest::begin(item, row, ragged);
}

Values Ranking::next(Value score, Value unit, bool skipForced) {
  Value limit = e.splat(score, lanes), after = e.splat(unit, lanes);
  Value low = e.splatF32(lanes, nothing);
  Value none = e.splatInt(lanes, e.i32, INT32_MAX);
  Values best = e.forLoop(
      e.cI64(0), n, e.cI64(lanes), {low, none}, [&](Value c, ValueRange b) {
        Value s = loadRow(e, e.at(scores, c, 4), e.sub(n, c), lanes, nothing);
        Value units =
            e.add(e.splat(e.toInt(c, e.i32), lanes), e.iota(lanes, e.i32));
        Value behind = e.orI(e.cmp(CmpFPredicate::OLT, s, limit),
                             e.andI(e.cmp(CmpFPredicate::OEQ, s, limit),
                                    e.cmp(CmpIPredicate::sgt, units, after)));
        Value take = e.andI(behind, e.cmp(CmpFPredicate::OGT, s, b[0]));
        if (skipForced)
          take = e.andI(take, e.cmp(CmpIPredicate::eq, isForced(units),
                                    e.splatInt(lanes, e.i1, 0)));
        return Values{e.select(take, s, b[0]), e.select(take, units, b[1])};
      });
  Value top = maxLanes(e, best[0]);
  Value same = e.cmp(CmpFPredicate::OEQ, best[0], e.splat(top, lanes));
  return {top, minLanes(e, e.select(same, best[1], none))};
}

Value Ranking::freeLanes(Value c, Value s) {
  Value units = e.add(e.splat(e.toInt(c, e.i32), lanes), e.iota(lanes, e.i32));
  return e.andI(isLive(s), e.cmp(CmpIPredicate::eq, isForced(units),
                                 e.splatInt(lanes, e.i1, 0)));
}

Value Ranking::countFrom(Value least) {
  Value bound = e.splat(least, lanes), one = e.splatInt(lanes, e.i32, 1);
  Value none = e.splatInt(lanes, e.i32, 0);
  Value sums = e.forLoop(
      e.cI64(0), n, e.cI64(lanes), {none}, [&](Value c, ValueRange sum) {
        Value s = loadRow(e, e.at(scores, c, 4), e.sub(n, c), lanes, nothing);
        Value is = e.andI(freeLanes(c, s), e.cmp(CmpFPredicate::OGE, s, bound));
        return Values{e.add(sum[0], e.select(is, one, none))};
      })[0];
  while (Emitter::lanesOf(sums) > 1) {
    int64_t half = Emitter::lanesOf(sums) / 2;
    sums = e.add(e.slice(sums, 0, half), e.slice(sums, half, half));
  }
  return e.toInt(e.extract(sums, 0), e.i64);
}

Values Ranking::last(Value count) {
  Value any = e.cI32(INT32_MAX);
  // Floats in their order as integers.
  auto turn = [&](Value bits) {
    Value negative = e.cmp(CmpIPredicate::slt, bits, e.cI32(0));
    return e.select(negative, e.sub(e.cI32(INT32_MIN), bits), bits);
  };
  auto toKey = [&](Value score) { return turn(e.bitcast(score, e.i32)); };
  auto toScore = [&](Value key) { return e.bitcast(turn(key), e.f32); };
  // {least, greatest key that the last one may have, units from there on}
  Value all = countFrom(e.cF32(-infinity));
  Values found = e.whileLoop(
      {e.toInt(toKey(e.cF32(nothing)), e.i64),
       e.toInt(toKey(e.cF32(infinity)), e.i64), all},
      [&](ValueRange c) {
        return e.andI(e.cmp(CmpIPredicate::slt, c[0], c[1]),
                      e.cmp(CmpIPredicate::sgt, c[2], count));
      },
      [&](ValueRange c) {
        // Rounded up, also of negative keys: halves of a non-negative length.
        Value mid = e.add(c[0], e.shrU(e.add(e.sub(c[1], c[0]), e.cI64(1)), 1));
        Value own = countFrom(toScore(e.toInt(mid, e.i32)));
        Value enough = e.cmp(CmpIPredicate::sge, own, count);
        return Values{e.select(enough, mid, c[0]),
                      e.select(enough, c[1], e.sub(mid, e.cI64(1))),
                      e.select(enough, own, c[2])};
      });
  Value score = toScore(e.toInt(found[0], e.i32));
  // Of more than wanted those of the least score go from the highest unit on.
  Value over = e.sub(found[2], count);
  return e.ifElse(
      e.cmp(CmpIPredicate::sle, over, e.cI64(0)), {e.f32, e.i32},
      [&] { return Values{score, any}; },
      [&] {
        Value unit = e.whileLoop(
            {n, over},
            [&](ValueRange c) {
              return e.cmp(CmpIPredicate::sgt, c[1], e.cI64(0));
            },
            [&](ValueRange c) {
              Value unit = e.sub(c[0], e.cI64(1)), s = scoreAt(unit);
              Value is = e.andI(e.cmp(CmpFPredicate::OEQ, s, score), isLive(s));
              is = e.andI(
                  is, e.cmp(CmpIPredicate::eq, isForced(unit), e.cBool(false)));
              return Values{unit, e.sub(c[1], e.toInt(is, e.i64))};
            })[0];
        return Values{score, e.toInt(e.sub(unit, e.cI64(1)), e.i32)};
      });
}

BuiltStage buildChoose(ModuleOp module, const ChooseParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  Value error = f.reserve(64);
  unsigned rank = p.ragged ? 3 : 4;
  View scores = f.view(p.scoreSlot, rank), list = f.view(p.listSlot, rank);
  View count = f.view(p.countSlot, rank - 1), table;
  if (p.amount.kind >= Amount::ViewI32)
    table = f.view(p.amount.slot, 1);
  Value n = scores.shape.back(), capacity = list.shape.back();
  Value start = e.cF32(infinity), before = e.cI32(-1);
  e.store(e.cI32(StageOk), error);
  f.forEachItem([&](const Item &item) {
    Value wanted = amountOf(f, p.amount, p.byMass, table, item.head);
    e.forLoop(item.row, rowsEnd(f, p, item), e.cI64(1), [&](Value r) {
      Ranking ranking(f, p.forced, p.shares, p.isa);
      ranking.begin(item, r, rowOf(f, p, scores, item, r, 4), n, p.ragged);
      // Number and mass of the forced units, in ascending order.
      Values have =
          e.forLoop(e.cI64(0), n, e.cI64(1), {e.cI64(0), e.cF32(0)},
                    [&](Value unit, ValueRange c) {
                      Value s = ranking.scoreAt(unit);
                      Value is =
                          e.andI(ranking.isForced(unit), ranking.isLive(s));
                      return Values{e.select(is, e.add(c[0], 1), c[0]),
                                    e.select(is, e.fadd(c[1], s), c[1])};
                    });
      // Then the best of the others, until there are enough: {number, mass,
      // score and unit of the last one taken, whether one was found}.
      auto oneByOne = [&] {
        return e.whileLoop(
            {have[0], have[1], start, before, e.cBool(true)},
            [&](ValueRange s) {
              Value more = p.byMass ? e.cmp(CmpFPredicate::OLT, s[1], wanted)
                                    : e.cmp(CmpIPredicate::slt, s[0], wanted);
              return e.andI(more, s[4]);
            },
            [&](ValueRange s) {
              Values found = ranking.next(s[2], s[3], /*skipForced=*/true);
              Value is = ranking.exists(found[0]);
              return Values{e.select(is, e.add(s[0], 1), s[0]),
                            e.select(is, e.fadd(s[1], found[0]), s[1]),
                            e.select(is, found[0], s[2]),
                            e.select(is, found[1], s[3]), is};
            });
      };
      Values last;
      if (p.byMass) {
        Values s = oneByOne();
        last = {s[2], s[3]};
      } else {
        Value others = e.sub(wanted, have[0]);
        last = e.ifElse(
            e.cmp(CmpIPredicate::sgt, others, e.cI64(kFew)), {e.f32, e.i32},
            [&] { return ranking.last(others); },
            [&] {
              Values s = oneByOne();
              return Values{s[2], s[3]};
            });
      }
      Value to = rowOf(f, p, list, item, r, 4);
      Value written = e.forLoop(
          e.cI64(0), n, e.cI64(1), {e.cI64(0)}, [&](Value unit, ValueRange c) {
            Value s = ranking.scoreAt(unit), narrow = e.toInt(unit, e.i32);
            Value better =
                e.orI(e.cmp(CmpFPredicate::OGT, s, last[0]),
                      e.andI(e.cmp(CmpFPredicate::OEQ, s, last[0]),
                             e.cmp(CmpIPredicate::sle, narrow, last[1])));
            Value take = e.andI(e.orI(better, ranking.isForced(unit)),
                                ranking.isLive(s));
            return e.ifElse(
                take, {e.i64},
                [&] {
                  Value fits = e.cmp(CmpIPredicate::slt, c[0], capacity);
                  return e.ifElse(
                      fits, {e.i64},
                      [&] {
                        e.store(narrow,
                                e.at(to, e.mul(c[0], list.stride.back()), 4));
                        return Values{e.add(c[0], 1)};
                      },
                      [&] {
                        e.store(e.cI32(StageListTooShort), error);
                        return Values{c[0]};
                      });
                },
                [&] { return Values{c[0]}; });
          })[0];
      e.store(e.toInt(written, e.i32), rowOf(f, p, count, item, r, 4));
    });
  });
  e.ret(e.load(e.i32, error));
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

BuiltStage buildAssign(ModuleOp module, const AssignParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  unsigned rank = p.ragged ? 3 : 4;
  View scores = f.view(p.scoreSlot, rank), levels = f.view(p.levelSlot, rank);
  Value n = scores.shape.back();
  Value bound = e.cF32(float(p.bounds.back()));
  f.forEachItem([&](const Item &item) {
    e.forLoop(item.row, rowsEnd(f, p, item), e.cI64(1), [&](Value r) {
      Ranking ranking(f, p.forced, /*shares=*/true, p.isa);
      ranking.begin(item, r, rowOf(f, p, scores, item, r, 4), n, p.ragged);
      Value to = rowOf(f, p, levels, item, r, 1);
      auto at = [&](Value unit) {
        return e.at(to, e.mul(unit, levels.stride.back()), 1);
      };
      auto level = [&](int64_t value) {
        return e.constant(e.b.getIntegerAttr(e.i8, value));
      };
      e.forLoop(e.cI64(0), n, e.cI64(1),
                [&](Value unit) { e.store(level(0), at(unit)); });
      // {sum before, score and unit of the last one, whether there was one}
      e.whileLoop(
          {e.cF32(0), e.cF32(infinity), e.cI32(-1), e.cBool(true)},
          [&](ValueRange s) {
            return e.andI(e.cmp(CmpFPredicate::OLT, s[0], bound), s[3]);
          },
          [&](ValueRange s) {
            Values found = ranking.next(s[1], s[2], /*skipForced=*/false);
            Value is = ranking.exists(found[0]);
            e.ifThen(is, [&] {
              Value own = level(0);
              for (size_t i = p.levels.size(); i-- > 0;)
                own = e.select(
                    e.cmp(CmpFPredicate::OLT, s[0], e.cF32(float(p.bounds[i]))),
                    level(p.levels[i]), own);
              e.store(own, at(e.toInt(found[1], e.i64)));
            });
            return Values{e.select(is, e.fadd(s[0], found[0]), s[0]), found[0],
                          found[1], is};
          });
      e.forLoop(e.cI64(0), n, e.cI64(1), [&](Value unit) {
        Value take = e.andI(ranking.isForced(unit),
                            ranking.isLive(ranking.scoreAt(unit)));
        e.ifThen(take, [&] { e.store(level(p.forcedLevel), at(unit)); });
      });
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

} // namespace fovea::cpu
