// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Softmax of block scores and what is chosen by them (T4), a warp for each row:
// the searches of codegen/cpu/SelectStages.cpp, whose results these are, ties
// included. A lane looks at every 32nd unit, and always at the same ones.
#include "codegen/gpu/templates/WarpStage.h"
#include "codegen/gpu/templates/WarpStages.h"

#include "codegen/cpu/SelectRows.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <cmath>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

/// So many units are found faster one by one.
static constexpr int64_t kFew = 12;
static constexpr float kLog2E = 1.44269504088896341f;

/// A warp for each row of an item: body(row).
static void forEachRow(WarpStage &w, const GridParams &p,
                       llvm::function_ref<void(const Item &, Value)> body) {
  Emitter &e = w.e;
  w.forEachUnit(p.rows, [&](const Item &item, Value part) {
    Value row = e.add(item.row, part);
    e.ifThen(e.cmp(CmpIPredicate::slt, row, rowsEnd(w.s, p, item)),
             [&] { body(item, row); });
  });
}

static Value reduceWarp(HwEmitter &h, Value v,
                        llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t mask = 1; mask < 32; mask *= 2)
    v = combine(v, h.shuffleXor(v, mask));
  return v;
}

namespace {

/// One row of scores and the searches in it; all but what a lane finds on its
/// way is the same in all lanes.
class RowSearch : public ForcedTest {
public:
  RowSearch(WarpStage &w, const ForcedUnits &forced, bool shares)
      : ForcedTest(w.s, forced), e(w.e), h(w.h),
        nothing(shares ? 0 : -INFINITY), own(h.wide(h.lane)) {}

  /// Begins the row at `row` of the item, n scores at `scores`.
  void begin(const Item &item, Value row, Value rowScores, Value count,
             bool ragged) {
    scores = rowScores;
    n = count;
    ForcedTest::begin(item, row, ragged);
  }
  Value isLive(Value score) {
    return e.cmp(CmpFPredicate::OGT, score, e.cF32(nothing));
  }
  Value isFree(Value unit, Value score) {
    return e.andI(isLive(score),
                  e.cmp(CmpIPredicate::eq, isForced(unit), e.cBool(false)));
  }
  /// body(unit of the lane, its score, carried) for 32 units after the other;
  /// past the last one the score is `nothing`.
  Values scan(ValueRange init,
              llvm::function_ref<Values(Value, Value, ValueRange)> body) {
    return e.forLoop(e.cI64(0), n, e.cI64(32), init,
                     [&](Value c, ValueRange carried) {
                       Value unit = e.add(c, own);
                       return body(unit, scoreAt(unit), carried);
                     });
  }
  Value there(Value unit) { return e.cmp(CmpIPredicate::slt, unit, n); }
  /// Calls body(i) for the lanes that are set, from the lowest on.
  Values forBits(Value bits, ValueRange init,
                 llvm::function_ref<Values(Value lane, ValueRange)> body);
  /// Set lanes below this one, of all.
  Value rank(Value bits) {
    Value lower = e.sub(e.b.create<arith::ShLIOp>(e.loc, h.c32(1), h.lane), 1);
    return h.wide(h.popcount(e.andI(bits, lower)));
  }
  Value countOf(Value bits) { return h.wide(h.popcount(bits)); }

  /// Number (i64) and mass of the forced units, summed in ascending order.
  Values forcedMass();
  /// The best live unit behind (score, unit (i64)), forced ones left out if so
  /// asked: {score, unit}; score is `nothing` if there is none.
  Values next(Value score, Value unit, bool skipForced);
  /// Score and unit of the last of the best `count` live units that are not
  /// forced; of all of them if there are not more.
  Values last(Value count);

private:
  Value scoreAt(Value unit) {
    return e.ifElse(
        there(unit), e.f32,
        [&] { return Values{h.loadGlobal(e.f32, e.at(scores, unit, 4))}; },
        [&] { return Values{e.cF32(nothing)}; })[0];
  }
  Value countFrom(Value least);

  Emitter &e;
  HwEmitter &h;
  const float nothing;
  Value own, scores, n;
};

} // namespace

