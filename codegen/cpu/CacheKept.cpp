// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a cache keeps of its pages, and the scores that are made from it.
#include "codegen/cpu/CacheAddress.h"
#include "codegen/cpu/CacheRows.h"
#include "codegen/cpu/CacheStages.h"
#include "codegen/cpu/LaneTools.h"

#include <limits>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpFPredicate;
using arith::CmpIPredicate;

static constexpr float infinity = std::numeric_limits<float>::infinity();

BuiltStage buildPages(ModuleOp module, const PagesParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  int64_t lanes = vectorLanes(p.isa);
  Elem elem = p.source.kElem;
  unsigned bytes = sizeOf(elem);
  View keys = f.view(p.source.k, 4), scales;
  if (p.source.kScale >= 0)
    scales = f.view(p.source.kScale, 3);
  std::vector<View> parts;
  for (const KeptPart &part : p.parts)
    parts.push_back(f.view(part.slot, part.kind == KeptPart::MinMax ? 4 : 3));
  f.forEachItem([&](const Item &item) {
    Value tokens = item.k1;
    Value number = e.splat(e.toF32(tokens), lanes);
    e.forLoop(e.cI64(0), e.cI64(p.heads), e.cI64(1), [&](Value head) {
      Value from = addressOf(e, keys, {item.row, head}, bytes), scaleRow;
      if (scales.data)
        scaleRow = addressOf(e, scales, {item.row, head}, 4);
      auto column = [&](Value d, int64_t n) {
        Value high = e.splatF32(lanes, infinity);
        Value low = e.splatF32(lanes, -infinity);
        Values found = e.forLoop(
            e.cI64(0), tokens, e.cI64(1), {high, low, e.splatF32(lanes, 0)},
            [&](Value t, ValueRange c) {
              RowSource row{
                  elem, e.at(from, e.mul(t, keys.stride[2]), bytes), {}};
              if (scaleRow)
                row.scale = e.load(
                    e.f32, e.at(scaleRow, e.mul(t, scales.stride[2]), 4));
              Value x = loadRowVector(e, row, d, n, lanes);
              Value less = e.cmp(CmpFPredicate::OLT, x, c[0]);
              return Values{e.select(less, x, c[0]), e.fmax(x, c[1]),
                            e.fadd(c[2], x)};
            });
        for (auto [part, view] : llvm::zip(p.parts, parts)) {
          Value to = e.at(addressOf(e, view, {item.row, head}, 4), d, 4);
          if (part.kind == KeptPart::Mean) {
            storePartial(e, e.fdiv(found[2], number), to, n);
            continue;
          }
          storePartial(e, found[0], to, n);
          storePartial(e, found[1], e.at(to, view.stride[2], 4), n);
        }
      };
      int64_t whole = p.keyDim / lanes * lanes;
      e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(lanes),
                [&](Value d) { column(d, lanes); });
      if (whole < p.keyDim)
        column(e.cI64(whole), p.keyDim - whole);
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

BuiltStage buildKeptScore(ModuleOp module, const KeptScoreParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  int64_t lanes = vectorLanes(p.isa);
  bool bound = p.kept.kind == KeptPart::MinMax;
  Value query = f.reserve(4 * (p.dim + lanes));
  unsigned rank = p.ragged ? 3 : 4;
  View q = f.view(p.qSlot, rank), scores = f.view(p.scoreSlot, rank);
  View kept = f.view(p.kept.slot, bound ? 4 : 3);
  View ranges = f.view(p.source.ranges, 2), pages = f.view(p.source.pages, 1);
  int64_t size = p.source.pageTokens;
  Type floats = e.vec(lanes, e.f32);
  f.forEachItem([&](const Item &item) {
    RangeValues range = loadRange(e, ranges, item.b);
    Value rows = e.minS(e.sub(f.rowCount(item.b), item.row), e.cI64(p.rows));
    Value kvHead = e.divU(item.head, e.cI64(p.kvGroup));
    Value table = e.at(pages.data, e.mul(range.table, pages.stride[0]), 4);
    e.forLoop(e.cI64(0), rows, e.cI64(1), [&](Value r) {
      Value position = e.add(item.row, r);
      auto rowOf = [&](const View &view, unsigned bytes) {
        return rowAddress(f, view, p.ragged, item.b, item.head, position,
                          bytes);
      };
      RowSource row{p.q, rowOf(q, sizeOf(p.q)), {}};
      forRowVectors(e, p.dim, lanes, [&](Value d, int64_t n) {
        e.store(loadRowVector(e, row, d, n, lanes), e.at(query, d, 4));
      });
      Value to = rowOf(scores, 4), stride = scores.stride.back();
      e.forLoop(e.cI64(0), scores.shape.back(), e.cI64(1), [&](Value page) {
        Value first = e.add(range.base, e.mul(page, size));
        Value last = e.add(first, size);
        Value some = e.cmp(CmpIPredicate::slt, e.maxS(first, range.begin),
                           e.minS(last, range.end));
        auto compute = [&] {
          Value id = e.toInt(e.loadAt(e.i32, table, page), e.i64);
          Value from = addressOf(e, kept, {id, kvHead}, 4);
          Values sums(2, e.splatF32(lanes, 0));
          auto column = [&](Value d, int64_t n, Value sum) -> Value {
            Value x = e.load(floats, e.at(query, d, 4));
            Value low = loadPartial(e, e.f32, e.at(from, d, 4), n, lanes);
            if (!bound)
              return e.fma(x, low, sum);
            Value high = loadPartial(
                e, e.f32, e.at(e.at(from, kept.stride[2], 4), d, 4), n, lanes);
            return e.fadd(sum, e.fmax(e.fmul(x, low), e.fmul(x, high)));
          };
          int64_t step = 2 * lanes, whole = p.dim / step * step;
          sums =
              e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(step), sums,
                        [&](Value d, ValueRange c) {
                          return Values{column(d, lanes, c[0]),
                                        column(e.add(d, lanes), lanes, c[1])};
                        });
          for (int64_t d = whole; d < p.dim; d += lanes)
            sums[0] = column(e.cI64(d), std::min(lanes, p.dim - d), sums[0]);
          Value sum = sumLanes(e, e.fadd(sums[0], sums[1]));
          return Values{e.fmul(sum, e.cF32(p.scale))};
        };
        Value s = e.ifElse(some, {e.f32}, compute,
                           [&] { return Values{e.cF32(-infinity)}; })[0];
        e.store(s, e.at(to, e.mul(page, stride), 4));
      });
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

} // namespace fovea::cpu
