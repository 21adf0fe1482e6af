// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scores of blocks of keys by their means, and of a cache's pages by what it
// keeps of them (T4). Several warps share the blocks of an item.
#include "codegen/gpu/templates/WarpRows.h"
#include "codegen/gpu/templates/WarpStages.h"

#include "codegen/cpu/CacheAddress.h"

#include <fovea/abi.h>

#include <cmath>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using arith::CmpIPredicate;

/// Warps that share the blocks, or pages, of an item's row.
static constexpr int64_t kBlockParts = 8;
/// Blocks whose classes the lanes ask for at once.
static constexpr int64_t kAsked = 8;

namespace {

class BlockScores {
public:
  BlockScores(ModuleOp module, const ScoreParams &p)
      : p(p), w(module, p.name), e(w.e), h(w.h), lanes(h, p.dim) {}
  BuiltStage build();

private:
  /// Block c of the item: its keys, and whether there are some to look at.
  struct Keys {
    Value k0, k1, inside;
  };
  Keys keysOf(const Item &item, Value c) {
    Value k0 = e.mul(c, p.unit), k1 = e.minS(e.add(k0, p.unit), end);
    return {k0, k1,
            e.andI(e.cmp(CmpIPredicate::sge, k0, item.k0),
                   e.cmp(CmpIPredicate::slt, k0, k1))};
  }
  Value classOf(const Item &item, const Keys &keys);
  Value score(const Item &item, const Keys &keys, const Values &mean);
  Value anyLive(const Item &item, const Keys &keys);
  Values meanOfQueries(const Item &item);

  const ScoreParams &p;
  WarpStage w;
  Emitter &e;
  HwEmitter &h;
  RowLanes lanes;
  View q, k, scales, scores;
  Value rows, q0, q1, length, end; ///< of the item
};

} // namespace

/// Times the scale.
Values BlockScores::meanOfQueries(const Item &item) {
  Value from = addressOf(e, q, {item.b, item.head, item.row}, sizeOf(p.q));
  Values sum = e.forLoop(
      lanes.row, rows, e.cI64(lanes.rows), w.zeros(lanes),
      [&](Value t, ValueRange c) {
        Values x =
            w.load(lanes, p.q, e.at(from, e.mul(t, q.stride[2]), sizeOf(p.q)));
        for (auto [v, before] : llvm::zip(x, c))
          v = e.fadd(before, v);
        return x;
      });
  w.sumRows(lanes, sum);
  scaleRowBy(w, sum, e.fdiv(e.cF32(p.scale), e.toF32(rows)));
  return sum;
}

/// fovea_tile_class of the lane's own block.
Value BlockScores::classOf(const Item &item, const Keys &keys) {
  return e.ifElse(
      keys.inside, e.i32,
      [&]() -> Values {
        if (p.classify)
          return e.call(p.classify, {w.s.args, item.b, item.head, q0, q1,
                                     keys.k0, keys.k1, length});
        return {e.cI32(p.keep ? FOVEA_TILE_PARTIAL : FOVEA_TILE_FULL)};
      },
      [&] { return Values{e.cI32(FOVEA_TILE_EMPTY)}; })[0];
}

/// Whether the predicate holds for some pair of the blocks: a lane for each.
Value BlockScores::anyLive(const Item &item, const Keys &keys) {
  Value pairs = e.mul(rows, p.unit);
  Values found = e.whileLoop(
      {e.cI64(0), e.cBool(false)},
      [&](ValueRange c) {
        return e.andI(e.cmp(CmpIPredicate::slt, c[0], pairs),
                      e.cmp(CmpIPredicate::eq, c[1], e.cBool(false)));
      },
      [&](ValueRange c) {
        // What lies past the last pair or key repeats it.
        Value i = e.minS(e.add(c[0], h.wide(h.lane)), e.sub(pairs, 1));
        Value query = e.add(q0, e.divU(i, e.cI64(p.unit)));
        Value key = e.minS(e.add(keys.k0, e.remU(i, e.cI64(p.unit))),
                           e.sub(keys.k1, 1));
        Value live = p.keep(e, PairLanes{item.b, item.head, query, key, {}});
        Value any = e.cmp(CmpIPredicate::ne, h.ballot(live), h.c32(0));
        return Values{e.add(c[0], 32), any};
      });
  return found[1];
}

