// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Merges the states of a split item. Slots ascend, so that the result depends
// on the plan alone.
#include "codegen/cpu/LaneTools.h"
#include "codegen/cpu/SmallStages.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpFPredicate;

BuiltStage buildCombine(ModuleOp module, const CombineParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  int64_t lanes = p.isa == Isa::AVX512 ? 16 : 8;
  int64_t padded = llvm::alignTo(p.valueDim, lanes);
  int64_t whole = p.valueDim / lanes * lanes;
  Type floats = e.vec(lanes, e.f32);
  Value sums = f.reserve(4 * padded);
  View wsO = f.view(p.wsO, 3), wsM = f.view(p.wsM, 2), wsL = f.view(p.wsL, 2);
  View o = f.view(p.oSlot, 4), lse, m, l;
  if (p.lseSlot >= 0)
    lse = f.view(p.lseSlot, 3);
  if (p.mSlot >= 0) {
    m = f.view(p.mSlot, 3);
    l = f.view(p.lSlot, 3);
  }
  Value queries = f.symbol(p.querySymbol);
  Value minusInf = e.cF32(-std::numeric_limits<float>::infinity());
  Value zero = e.cF32(0);
  Value group = e.cI64(p.group);

  f.forEachItem([&](const Item &item) {
    Value rows = e.minS(e.sub(e.mul(queries, group), item.row), e.cI64(p.rows));
    Value end = e.add(item.slot, item.count);
    e.forLoop(e.cI64(0), rows, e.cI64(1), [&](Value r) {
      auto number = [&](const View &view, Value slot) {
        return e.load(e.f32, addressOf(e, view, {slot, r}, 4));
      };
      // An empty slot has l = 0 and any m.
      auto isEmpty = [&](Value sum) {
        return e.cmp(CmpFPredicate::OEQ, sum, zero);
      };
      Value top = e.forLoop(item.slot, end, e.cI64(1), {minusInf},
                            [&](Value slot, ValueRange c) {
                              Value own = e.select(isEmpty(number(wsL, slot)),
                                                   minusInf, number(wsM, slot));
                              return Values{e.fmax(c[0], own)};
                            })[0];
      e.forLoop(e.cI64(0), e.cI64(padded), e.cI64(lanes), [&](Value d) {
        e.store(e.splatF32(lanes, 0), e.at(sums, d, 4));
      });
      Value total = e.forLoop(
          item.slot, end, e.cI64(1), {zero}, [&](Value slot, ValueRange c) {
            Value part = number(wsL, slot);
            return e.ifElse(
                isEmpty(part), {e.f32}, [&] { return Values{c[0]}; },
                [&] {
                  Value weight = e.exp2(e.fmul(e.fsub(number(wsM, slot), top),
                                               e.cF32(1.44269504088896341f)));
                  Value w = e.splat(weight, lanes);
                  Value row = addressOf(e, wsO, {slot, r}, 4);
                  auto step = [&](Value value, Value at) {
                    e.store(e.fma(value, w, e.load(floats, at)), at);
                  };
                  e.forLoop(
                      e.cI64(0), e.cI64(whole), e.cI64(lanes), [&](Value d) {
                        step(e.load(floats, e.at(row, d, 4)), e.at(sums, d, 4));
                      });
                  if (whole < p.valueDim)
                    step(loadPartial(e, e.f32, e.at(row, 4 * whole),
                                     p.valueDim - whole, lanes),
                         e.at(sums, 4 * whole));
                  return Values{e.fma(weight, part, c[0])};
                });
          })[0];

      Value packed = e.add(item.row, r);
      SmallVector<Value> at = {
          item.b, e.add(e.mul(item.head, group), e.remU(packed, group)),
          e.divU(packed, group)};
      Value empty = isEmpty(total), factor = e.cF32(1);
      if (p.mSlot >= 0) {
        e.store(e.select(empty, minusInf, top), addressOf(e, m, at, 4));
        e.store(total, addressOf(e, l, at, 4));
      } else {
        factor = e.select(empty, zero, e.fdiv(e.cF32(1), total));
      }
      if (p.lseSlot >= 0) {
        Value sum = e.fadd(top, e.log(e.select(empty, e.cF32(1), total)));
        e.store(e.select(empty, minusInf, sum), addressOf(e, lse, at, 4));
      }
      Value scale = e.splat(factor, lanes);
      Value out = addressOf(e, o, at, sizeOf(p.o));
      auto result = [&](Value from) {
        return e.narrow(p.o, e.fmul(e.load(floats, from), scale));
      };
      e.forLoop(e.cI64(0), e.cI64(whole), e.cI64(lanes), [&](Value d) {
        e.store(result(e.at(sums, d, 4)), e.at(out, d, sizeOf(p.o)));
      });
      if (whole < p.valueDim)
        storePartial(e, result(e.at(sums, 4 * whole)),
                     e.at(out, whole * sizeOf(p.o)), p.valueDim - whole);
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

} // namespace fovea::cpu
