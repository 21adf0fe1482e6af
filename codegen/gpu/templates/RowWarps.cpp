// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stages that make one row of several: means of tokens, what a cache keeps of
// its pages. Where rows are short the lanes read several beside one another.
#include "codegen/gpu/templates/WarpRows.h"
#include "codegen/gpu/templates/WarpStages.h"

#include <cmath>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

/// A warp for each row of a grid item: body(row).
static void forEachRow(WarpStage &w, int64_t rows,
                       llvm::function_ref<void(const Item &, Value)> body) {
  Emitter &e = w.e;
  w.forEachUnit(rows, [&](const Item &item, Value part) {
    Value row = e.add(item.row, part);
    e.ifThen(e.cmp(CmpIPredicate::slt, row, item.k1), [&] { body(item, row); });
  });
}

BuiltStage buildEncode(ModuleOp module, const EncodeParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  RowLanes lanes(w.h, p.dim);
  View x = w.view(p.xSlot, 4, p.x), codes = w.view(p.codeSlot, 4, Elem::I8);
  w.viewsAreRead();
  View scales = w.s.view(p.scaleSlot, 3);
  forEachRow(w, p.rows, [&](const Item &item, Value t) {
    SmallVector<Value> at = {item.b, item.head, t};
    Values row = w.load(lanes, p.x, addressOf(e, x, at, sizeOf(p.x)));
    Value scale = encodeRow(w, lanes, row);
    w.store(lanes, Elem::I8, row, addressOf(e, codes, at, 1), lanes.leading);
    e.ifThen(w.isLane(0),
             [&] { w.h.storeGlobal(scale, addressOf(e, scales, at, 4)); });
  });
  return w.finish();
}

BuiltStage buildPool(ModuleOp module, const PoolParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  RowLanes lanes(w.h, p.dim);
  View x = w.view(p.xSlot, 4, p.x), out = w.view(p.outSlot, 4, p.out), lengths;
  w.viewsAreRead();
  if (p.lengthSlot >= 0)
    lengths = w.s.view(p.lengthSlot, 1);
  forEachRow(w, p.rows, [&](const Item &item, Value g) {
    Value tokens = x.shape[2];
    if (p.lengthSlot >= 0) {
      Value own = w.h.loadGlobal(e.i32, addressOf(e, lengths, {item.b}, 4));
      tokens = e.minS(tokens, e.toInt(own, e.i64));
    }
    Value first = e.mul(g, p.level);
    Value count = e.minS(e.sub(tokens, first), e.cI64(p.level));
    count = e.maxS(count, e.cI64(0));
    Value from = addressOf(e, x, {item.b, item.head, first}, sizeOf(p.x));
    Values sum = e.forLoop(lanes.row, count, e.cI64(lanes.rows), w.zeros(lanes),
                           [&](Value t, ValueRange c) {
                             Value row =
                                 e.at(from, e.mul(t, x.stride[2]), sizeOf(p.x));
                             Values next = w.load(lanes, p.x, row);
                             for (auto [v, before] : llvm::zip(next, c))
                               v = e.fadd(before, v);
                             return next;
                           });
    w.sumRows(lanes, sum);
    Value inverse = e.fdiv(e.cF32(1), e.toF32(e.maxS(count, e.cI64(1))));
    for (Value &v : sum)
      v = e.fmul(v, inverse);
    w.store(lanes, p.out, sum,
            addressOf(e, out, {item.b, item.head, g}, sizeOf(p.out)),
            lanes.leading);
  });
  return w.finish();
}

BuiltStage buildPages(ModuleOp module, const PagesParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  RowLanes lanes(w.h, p.keyDim);
  Elem elem = p.source.kElem;
  View keys = w.view(p.source.k, 4, elem), scales;
  std::vector<View> parts;
  for (const KeptPart &part : p.parts)
    parts.push_back(
        w.view(part.slot, part.kind == KeptPart::MinMax ? 4 : 3, Elem::F32));
  w.viewsAreRead();
  if (p.source.kScale >= 0)
    scales = w.s.view(p.source.kScale, 3);
  auto smaller = [&](Value x, Value y) {
    return e.select(e.cmp(CmpFPredicate::OLT, x, y), x, y);
  };
  auto larger = [&](Value x, Value y) { return e.fmax(x, y); };
  w.forEachUnit(p.heads, [&](const Item &item, Value head) {
    Value tokens = item.k1;
    Value from = addressOf(e, keys, {item.row, head}, sizeOf(elem)), scaleRow;
    if (scales.data)
      scaleRow = addressOf(e, scales, {item.row, head}, 4);
    size_t n = 4 * lanes.steps;
    // Least, largest, sum of each column.
    Values init = w.zeros(lanes, INFINITY);
    init.append(w.zeros(lanes, -INFINITY));
    init.append(w.zeros(lanes));
    Values found = e.forLoop(
        lanes.row, tokens, e.cI64(lanes.rows), init,
        [&](Value t, ValueRange c) {
          Values x = w.load(lanes, elem,
                            e.at(from, e.mul(t, keys.stride[2]), sizeOf(elem)));
          if (scaleRow)
            scaleRowBy(
                w, x,
                w.h.loadGlobal(e.f32,
                               e.at(scaleRow, e.mul(t, scales.stride[2]), 4)));
          Values next(3 * n);
          for (size_t i = 0; i < n; ++i) {
            next[i] = smaller(x[i], c[i]);
            next[n + i] = larger(x[i], c[n + i]);
            next[2 * n + i] = e.fadd(c[2 * n + i], x[i]);
          }
          return next;
        });
    for (size_t i = 0; i < n; ++i) {
      found[i] = w.acrossRows(lanes, found[i], smaller);
      found[n + i] = w.acrossRows(lanes, found[n + i], larger);
    }
    Values sum(ArrayRef<Value>(found).drop_front(2 * n));
    w.sumRows(lanes, sum);
    Value number = e.toF32(tokens);
    for (Value &v : sum)
      v = e.fdiv(v, number);
    for (auto [part, view] : llvm::zip(p.parts, parts)) {
      Value to = addressOf(e, view, {item.row, head}, 4);
      if (part.kind == KeptPart::Mean) {
        w.store(lanes, Elem::F32, sum, to, lanes.leading);
        continue;
      }
      for (size_t i : {0, 1})
        w.store(lanes, Elem::F32,
                Values(ArrayRef<Value>(found).slice(i * n, n)),
                i ? e.at(to, view.stride[2], 4) : to, lanes.leading);
    }
  });
  return w.finish();
}

} // namespace fovea::gpu