Values RowSearch::forBits(Value bits, ValueRange init,
                          llvm::function_ref<Values(Value, ValueRange)> body) {
  Values state = {bits};
  llvm::append_range(state, init);
  Values result = e.whileLoop(
      state,
      [&](ValueRange c) { return e.cmp(CmpIPredicate::ne, c[0], h.c32(0)); },
      [&](ValueRange c) {
        Value lane = e.b.create<LLVM::CountTrailingZerosOp>(
            e.loc, e.i32, c[0], /*is_zero_poison=*/false);
        Values next = {e.andI(c[0], e.sub(c[0], 1))};
        llvm::append_range(next, body(lane, c.drop_front()));
        return next;
      });
  result.erase(result.begin());
  return result;
}

Values RowSearch::forcedMass() {
  return scan({e.cI64(0), e.cF32(0)}, [&](Value unit, Value s, ValueRange c) {
    Value bits = h.ballot(e.andI(isForced(unit), isLive(s)));
    Values mass = forBits(bits, {c[1]}, [&](Value lane, ValueRange m) {
      return Values{e.fadd(m[0], h.shuffleIdx(s, lane))};
    });
    return Values{e.add(c[0], countOf(bits)), mass[0]};
  });
}

Values RowSearch::next(Value score, Value unit, bool skipForced) {
  Value none = e.cI32(INT32_MAX);
  Values best =
      scan({e.cF32(nothing), none}, [&](Value at, Value s, ValueRange b) {
        Value behind = e.orI(e.cmp(CmpFPredicate::OLT, s, score),
                             e.andI(e.cmp(CmpFPredicate::OEQ, s, score),
                                    e.cmp(CmpIPredicate::sgt, at, unit)));
        Value take = e.andI(behind, e.cmp(CmpFPredicate::OGT, s, b[0]));
        if (skipForced)
          take = e.andI(take,
                        e.cmp(CmpIPredicate::eq, isForced(at), e.cBool(false)));
        return Values{e.select(take, s, b[0]),
                      e.select(take, e.toInt(at, e.i32), b[1])};
      });
  Value top =
      reduceWarp(h, best[0], [&](Value x, Value y) { return e.fmax(x, y); });
  Value same = e.cmp(CmpFPredicate::OEQ, best[0], top);
  Value found = reduceWarp(h, e.select(same, best[1], none),
                           [&](Value x, Value y) { return e.minS(x, y); });
  return {top, h.wide(found)};
}

/// How many live units that are not forced have a score of `least` at least.
Value RowSearch::countFrom(Value least) {
  return scan({e.cI64(0)}, [&](Value unit, Value s, ValueRange c) {
    Value is = e.andI(isFree(unit, s), e.cmp(CmpFPredicate::OGE, s, least));
    return Values{e.add(c[0], countOf(h.ballot(is)))};
  })[0];
}

Values RowSearch::last(Value count) {
  // Floats in their order as integers.
  auto turn = [&](Value bits) {
    Value negative = e.cmp(CmpIPredicate::slt, bits, e.cI32(0));
    return e.select(negative, e.sub(e.cI32(INT32_MIN), bits), bits);
  };
  auto toKey = [&](float score) {
    return e.toInt(turn(e.bitcast(e.cF32(score), e.i32)), e.i64);
  };
  auto toScore = [&](Value key) {
    return e.bitcast(turn(e.toInt(key, e.i32)), e.f32);
  };
  // {least, greatest key that the last one may have, units from there on}
  Value all = countFrom(e.cF32(-INFINITY));
  Values found = e.whileLoop(
      {toKey(nothing), toKey(INFINITY), all},
      [&](ValueRange c) {
        return e.andI(e.cmp(CmpIPredicate::slt, c[0], c[1]),
                      e.cmp(CmpIPredicate::sgt, c[2], count));
      },
      [&](ValueRange c) {
        // Rounded up, also of negative keys: halves of a non-negative length.
        Value mid = e.add(c[0], e.shrU(e.add(e.sub(c[1], c[0]), 1), 1));
        Value here = countFrom(toScore(mid));
        Value enough = e.cmp(CmpIPredicate::sge, here, count);
        return Values{e.select(enough, mid, c[0]),
                      e.select(enough, c[1], e.sub(mid, 1)),
                      e.select(enough, here, c[2])};
      });
  Value score = toScore(found[0]);
  // Of more than wanted those of the least score go from the highest unit on.
  Value over = e.sub(found[2], count), none = e.cI64(INT32_MAX);
  Value unit = e.ifElse(
      e.cmp(CmpIPredicate::sle, over, e.cI64(0)), e.i64,
      [&] { return Values{none}; },
      [&] {
        auto isTie = [&](Value unit, Value s) {
          return e.andI(isFree(unit, s), e.cmp(CmpFPredicate::OEQ, s, score));
        };
        Value ties = scan({e.cI64(0)}, [&](Value unit, Value s, ValueRange c) {
          return Values{e.add(c[0], countOf(h.ballot(isTie(unit, s))))};
        })[0];
        Value left = e.sub(e.sub(ties, over), 1);
        Value mine = scan(
            {e.cI64(0), e.cI32(-1)}, [&](Value unit, Value s, ValueRange c) {
              Value is = isTie(unit, s), bits = h.ballot(is);
              Value at = e.add(c[0], rank(bits));
              is = e.andI(is, e.cmp(CmpIPredicate::eq, at, left));
              return Values{e.add(c[0], countOf(bits)),
                            e.select(is, e.toInt(unit, e.i32), c[1])};
            })[1];
        return Values{h.wide(reduceWarp(
            h, mine, [&](Value x, Value y) { return e.maxS(x, y); }))};
      })[0];
  return {score, unit};
}