/// The mean query times the sum of the keys, over their number.
Value BlockScores::score(const Item &item, const Keys &keys,
                         const Values &mean) {
  Value head = e.divU(item.head, e.cI64(p.kvGroup));
  Value from = addressOf(e, k, {item.b, head}, sizeOf(p.k)), scaleRow;
  if (p.kScaleSlot >= 0)
    scaleRow = addressOf(e, scales, {item.b, head}, 4);
  Values sum = e.forLoop(
      e.add(keys.k0, lanes.row), keys.k1, e.cI64(lanes.rows), w.zeros(lanes),
      [&](Value t, ValueRange c) {
        Values x =
            w.load(lanes, p.k, e.at(from, e.mul(t, k.stride[2]), sizeOf(p.k)));
        if (scaleRow)
          scaleRowBy(w, x,
                     h.loadGlobal(
                         e.f32, e.at(scaleRow, e.mul(t, scales.stride[2]), 4)));
        for (auto [v, before] : llvm::zip(x, c))
          v = e.fadd(before, v);
        return x;
      });
  Value dot = e.cF32(0);
  for (auto [x, y] : llvm::zip(sum, mean))
    dot = e.fma(x, y, dot);
  auto add = [&](Value x, Value y) { return e.fadd(x, y); };
  dot = w.acrossRows(lanes, w.sumOf(lanes, dot), add);
  return e.fdiv(dot, e.toF32(e.sub(keys.k1, keys.k0)));
}

BuiltStage BlockScores::build() {
  q = w.view(p.qSlot, 4, p.q);
  k = w.view(p.kSlot, 4, p.k);
  w.viewsAreRead();
  if (p.kScaleSlot >= 0)
    scales = w.s.view(p.kScaleSlot, 3);
  scores = w.s.view(p.scoreSlot, 4);
  Value queries = w.s.symbol(p.querySymbol), n = scores.shape[3];
  w.forEachUnit(kBlockParts, [&](const Item &item, Value part) {
    length = w.s.kLength(item.b);
    end = e.minS(item.k1, length);
    rows = e.minS(e.sub(queries, item.row), e.cI64(p.queryBlock));
    q0 = e.add(w.s.qOffset(item.b), item.row);
    q1 = e.add(q0, rows);
    Values mean = meanOfQueries(item);
    Value block = e.divU(item.row, e.cI64(p.queryBlock));
    Value row = addressOf(e, scores, {item.b, item.head, block}, 4);
    Value asked = h.wide(e.andI(h.lane, h.c32(kAsked - 1)));
    e.forLoop(
        e.mul(part, kAsked), n, e.cI64(kAsked * kBlockParts), [&](Value c0) {
          Value kinds = classOf(item, keysOf(item, e.add(c0, asked)));
          Value last = e.minS(e.cI64(kAsked), e.sub(n, c0));
          e.forLoop(e.cI64(0), last, e.cI64(1), [&](Value j) {
            Value c = e.add(c0, j);
            Keys keys = keysOf(item, c);
            Value kind = h.shuffleIdx(kinds, e.toInt(j, e.i32));
            Value live =
                e.cmp(CmpIPredicate::ne, kind, e.cI32(FOVEA_TILE_EMPTY));
            if (p.keep)
              live = e.ifElse(
                  e.cmp(CmpIPredicate::eq, kind, e.cI32(FOVEA_TILE_PARTIAL)),
                  e.i1, [&] { return Values{anyLive(item, keys)}; },
                  [&] { return Values{live}; })[0];
            Value s = e.ifElse(
                live, e.f32, [&] { return Values{score(item, keys, mean)}; },
                [&] { return Values{e.cF32(-INFINITY)}; })[0];
            e.ifThen(w.isLane(0), [&] {
              h.storeGlobal(s, e.at(row, e.mul(c, scores.stride[3]), 4));
            });
          });
        });
  });
  return w.finish();
}

