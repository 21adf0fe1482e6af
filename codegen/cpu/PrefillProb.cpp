// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the prefill stream does to probabilities: regions on them, and the sinks
// of heads in the softmax.
#include "codegen/cpu/PrefillBuilder.h"

#include <cmath>

using namespace mlir;

namespace fovea::cpu {

using namespace prefill;

/// Lets each row's sink take part in m and l; o goes with m.
void PrefillBuilder::emitSink() {
  forRows(padded, [&](Value i, const RowPlace &at) {
    Value s = e.load(e.f32, addressOf(e, sink, {at.head}, 4));
    e.store(e.fmul(s, e.cF32(kLog2E)), e.at(rowValues, i, 4));
  });
  Type type = e.vec(lanes, e.f32);
  e.forLoop(e.cI64(0), panelCount, e.cI64(1), [&](Value panel) {
    Value st = panelState(panel), stL = e.at(st, lanes * 4);
    Value m0 = e.load(type, st);
    Value s = e.load(type, e.at(rowValues, e.mul(panel, lanes), 4));
    Value m = e.fmax(m0, s);
    Value alpha = e.exp2(e.fsub(m0, m), shape.expDegree);
    Value own = e.exp2(e.fsub(s, m), shape.expDegree);
    e.store(m, st);
    e.store(e.fma(e.load(type, stL), alpha, own), stL);
    if (pass == Pass::Sums)
      return; // there is no o yet
    Value oPanel = e.at(oPanels, e.mul(panel, p.valueDim * lanes), 4);
    e.forLoop(e.cI64(0), e.cI64(p.valueDim), e.cI64(1), [&](Value d) {
      Value at = e.at(oPanel, e.mul(d, lanes), 4);
      e.store(e.fmul(e.load(type, at), alpha), at);
    });
  });
}

Value PrefillBuilder::emitProb(Value weight, Value hidden,
                               const ElementContext &context) {
  auto changed = p.prob(e, weight, context);
  if (failed(changed)) {
    refused = true;
    return weight;
  }
  Value v = Emitter::lanesOf(*changed) ? *changed : e.splat(*changed, lanes);
  return e.select(hidden, e.like(v, 0), v);
}

/// A region that is linear in the weights, on those of a block.
void PrefillBuilder::emitWeights(Value panel, Value source, Value k,
                                 const LiveKeys &keys) {
  ElementContext context = contextOf(panel);
  context.outside = e.b.saveInsertionPoint();
  e.forLoop(e.cI64(0), keys.count, e.cI64(1), [&](Value i) {
    Value at = e.at(sPanel, e.mul(i, lanes), 4);
    Value w = e.load(e.vec(lanes, e.f32), at);
    context.k = tokenOf(source, keyAt(k, keys.at(e, i)));
    Value hidden = e.cmp(arith::CmpFPredicate::OEQ, w, e.like(w, 0));
    e.store(emitProb(w, hidden, context), at);
  });
}

/// The second walk: scores become what the region makes of the shares.
void PrefillBuilder::emitShares(Value panel, Value source, Value k,
                                const LiveKeys &keys) {
  Type type = e.vec(lanes, e.f32);
  ElementContext context = contextOf(panel);
  Value st = panelState(panel);
  Value m = e.load(type, st), l = e.load(type, e.at(st, lanes * 4));
  Value inverse = e.fdiv(e.like(l, 1), l);
  context.outside = e.b.saveInsertionPoint();
  e.forLoop(e.cI64(0), keys.count, e.cI64(1), [&](Value i) {
    Value at = e.at(sPanel, e.mul(i, lanes), 4);
    Value s = e.load(type, at);
    context.k = tokenOf(source, keyAt(k, keys.at(e, i)));
    Value hidden = e.cmp(arith::CmpFPredicate::OEQ, s, e.like(s, -INFINITY));
    Value share = e.fmul(e.exp2(e.fsub(s, m), shape.expDegree), inverse);
    e.store(emitProb(share, hidden, context), at);
  });
}

} // namespace fovea::cpu