BuiltStage buildNormalize(ModuleOp module, const NormalizeParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  HwEmitter &h = w.h;
  unsigned rank = p.ragged ? 3 : 4;
  View scores = w.s.view(p.scoreSlot, rank);
  View result = w.s.view(p.resultSlot, rank);
  Value n = scores.shape.back(), own = h.wide(h.lane), step = e.cI64(32);
  forEachRow(w, p, [&](const Item &item, Value r) {
    Value from = rowOf(w.s, p, scores, item, r, 4);
    Value to = rowOf(w.s, p, result, item, r, 4);
    auto at = [&](Value c) { return h.loadGlobal(e.f32, e.at(from, c, 4)); };
    Value top = e.forLoop(
        own, n, step, {e.cF32(-INFINITY)},
        [&](Value c, ValueRange s) { return Values{e.fmax(s[0], at(c))}; })[0];
    top = reduceWarp(h, top, [&](Value x, Value y) { return e.fmax(x, y); });
    // Nothing live: any finite number gives weights of 0.
    Value none = e.cmp(CmpFPredicate::OEQ, top, e.cF32(-INFINITY));
    Value m = e.select(none, e.cF32(0), top);
    auto weight = [&](Value c) {
      return h.exp2(e.fmul(e.fsub(at(c), m), e.cF32(kLog2E)));
    };
    Value sum =
        e.forLoop(own, n, step, {e.cF32(0)}, [&](Value c, ValueRange s) {
          return Values{e.fadd(s[0], weight(c))};
        })[0];
    sum = reduceWarp(h, sum, [&](Value x, Value y) { return e.fadd(x, y); });
    Value zero = e.cmp(CmpFPredicate::OEQ, sum, e.cF32(0));
    Value divisor = e.select(zero, e.cF32(1), sum);
    e.forLoop(own, n, step, [&](Value c) {
      h.storeGlobal(e.fdiv(weight(c), divisor), e.at(to, c, 4));
    });
  });
  return w.finish();
}

