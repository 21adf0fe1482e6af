// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Merges states (T5): the records of a split item, or the parts of attn.merge.
// Lanes know the weights of a record each and hand them to the others of their
// row. The order of the records is the plan's, so the result depends on the
// plan alone.
#include "codegen/gpu/templates/WarpStage.h"
#include "codegen/gpu/templates/WarpStages.h"
#include "passes/analysis/TokenOrder.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

static constexpr float kLog2E = 1.44269504088896341f;

namespace {

/// Where a merged row goes; absent addresses are null.
struct RowResult {
  Value o, lse, m, l;
  Value sink; ///< score of a key of value 0
};

class Merger {
public:
  Merger(WarpStage &w, const RowLanes &lanes, Elem out, float outFactor)
      : w(w), e(w.e), lanes(lanes), out(out), outFactor(outFactor),
        minusInf(e.cF32(-INFINITY)), zero(e.cF32(0)) {}

  /// An empty part has l = 0; its m and o do not count.
  Value isEmpty(Value sum) { return e.cmp(CmpFPredicate::OEQ, sum, zero); }
  Value mostOf(Value m, Value sum, Value most) {
    return e.fmax(most, e.select(isEmpty(sum), minusInf, m));
  }
  Value weightOf(Value m, Value sum, Value top) {
    Value weight = w.h.exp2(e.fmul(e.fsub(m, top), e.cF32(kLog2E)));
    return e.select(isEmpty(sum), zero, weight);
  }
  /// o + weight * the part's, which is not read where it is empty.
  Values add(Value from, Value weight, Value sum, ValueRange o) {
    return e.ifElse(
        isEmpty(sum), SmallVector<Type>(o.size(), e.f32),
        [&] { return Values(o); },
        [&] {
          Values next = w.load(lanes, Elem::F32, from);
          for (auto [x, before] : llvm::zip(next, o))
            x = e.fma(x, weight, before);
          return next;
        });
  }
  /// Of rows that exist (`there`).
  void store(const RowResult &result, Value top, Value total, Values o,
             Value there);

private:
  WarpStage &w;
  Emitter &e;
  const RowLanes &lanes;
  Elem out;
  float outFactor;
  Value minusInf, zero;
};

} // namespace

void Merger::store(const RowResult &result, Value top, Value total, Values o,
                   Value there) {
  if (result.sink) {
    Value low = e.cmp(CmpFPredicate::OEQ, top, minusInf);
    Value over = e.fsub(result.sink, e.select(low, zero, top));
    total = e.fadd(total, w.h.exp2(e.fmul(over, e.cF32(kLog2E))));
  }
  Value empty = isEmpty(total);
  e.ifThen(e.andI(there, lanes.first), [&] {
    if (result.m) {
      w.h.storeGlobal(e.select(empty, minusInf, top), result.m);
      w.h.storeGlobal(total, result.l);
    }
    if (result.lse) {
      Value lse = e.fadd(top, e.log(e.select(empty, e.cF32(1), total)));
      w.h.storeGlobal(e.select(empty, minusInf, lse), result.lse);
    }
  });
  if (!result.m) {
    Value factor = e.select(empty, zero, e.fdiv(e.cF32(outFactor), total));
    for (Value &x : o)
      x = e.fmul(x, factor);
  }
  w.store(lanes, out, o, result.o, there);
}