BuiltStage buildScore(ModuleOp module, const ScoreParams &params) {
  return BlockScores(module, params).build();
}

BuiltStage buildKeptScore(ModuleOp module, const KeptScoreParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  HwEmitter &h = w.h;
  StageFunction &s = w.s;
  RowLanes lanes(h, p.dim);
  bool bound = p.kept.kind == KeptPart::MinMax;
  unsigned rank = p.ragged ? 3 : 4;
  View q = w.view(p.qSlot, rank, p.q);
  View kept = w.view(p.kept.slot, bound ? 4 : 3, Elem::F32);
  w.viewsAreRead();
  View scores = s.view(p.scoreSlot, rank);
  View ranges = s.view(p.source.ranges, 2), pages = s.view(p.source.pages, 1);
  int64_t size = p.source.pageTokens;
  w.forEachUnit(p.rows * kBlockParts, [&](const Item &item, Value unit) {
    Value r = e.divU(unit, e.cI64(kBlockParts));
    Value part = e.remU(unit, e.cI64(kBlockParts));
    Value rows = e.minS(e.sub(s.rowCount(item.b), item.row), e.cI64(p.rows));
    e.ifThen(e.cmp(CmpIPredicate::slt, r, rows), [&] {
      RangeValues range = loadRange(e, ranges, item.b);
      Value kvHead = e.divU(item.head, e.cI64(p.kvGroup));
      Value table = e.at(pages.data, e.mul(range.table, pages.stride[0]), 4);
      Value position = e.add(item.row, r);
      auto rowOf = [&](const View &view, unsigned bytes) {
        return rowAddress(s, view, p.ragged, item.b, item.head, position,
                          bytes);
      };
      Values query = w.load(lanes, p.q, rowOf(q, sizeOf(p.q)));
      Value to = rowOf(scores, 4), n = scores.shape.back();
      // Pages beside one another, as rows are.
      Value from = e.mul(part, lanes.rows);
      e.forLoop(from, n, e.cI64(kBlockParts * lanes.rows), [&](Value base) {
        Value page = e.add(base, lanes.row);
        Value there = e.cmp(CmpIPredicate::slt, page, n);
        Value first = e.add(range.base, e.mul(page, size));
        Value last = e.add(first, size);
        Value some =
            e.andI(there, e.cmp(CmpIPredicate::slt, e.maxS(first, range.begin),
                                e.minS(last, range.end)));
        Value dot = e.ifElse(
            some, e.f32,
            [&] {
              Value id = e.toInt(e.loadAt(e.i32, table, page), e.i64);
              Value row = addressOf(e, kept, {id, kvHead}, 4);
              Values low = w.load(lanes, Elem::F32, row), high;
              if (bound)
                high = w.load(lanes, Elem::F32, e.at(row, kept.stride[2], 4));
              Value sum = e.cF32(0);
              for (auto [i, x] : llvm::enumerate(query))
                sum = bound ? e.fadd(sum, e.fmax(e.fmul(x, low[i]),
                                                 e.fmul(x, high[i])))
                            : e.fma(x, low[i], sum);
              return Values{sum};
            },
            [&] { return Values{e.cF32(0)}; })[0];
        Value score = e.fmul(w.sumOf(lanes, dot), e.cF32(p.scale));
        score = e.select(some, score, e.cF32(-INFINITY));
        e.ifThen(e.andI(there, lanes.first), [&] {
          h.storeGlobal(score, e.at(to, e.mul(page, scores.stride.back()), 4));
        });
      });
    });
  });
  return w.finish();
}

} // namespace fovea::gpu