BuiltStage buildChoose(ModuleOp module, const ChooseParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  HwEmitter &h = w.h;
  unsigned rank = p.ragged ? 3 : 4;
  View scores = w.s.view(p.scoreSlot, rank), list = w.s.view(p.listSlot, rank);
  View count = w.s.view(p.countSlot, rank - 1), table;
  if (p.amount.kind >= Amount::ViewI32)
    table = w.s.view(p.amount.slot, 1);
  Value n = scores.shape.back(), capacity = list.shape.back();
  Value start = e.cF32(INFINITY), before = e.cI64(-1);
  forEachRow(w, p, [&](const Item &item, Value r) {
    Value wanted = amountOf(w.s, p.amount, p.byMass, table, item.head);
    RowSearch search(w, p.forced, p.shares);
    search.begin(item, r, rowOf(w.s, p, scores, item, r, 4), n, p.ragged);
    Values have = search.forcedMass();
    // Then the best of the others, until there are enough: {number, mass,
    // score and unit of the last one taken, whether one was found}.
    auto oneByOne = [&] {
      Values s = e.whileLoop(
          {have[0], have[1], start, before, e.cBool(true)},
          [&](ValueRange s) {
            Value more = p.byMass ? e.cmp(CmpFPredicate::OLT, s[1], wanted)
                                  : e.cmp(CmpIPredicate::slt, s[0], wanted);
            return e.andI(more, s[4]);
          },
          [&](ValueRange s) {
            Values found = search.next(s[2], s[3], /*skipForced=*/true);
            Value is = search.isLive(found[0]);
            return Values{e.select(is, e.add(s[0], 1), s[0]),
                          e.select(is, e.fadd(s[1], found[0]), s[1]),
                          e.select(is, found[0], s[2]),
                          e.select(is, found[1], s[3]), is};
          });
      return Values{s[2], s[3]};
    };
    Values last;
    if (p.byMass) {
      last = oneByOne();
    } else {
      Value others = e.sub(wanted, have[0]);
      last = e.ifElse(
          e.cmp(CmpIPredicate::sgt, others, e.cI64(kFew)), {e.f32, e.i64},
          [&] { return search.last(others); }, oneByOne);
    }
    Value to = rowOf(w.s, p, list, item, r, 4);
    Value taken =
        search.scan({e.cI64(0)}, [&](Value unit, Value s, ValueRange c) {
          Value better =
              e.orI(e.cmp(CmpFPredicate::OGT, s, last[0]),
                    e.andI(e.cmp(CmpFPredicate::OEQ, s, last[0]),
                           e.cmp(CmpIPredicate::sle, unit, last[1])));
          Value take =
              e.andI(e.orI(better, search.isForced(unit)), search.isLive(s));
          Value bits = h.ballot(take), place = e.add(c[0], search.rank(bits));
          Value fits = e.cmp(CmpIPredicate::slt, place, capacity);
          e.ifThen(e.andI(take, fits), [&] {
            h.storeGlobal(e.toInt(unit, e.i32),
                          e.at(to, e.mul(place, list.stride.back()), 4));
          });
          return Values{e.add(c[0], search.countOf(bits))};
        })[0];
    e.ifThen(w.isLane(0), [&] {
      e.ifThen(e.cmp(CmpIPredicate::sgt, taken, capacity),
               [&] { w.fail(StageListTooShort); });
      h.storeGlobal(e.toInt(e.minS(taken, capacity), e.i32),
                    rowOf(w.s, p, count, item, r, 4));
    });
  });
  return w.finish();
}

BuiltStage buildAssign(ModuleOp module, const AssignParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  HwEmitter &h = w.h;
  unsigned rank = p.ragged ? 3 : 4;
  View scores = w.s.view(p.scoreSlot, rank);
  View levels = w.s.view(p.levelSlot, rank);
  Value n = scores.shape.back(), bound = e.cF32(float(p.bounds.back()));
  forEachRow(w, p, [&](const Item &item, Value r) {
    RowSearch search(w, p.forced, /*shares=*/true);
    search.begin(item, r, rowOf(w.s, p, scores, item, r, 4), n, p.ragged);
    Value to = rowOf(w.s, p, levels, item, r, 1);
    // A unit's level is written by the lane that looks at it.
    auto set = [&](Value where, Value unit, Value level) {
      e.ifThen(where, [&] {
        h.storeGlobal(level, e.at(to, e.mul(unit, levels.stride.back()), 1));
      });
    };
    auto level = [&](int64_t value) {
      return e.constant(e.b.getIntegerAttr(e.i8, value));
    };
    search.scan({}, [&](Value unit, Value, ValueRange) {
      set(search.there(unit), unit, level(0));
      return Values();
    });
    // {sum before, score and unit of the last one, whether there was one}
    e.whileLoop(
        {e.cF32(0), e.cF32(INFINITY), e.cI64(-1), e.cBool(true)},
        [&](ValueRange s) {
          return e.andI(e.cmp(CmpFPredicate::OLT, s[0], bound), s[3]);
        },
        [&](ValueRange s) {
          Values found = search.next(s[1], s[2], /*skipForced=*/false);
          Value is = search.isLive(found[0]), own = level(0);
          for (size_t i = p.levels.size(); i-- > 0;)
            own = e.select(
                e.cmp(CmpFPredicate::OLT, s[0], e.cF32(float(p.bounds[i]))),
                level(p.levels[i]), own);
          Value lane = e.andI(e.toInt(found[1], e.i32), h.c32(31));
          set(e.andI(is, e.cmp(CmpIPredicate::eq, lane, h.lane)), found[1],
              own);
          return Values{e.select(is, e.fadd(s[0], found[0]), s[0]), found[0],
                        found[1], is};
        });
    search.scan({}, [&](Value unit, Value s, ValueRange) {
      set(e.andI(search.isForced(unit), search.isLive(s)), unit,
          level(p.forcedLevel));
      return Values();
    });
  });
  return w.finish();
}

} // namespace fovea::gpu