BuiltStage buildCombine(ModuleOp module, const CombineParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  HwEmitter &h = w.h;
  StageFunction &s = w.s;
  RowLanes lanes(h, p.valueDim);
  unsigned rank = p.ragged ? 3 : 4;
  View wsO = w.view(p.wsO, 3, Elem::F32), o = w.view(p.oSlot, rank, p.o);
  w.viewsAreRead();
  View wsM = s.view(p.wsM, 2), wsL = s.view(p.wsL, 2), lse, m, l, sink;
  if (p.lseSlot >= 0)
    lse = s.view(p.lseSlot, rank - 1);
  if (p.mSlot >= 0) {
    m = s.view(p.mSlot, rank - 1);
    l = s.view(p.lSlot, rank - 1);
  }
  if (p.sinkSlot >= 0)
    sink = s.view(p.sinkSlot, 1);
  Merger merger(w, lanes, p.o, p.outFactor);
  Value group = e.cI64(p.group), width = e.cI64(lanes.width);
  Value ownRecord = e.divU(lanes.column, e.cI64(4));
  Value firstLane = h.c32(0);
  if (lanes.rows > 1)
    firstLane = e.mul(e.toInt(lanes.row, e.i32), lanes.width);

  auto emitRow = [&](const Item &item, Value first, Value r, Value there) {
    Value end = e.add(item.slot, item.count);
    auto place = [&](const View &view, Value i) {
      StageFunction::Record at = s.source(i);
      return addressOf(e, view, {at.slot, e.add(at.row, r)}, 4);
    };
    // The lane's record of those from c on: m, l; repeats the last one.
    auto sums = [&](Value c) {
      Value i = e.minS(e.add(c, ownRecord), e.sub(end, 1));
      return std::pair(h.loadGlobal(e.f32, place(wsM, i)),
                       h.loadGlobal(e.f32, place(wsL, i)));
    };
    auto larger = [&](Value x, Value y) { return e.fmax(x, y); };
    Value top = e.forLoop(item.slot, end, width, {e.cF32(-INFINITY)},
                          [&](Value c, ValueRange most) {
                            auto [m, l] = sums(c);
                            return Values{merger.mostOf(m, l, most[0])};
                          })[0];
    top = w.alongRow(lanes, top, larger);
    Value packed = e.add(item.row, r);
    Value head = e.add(e.mul(item.head, group), e.remU(packed, group));
    Value query = e.divU(packed, group);
    if (p.order)
      query = emitTokenAt(e.b, e.loc, p.order, query, /*nonNegative=*/true);
    SmallVector<Value> at{item.b, head, query};
    if (p.ragged)
      at = {e.add(first, query), head};
    RowResult result;
    if (p.sinkSlot >= 0) {
      result.sink = h.loadGlobal(e.f32, addressOf(e, sink, {head}, 4));
      top = e.fmax(top, result.sink);
    }
    Values init = w.zeros(lanes);
    init.push_back(e.cF32(0));
    Values state = e.forLoop(
        item.slot, end, width, init, [&](Value c, ValueRange carried) {
          auto [m, l] = sums(c);
          Value inside = e.cmp(CmpIPredicate::slt, e.add(c, ownRecord), end);
          l = e.select(inside, l, e.cF32(0));
          Value weight = merger.weightOf(m, l, top);
          Value total = e.fma(weight, l, carried.back());
          Value n = e.minS(width, e.sub(end, c));
          Values out =
              e.forLoop(e.cI64(0), n, e.cI64(1), carried.drop_back(),
                        [&, l = l](Value j, ValueRange sum) {
                          Value lane = e.add(firstLane, e.toInt(j, e.i32));
                          return merger.add(place(wsO, e.add(c, j)),
                                            h.shuffleIdx(weight, lane),
                                            h.shuffleIdx(l, lane), sum);
                        });
          out.push_back(total);
          return out;
        });
    Value total = w.sumOf(lanes, state.pop_back_val());
    result.o = addressOf(e, o, at, sizeOf(p.o));
    if (p.lseSlot >= 0)
      result.lse = addressOf(e, lse, at, 4);
    if (p.mSlot >= 0) {
      result.m = addressOf(e, m, at, 4);
      result.l = addressOf(e, l, at, 4);
    }
    merger.store(result, top, total, state, there);
  };

  w.forEachUnit(llvm::divideCeil(p.rows, lanes.rows), [&](const Item &item,
                                                          Value part) {
    Value first, queries;
    if (p.rowCounts || p.ragged) {
      first = s.rowOffset(item.b);
      queries = s.rowCount(item.b);
    } else {
      queries = s.symbol(p.querySymbol);
    }
    Value rows = e.minS(e.sub(e.mul(queries, group), item.row), e.cI64(p.rows));
    Value from = e.mul(part, lanes.rows);
    e.ifThen(e.cmp(CmpIPredicate::slt, from, rows), [&] {
      // Lanes without a row help with the last one.
      Value r = e.add(from, lanes.row);
      emitRow(item, first, e.minS(r, e.sub(rows, 1)),
              e.cmp(CmpIPredicate::slt, r, rows));
    });
  });
  return w.finish();
}

BuiltStage buildMerge(ModuleOp module, const MergeParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  HwEmitter &h = w.h;
  RowLanes lanes(h, p.valueDim);
  struct PartViews {
    View o, m, l;
  };
  std::vector<PartViews> views;
  for (const MergePart &part : p.parts)
    views.push_back({w.view(part.o, 4, Elem::F32), w.s.view(part.m, 3),
                     w.s.view(part.l, 3)});
  View o = w.view(p.oSlot, 4, p.o), lse;
  w.viewsAreRead();
  if (p.lseSlot >= 0)
    lse = w.s.view(p.lseSlot, 3);
  Merger merger(w, lanes, p.o, /*outFactor=*/1);
  w.forEachUnit(llvm::divideCeil(p.rows, lanes.rows), [&](const Item &item,
                                                          Value part) {
    Value rows = e.minS(e.sub(item.k1, item.row), e.cI64(p.rows));
    Value from = e.mul(part, lanes.rows), r = e.add(from, lanes.row);
    e.ifThen(e.cmp(CmpIPredicate::slt, from, rows), [&] {
      SmallVector<Value> at = {item.b, item.head,
                               e.add(item.row, e.minS(r, e.sub(rows, 1)))};
      Value top = e.cF32(-INFINITY), total = e.cF32(0);
      SmallVector<std::pair<Value, Value>> sums;
      for (const PartViews &v : views) {
        sums.push_back({h.loadGlobal(e.f32, addressOf(e, v.m, at, 4)),
                        h.loadGlobal(e.f32, addressOf(e, v.l, at, 4))});
        top = merger.mostOf(sums.back().first, sums.back().second, top);
      }
      Values sum = w.zeros(lanes);
      for (auto [v, known] : llvm::zip(views, sums)) {
        Value weight = merger.weightOf(known.first, known.second, top);
        total = e.fma(weight, known.second, total);
        sum = merger.add(addressOf(e, v.o, at, 4), weight, known.second, sum);
      }
      RowResult result;
      result.o = addressOf(e, o, at, sizeOf(p.o));
      if (p.lseSlot >= 0)
        result.lse = addressOf(e, lse, at, 4);
      merger.store(result, top, total, sum, e.cmp(CmpIPredicate::slt, r, rows));
    });
  });
  return w.finish();
}

} // namespace fovea::gpu
