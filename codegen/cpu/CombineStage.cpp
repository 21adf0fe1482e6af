// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Merges states: the records of a split item, or the parts of attn.merge. Parts
// are taken in a fixed order, so that the result depends on the plan alone.
#include "codegen/cpu/LaneTools.h"
#include "codegen/cpu/SmallStages.h"
#include "passes/analysis/TokenOrder.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpFPredicate;

static constexpr float kLog2E = 1.44269504088896341f;

namespace {

/// The state of one row in memory: addresses.
struct RowState {
  Value o, m, l;
};

/// Runs the body once per part, carrying a value.
using PartBody = llvm::function_ref<Value(const RowState &, Value carried)>;
using PartLoop = llvm::function_ref<Value(Value init, PartBody body)>;

/// Where the merged row goes; absent addresses are null.
struct RowResult {
  Value o, lse, m, l;
  Value sink; ///< score of a key of value 0
};

/// Merges the parts of one row after the other.
class RowMerger {
public:
  RowMerger(StageFunction &f, int64_t valueDim, Elem out, float outFactor)
      : e(f.e), dim(valueDim), out(out), outFactor(outFactor),
        lanes(vectorLanes(e.isa)), whole(valueDim / lanes * lanes),
        floats(e.vec(lanes, e.f32)),
        sums(f.reserve(4 * llvm::alignTo(valueDim, lanes))),
        minusInf(e.cF32(-std::numeric_limits<float>::infinity())),
        zero(e.cF32(0)) {}

  void merge(PartLoop parts, const RowResult &result);

private:
  /// An empty part has l = 0 and any m.
  Value isEmpty(Value sum) { return e.cmp(CmpFPredicate::OEQ, sum, zero); }
  Value addPart(const RowState &part, Value top, Value total);
  void store(const RowResult &result, Value top, Value total);

  Emitter &e;
  int64_t dim;
  Elem out;
  float outFactor;
  int64_t lanes, whole;
  Type floats;
  Value sums, minusInf, zero;
};

} // namespace

Value RowMerger::addPart(const RowState &part, Value top, Value total) {
  Value sum = e.load(e.f32, part.l);
  return e.ifElse(
      isEmpty(sum), {e.f32}, [&] { return Values{total}; },
      [&] {
        Value weight =
            e.exp2(e.fmul(e.fsub(e.load(e.f32, part.m), top), e.cF32(kLog2E)));
        Value w = e.splat(weight, lanes);
        auto step = [&](Value value, Value at) {
          e.store(e.fma(value, w, e.load(floats, at)), at);
        };
        e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(lanes), [&](Value d) {
          step(e.load(floats, e.at(part.o, d, 4)), e.at(sums, d, 4));
        });
        if (whole < dim)
          step(loadPartial(e, e.f32, e.at(part.o, 4 * whole), dim - whole,
                           lanes),
               e.at(sums, 4 * whole));
        return Values{e.fma(weight, sum, total)};
      })[0];
}

void RowMerger::store(const RowResult &result, Value top, Value total) {
  Value empty = isEmpty(total), factor = e.cF32(1);
  if (result.m) {
    e.store(e.select(empty, minusInf, top), result.m);
    e.store(total, result.l);
  } else {
    factor = e.select(empty, zero, e.fdiv(e.cF32(outFactor), total));
  }
  if (result.lse) {
    Value sum = e.fadd(top, e.log(e.select(empty, e.cF32(1), total)));
    e.store(e.select(empty, minusInf, sum), result.lse);
  }
  Value scale = e.splat(factor, lanes);
  auto value = [&](Value from) {
    return e.narrow(out, e.fmul(e.load(floats, from), scale));
  };
  e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(lanes), [&](Value d) {
    e.store(value(e.at(sums, d, 4)), e.at(result.o, d, sizeOf(out)));
  });
  if (whole < dim)
    storePartial(e, value(e.at(sums, 4 * whole)),
                 e.at(result.o, whole * sizeOf(out)), dim - whole);
}

void RowMerger::merge(PartLoop parts, const RowResult &result) {
  Value top = parts(minusInf, [&](const RowState &part, Value most) {
    Value own = e.select(isEmpty(e.load(e.f32, part.l)), minusInf,
                         e.load(e.f32, part.m));
    return e.fmax(most, own);
  });
  if (result.sink)
    top = e.fmax(top, result.sink);
  e.forLoop(e.cI64(0), e.cI64(llvm::alignTo(dim, lanes)), e.cI64(lanes),
            [&](Value d) { e.store(e.splatF32(lanes, 0), e.at(sums, d, 4)); });
  Value total = parts(zero, [&](const RowState &part, Value sum) {
    return addPart(part, top, sum);
  });
  if (result.sink) {
    Value low = e.cmp(CmpFPredicate::OEQ, top, minusInf);
    Value over = e.fsub(result.sink, e.select(low, zero, top));
    total = e.fadd(total, e.exp2(e.fmul(over, e.cF32(kLog2E))));
  }
  store(result, top, total);
}

