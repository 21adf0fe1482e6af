// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The stage that scores blocks of keys by their means.
#include "codegen/cpu/LaneTools.h"
#include "codegen/cpu/SmallStages.h"

#include <fovea/abi.h>

#include <limits>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpIPredicate;

static constexpr float infinity = std::numeric_limits<float>::infinity();

namespace {

class ScoreBuilder {
public:
  ScoreBuilder(ModuleOp module, const ScoreParams &p)
      : p(p), lanes(vectorLanes(p.isa)),
        b(OpBuilder::atBlockEnd(module.getBody())),
        f(b, module.getLoc(), p.name, p.isa), e(f.e) {}
  BuiltStage build();

private:
  void meanOfQueries(const Item &item, Value rows);
  Value score(const Item &item, Value k0, Value k1);
  Value anyLive(const Item &item, Value q0, Value q1, Value k0, Value k1);

  const ScoreParams &p;
  const int64_t lanes;
  OpBuilder b;
  StageFunction f;
  Emitter &e;
  View q, k, scales, scores;
  Value mean;
};

} // namespace

BuiltStage ScoreBuilder::build() {
  mean = f.reserve(4 * (p.dim + lanes));
  q = f.view(p.qSlot, 4);
  k = f.view(p.kSlot, 4);
  if (p.kScaleSlot >= 0)
    scales = f.view(p.kScaleSlot, 3);
  scores = f.view(p.scoreSlot, 4);
  Value queries = f.symbol(p.querySymbol);
  f.forEachItem([&](const Item &item) {
    Value length = f.kLength(item.b);
    Value rows = e.minS(e.sub(queries, item.row), e.cI64(p.queryBlock));
    Value q0 = e.add(f.qOffset(item.b), item.row), q1 = e.add(q0, rows);
    meanOfQueries(item, rows);
    Value block = e.divU(item.row, e.cI64(p.queryBlock));
    Value row = addressOf(e, scores, {item.b, item.head, block}, 4);
    Value end = e.minS(item.k1, length);
    e.forLoop(e.cI64(0), scores.shape[3], e.cI64(1), [&](Value c) {
      Value k0 = e.mul(c, p.unit);
      Value k1 = e.minS(e.add(k0, p.unit), end);
      Value inside = e.andI(e.cmp(CmpIPredicate::sge, k0, item.k0),
                            e.cmp(CmpIPredicate::slt, k0, k1));
      auto minusInf = [&] { return Values{e.cF32(-infinity)}; };
      auto compute = [&] { return Values{score(item, k0, k1)}; };
      Value s = e.ifElse(
          inside, {e.f32},
          [&] {
            if (!p.classify && !p.keep)
              return compute();
            Value kind = e.cI32(FOVEA_TILE_PARTIAL);
            if (p.classify)
              kind = e.call(p.classify, {f.args, item.b, item.head, q0, q1, k0,
                                         k1, length})[0];
            Value live =
                e.cmp(CmpIPredicate::ne, kind, e.cI32(FOVEA_TILE_EMPTY));
            Value partial =
                e.cmp(CmpIPredicate::eq, kind, e.cI32(FOVEA_TILE_PARTIAL));
            if (p.keep)
              live = e.ifElse(
                  partial, {e.i1},
                  [&] { return Values{anyLive(item, q0, q1, k0, k1)}; },
                  [&] { return Values{live}; })[0];
            return e.ifElse(live, {e.f32}, compute, minusInf);
          },
          minusInf)[0];
      e.store(s, e.at(row, e.mul(c, scores.stride[3]), 4));
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

void ScoreBuilder::meanOfQueries(const Item &item, Value rows) {
  Value from = addressOf(e, q, {item.b, item.head, item.row}, sizeOf(p.q));
  Value inverse = e.splat(e.fdiv(e.cF32(p.scale), e.toF32(rows)), lanes);
  auto column = [&](Value d, int64_t n) {
    Value sum = e.forLoop(
        e.cI64(0), rows, e.cI64(1), {e.splatF32(lanes, 0)},
        [&](Value t, ValueRange c) {
          Value at = e.at(from, e.add(e.mul(t, q.stride[2]), d), sizeOf(p.q));
          return Values{e.fadd(c[0], loadPartialAsF32(e, p.q, at, n, lanes))};
        })[0];
    e.store(e.fmul(sum, inverse), e.at(mean, d, 4));
  };
  int64_t whole = p.dim / lanes * lanes;
  e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(lanes),
            [&](Value d) { column(d, lanes); });
  if (whole < p.dim)
    column(e.cI64(whole), p.dim - whole);
}

/// The mean query times the sum of the keys, over their number.
Value ScoreBuilder::score(const Item &item, Value k0, Value k1) {
  Value head = e.divU(item.head, e.cI64(p.kvGroup));
  Value from = addressOf(e, k, {item.b, head}, sizeOf(p.k));
  Value scaleRow;
  if (p.kScaleSlot >= 0)
    scaleRow = addressOf(e, scales, {item.b, head}, 4);
  auto column = [&](Value d, int64_t n, Value dot) {
    Value sum = e.forLoop(
        k0, k1, e.cI64(1), {e.splatF32(lanes, 0)}, [&](Value t, ValueRange c) {
          Value at = e.at(from, e.add(e.mul(t, k.stride[2]), d), sizeOf(p.k));
          Value v = loadPartialAsF32(e, p.k, at, n, lanes);
          if (!scaleRow)
            return Values{e.fadd(c[0], v)};
          Value s =
              e.load(e.f32, e.at(scaleRow, e.mul(t, scales.stride[2]), 4));
          return Values{e.fma(v, e.splat(s, lanes), c[0])};
        })[0];
    return e.fma(sum, e.load(e.vec(lanes, e.f32), e.at(mean, d, 4)), dot);
  };
  int64_t whole = p.dim / lanes * lanes;
  Value dot = e.forLoop(
      e.cI64(0), e.cI64(whole), e.cI64(lanes), {e.splatF32(lanes, 0)},
      [&](Value d, ValueRange c) { return Values{column(d, lanes, c[0])}; })[0];
  if (whole < p.dim)
    dot = column(e.cI64(whole), p.dim - whole, dot);
  return e.fdiv(sumLanes(e, dot), e.toF32(e.sub(k1, k0)));
}

/// Whether the predicate holds for some pair of the blocks.
Value ScoreBuilder::anyLive(const Item &item, Value q0, Value q1, Value k0,
                            Value k1) {
  auto lanesFor = [&](Value v) { return e.splat(e.toInt(v, e.i32), lanes); };
  Value head = lanesFor(item.head), last = lanesFor(e.sub(k1, 1));
  return e.forLoop(
      q0, q1, e.cI64(1), {e.cBool(false)}, [&](Value query, ValueRange outer) {
        Value row = lanesFor(query);
        Value found = e.forLoop(
            k0, k1, e.cI64(lanes), {e.splatInt(lanes, e.i1, 0)},
            [&](Value key, ValueRange c) {
              // Lanes past the last key repeat it.
              Value keys =
                  e.minS(e.add(lanesFor(key), e.iota(lanes, e.i32)), last);
              Value live = p.keep(e, PairLanes{item.b, head, row, keys});
              return Values{e.orI(c[0], live)};
            })[0];
        Value any = e.cmp(
            CmpIPredicate::ne, e.bitcast(found, e.b.getIntegerType(lanes)),
            e.constant(e.b.getIntegerAttr(e.b.getIntegerType(lanes), 0)));
        return Values{e.orI(outer[0], any)};
      })[0];
}

BuiltStage buildScore(ModuleOp module, const ScoreParams &params) {
  return ScoreBuilder(module, params).build();
}

} // namespace fovea::cpu
