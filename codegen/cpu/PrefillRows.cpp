// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rows of an item of the prefill stream: where they come from, how they
// are packed, and what becomes of their state.
#include "codegen/cpu/PrefillBuilder.h"

#include <fovea/abi.h>

#include <cmath>

using namespace mlir;

namespace fovea::cpu {

using namespace prefill;

void PrefillBuilder::forRows(
    Value count, llvm::function_ref<void(Value, const RowPlace &)> body) {
  e.forLoop(e.cI64(0), count, e.cI64(1), [&](Value i) { body(i, placeOf(i)); });
}

/// The address of each row of the panels; rows that do not exist get the last
/// one's, or `spare` if given.
void PrefillBuilder::emitPointers(const View &view, unsigned bytes,
                                  Value spare) {
  forRows(padded, [&](Value i, const RowPlace &row) {
    Value at =
        rowAddress(s, view, p.ragged, row.b, row.head, row.position, bytes);
    if (spare)
      at = e.select(e.cmp(kSlt, i, rowCount), at, spare);
    e.store(at, e.at(pointers, i, 8));
  });
}

/// Scores are kept in powers of two; a modifier wants them as they are.
float PrefillBuilder::scoreFactor() const {
  return p.score ? p.scale : p.scale * kLog2E;
}

void PrefillBuilder::emitQueries() {
  emitPointers(query, sizeOf(p.queryElem), {});
  Elem elem = p.queryElem;
  if (rowTokens)
    forRows(padded, [&](Value i, const RowPlace &at) {
      Value token = e.add(s.qOffset(at.b), at.position);
      e.store(e.toInt(token, e.i32), e.at(rowTokens, i, 4));
      if (!p.rope.rule)
        return;
      token = queryPosition(s, p.rope, p.segments, at.b, token);
      Value pointer = e.at(pointers, i, 8);
      Value to = e.at(rotatedRows, e.mul(i, p.keyDim), 4);
      emitRotate(e, p.rope, rotation, elem, p.keyDim, e.load(e.ptr, pointer),
                 {}, token, to);
      e.store(to, pointer);
    });
  if (p.rope.rule)
    elem = Elem::F32;
  // The matrix unit takes them as they are: pairs move as 32 bits.
  if (unit)
    emitPack(e, shape, Elem::F32, p.keyDim / 2, pointers, padded, qPanels, {});
  else
    emitPack(e, shape, elem, p.keyDim, pointers, padded, qPanels,
             scoreFactor());
}

/// Stores one f32 per row, computed from m and l of each panel.
void PrefillBuilder::emitRowScalars(
    const View &view, bool bySlot, const Item &item,
    llvm::function_ref<Value(Value, Value)> value) {
  Type type = e.vec(lanes, e.f32);
  e.forLoop(e.cI64(0), panelCount, e.cI64(1), [&](Value panel) {
    Value st = panelState(panel);
    Value v = value(e.load(type, st), e.load(type, e.at(st, lanes * 4)));
    e.store(v, e.at(rowValues, e.mul(panel, lanes), 4));
  });
  forRows(rowCount, [&](Value i, const RowPlace &at) {
    Value to =
        bySlot ? addressOf(e, view, {item.slot, i}, 4)
               : rowAddress(s, view, p.ragged, at.b, at.head, at.position, 4);
    e.store(e.loadAt(e.f32, rowValues, i), to);
  });
}

void PrefillBuilder::emitFinish(const Item &item) {
  auto isZero = [&](Value l) {
    return e.cmp(arith::CmpFPredicate::OEQ, l, e.like(l, 0));
  };
  // A slot that saw nothing does not count; a result says so.
  auto naturalMax = [&](float nothing) {
    return [&, nothing](Value m, Value l) -> Value {
      return e.select(isZero(l), e.like(m, nothing),
                      e.fmul(m, e.like(m, kLn2)));
    };
  };
  auto sum = [](Value, Value l) { return l; };
  auto whole = [&] {
    if (p.sink && !p.twice)
      emitSink();
    std::optional<float> factor = p.outFactor;
    if (p.partial || p.twice)
      factor.reset();
    emitPointers(out, sizeOf(p.outElem), spareRow);
    emitUnpack(e, shape, p.outElem, p.valueDim, pointers, padded, oPanels,
               state, factor);
    if (p.partial) {
      emitRowScalars(partM, false, item, naturalMax(-INFINITY));
      emitRowScalars(partL, false, item, sum);
    }
    if (p.lse)
      emitRowScalars(lse, false, item, [&](Value m, Value l) {
        Value value = e.fma(m, e.like(m, kLn2), e.log(l));
        return e.select(isZero(l), e.like(m, -INFINITY), value);
      });
  };
  auto part = [&] {
    e.forLoop(e.cI64(0), padded, e.cI64(1), [&](Value i) {
      Value at = addressOf(e, splitO, {item.slot, i}, 4);
      at = e.select(e.cmp(kSlt, i, rowCount), at, spareRow);
      e.store(at, e.at(pointers, i, 8));
    });
    emitUnpack(e, shape, Elem::F32, p.valueDim, pointers, padded, oPanels,
               state, /*factor=*/std::nullopt);
    emitRowScalars(splitM, true, item, naturalMax(kNoMax));
    emitRowScalars(splitL, true, item, sum);
  };
  if (!p.split) {
    whole();
    return;
  }
  e.ifElse(
      e.cmp(kSge, item.slot, e.cI64(0)), TypeRange(),
      [&] {
        part();
        return Values();
      },
      [&] {
        whole();
        return Values();
      });
}

} // namespace fovea::cpu