BuiltStage buildCombine(ModuleOp module, const CombineParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  RowMerger merger(f, p.valueDim, p.o, p.outFactor);
  View sink;
  if (p.sinkSlot >= 0)
    sink = f.view(p.sinkSlot, 1);
  View wsO = f.view(p.wsO, 3), wsM = f.view(p.wsM, 2), wsL = f.view(p.wsL, 2);
  unsigned rank = p.ragged ? 3 : 4;
  View o = f.view(p.oSlot, rank), lse, m, l;
  if (p.lseSlot >= 0)
    lse = f.view(p.lseSlot, rank - 1);
  if (p.mSlot >= 0) {
    m = f.view(p.mSlot, rank - 1);
    l = f.view(p.lSlot, rank - 1);
  }
  Value group = e.cI64(p.group);

  f.forEachItem([&](const Item &item) {
    Value first, queries;
    if (p.rowCounts || p.ragged) {
      first = f.rowOffset(item.b);
      queries = e.sub(f.rowOffset(e.add(item.b, e.cI64(1))), first);
    } else {
      queries = f.symbol(p.querySymbol);
    }
    Value rows = e.minS(e.sub(e.mul(queries, group), item.row), e.cI64(p.rows));
    Value end = e.add(item.slot, item.count);
    e.forLoop(e.cI64(0), rows, e.cI64(1), [&](Value r) {
      auto records = [&](Value init, PartBody body) {
        return e.forLoop(item.slot, end, e.cI64(1), {init},
                         [&](Value i, ValueRange carried) {
                           StageFunction::Record at = f.source(i);
                           Value row = e.add(at.row, r);
                           RowState part{addressOf(e, wsO, {at.slot, row}, 4),
                                         addressOf(e, wsM, {at.slot, row}, 4),
                                         addressOf(e, wsL, {at.slot, row}, 4)};
                           return Values{body(part, carried[0])};
                         })[0];
      };
      Value packed = e.add(item.row, r);
      Value head = e.add(e.mul(item.head, group), e.remU(packed, group));
      Value query = e.divU(packed, group);
      if (p.order)
        query = emitTokenAt(e.b, e.loc, p.order, query, /*nonNegative=*/true);
      SmallVector<Value> at{item.b, head, query};
      if (p.ragged)
        at = {e.add(first, query), head};
      RowResult result;
      result.o = addressOf(e, o, at, sizeOf(p.o));
      if (p.lseSlot >= 0)
        result.lse = addressOf(e, lse, at, 4);
      if (p.mSlot >= 0) {
        result.m = addressOf(e, m, at, 4);
        result.l = addressOf(e, l, at, 4);
      }
      if (p.sinkSlot >= 0)
        result.sink = e.load(e.f32, addressOf(e, sink, {head}, 4));
      merger.merge(records, result);
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

BuiltStage buildMerge(ModuleOp module, const MergeParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  RowMerger merger(f, p.valueDim, p.o, /*outFactor=*/1);
  struct PartViews {
    View o, m, l;
  };
  std::vector<PartViews> views;
  for (const MergePart &part : p.parts)
    views.push_back({f.view(part.o, 4), f.view(part.m, 3), f.view(part.l, 3)});
  View o = f.view(p.oSlot, 4), lse;
  if (p.lseSlot >= 0)
    lse = f.view(p.lseSlot, 3);
  f.forEachItem([&](const Item &item) {
    Value end = e.minS(e.add(item.row, p.rows), item.k1);
    e.forLoop(item.row, end, e.cI64(1), [&](Value row) {
      SmallVector<Value> at = {item.b, item.head, row};
      auto parts = [&](Value carried, PartBody body) {
        for (const PartViews &v : views)
          carried = body({addressOf(e, v.o, at, 4), addressOf(e, v.m, at, 4),
                          addressOf(e, v.l, at, 4)},
                         carried);
        return carried;
      };
      RowResult result;
      result.o = addressOf(e, o, at, sizeOf(p.o));
      if (p.lseSlot >= 0)
        result.lse = addressOf(e, lse, at, 4);
      merger.merge(parts, result);
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

} // namespace fovea::cpu
