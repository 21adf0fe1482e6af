// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Masks and score modifiers of the prefill stream: the class of a block, and
// the pass over the scores of a panel that needs one.
#include "codegen/cpu/PrefillBuilder.h"

#include <fovea/abi.h>

#include <cmath>

using namespace mlir;

namespace fovea::cpu {

using namespace prefill;

/// Runs `body` with the class of a block for all rows of the item, unless it is
/// empty: then nothing of the block is read. Runs that would be too many have
/// such blocks between them.
void PrefillBuilder::unlessEmpty(Value source, Value k, Value n,
                                 llvm::function_ref<void(Value)> body) {
  Value kind = classOfItem(source, k, n);
  if (!kind)
    return body({});
  e.ifThen(e.cmp(kNe, kind, e.cI32(FOVEA_TILE_EMPTY)), [&] { body(kind); });
}

/// The class of a panel's block, of whose tile `kind` is the class, and the
/// keys that somebody of the panel sees. If it is partial, `seen` has its
/// pairs.
PrefillBuilder::PanelClass PrefillBuilder::emitClass(Value panel, Value source,
                                                     Value k, Value n,
                                                     Value kind) {
  if (!p.keep)
    return {{}, {n, {}, {}}};
  Value open = e.andI(e.cmp(kEq, kind, e.cI32(FOVEA_TILE_PARTIAL)),
                      e.cmp(kNe, panelCount, e.cI64(1)));
  kind = e.ifElse(
      open, e.i32,
      [&] {
        Value first = e.add(row, e.mul(panel, lanes));
        Value count = e.minS(e.cI64(lanes), e.sub(e.add(row, rowCount), first));
        return Values{solveClass(first, count, source, k, n)};
      },
      [&] { return Values{kind}; })[0];
  Values found = e.ifElse(
      e.cmp(kEq, kind, e.cI32(FOVEA_TILE_PARTIAL)), {e.i32, e.i64},
      [&] {
        Value exact = solvePairs(panel, source, k, n);
        return Values{exact, solveSpans(n)};
      },
      [&] {
        e.store(e.cI64(0), spans);
        e.store(n, e.at(spans, 8));
        return Values{kind, e.cI64(1)};
      });
  return {found[0], {n, spans, found[1]}};
}

/// Lanes that see row `row` of the block, as solvePairs left them.
Value PrefillBuilder::loadSeen(Value row) {
  Value bits = e.load(e.b.getIntegerType(lanes), e.at(seen, row, lanes / 8));
  return e.bitcast(bits, e.vec(lanes, e.i1));
}

/// Asks the mask for each pair of a panel and a block, and returns what class
/// that makes it. The pairs cost a twentieth of the products, which an empty
/// panel then saves, and no search by intervals is exact at that price. Rows
/// that pad the block are seen by nobody.
Value PrefillBuilder::solvePairs(Value panel, Value source, Value k, Value n) {
  ElementContext context = contextOf(panel);
  context.outside = e.b.saveInsertionPoint();
  Type type = e.b.getIntegerType(lanes);
  Value none = e.constant(e.b.getIntegerAttr(type, 0));
  Value every = e.constant(e.b.getIntegerAttr(type, -1));
  Values found =
      e.forLoop(e.cI64(0), n, e.cI64(1), {none, every},
                [&](Value i, ValueRange carried) -> Values {
                  Value keep = emitKeep(context, keyAt(k, i), source);
                  Value bits = e.bitcast(keep, type);
                  e.store(bits, e.at(seen, i, lanes / 8));
                  return {e.orI(carried[0], bits), e.andI(carried[1], bits)};
                });
  if (shape.regRows > 1) {
    Value rows = e.cI64(shape.regRows);
    Value padded = e.mul(e.divU(e.add(n, shape.regRows - 1), rows), rows);
    e.forLoop(n, padded, e.cI64(1),
              [&](Value i) { e.store(none, e.at(seen, i, lanes / 8)); });
  }
  return e.select(e.cmp(kEq, found[0], none), e.cI32(FOVEA_TILE_EMPTY),
                  e.select(e.cmp(kEq, found[1], every), e.cI32(FOVEA_TILE_FULL),
                           e.cI32(FOVEA_TILE_PARTIAL)));
}

/// Writes the spans of keys that somebody of the panel sees, by its bits, and
/// returns how many there are. A register tile of keys that nobody sees is not
/// worth its products, wherever it lies: blocks may be as long as reading and
/// converting them wants.
Value PrefillBuilder::solveSpans(Value n) {
  int64_t rows = shape.regRows;
  Type bytes = e.vec(rows * lanes / 8, e.i8); // aligned as bytes
  Type bits = e.b.getIntegerType(unsigned(rows * lanes));
  Value none = e.constant(e.b.getIntegerAttr(bits, 0));
  Value zero = e.cI64(0), one = e.cI64(1);
  Values end = e.forLoop(zero, n, e.cI64(rows), {zero, zero, zero},
                         [&](Value i, ValueRange carried) -> Values {
                           Value open = e.cmp(kNe, carried[1], zero);
                           Value tile = e.load(bytes, e.at(seen, i, lanes / 8));
                           Value any = e.cmp(kNe, e.bitcast(tile, bits), none);
                           Value count = e.select(
                               any, carried[0], e.add(carried[0], carried[1]));
                           Value lo = e.select(open, carried[2], i);
                           // Behind the last span these two say nothing.
                           Value span = e.at(spans, e.mul(count, 2), 8);
                           e.store(lo, span);
                           e.store(e.minS(e.add(i, rows), n), e.at(span, 8));
                           return {count, e.select(any, one, zero), lo};
                         });
  return e.add(end[0], end[1]);
}

/// The scores of the block's rows from `first` on, -inf where they are not
/// seen.
Values PrefillBuilder::hideUnseen(Value first, Values scores) {
  for (auto [r, score] : llvm::enumerate(scores))
    score = e.select(loadSeen(e.add(first, r)), score,
                     e.splatF32(lanes, -INFINITY));
  return scores;
}

ElementContext PrefillBuilder::contextOf(Value panel) {
  // Rows are packed head fastest; lanes past the end repeat the last row.
  Value first = e.toInt(e.add(row, e.mul(panel, lanes)), e.i32);
  Value r = e.add(e.splat(first, lanes), e.iota(lanes, e.i32));
  r = e.minS(r, e.splat(e.toInt(e.sub(rows, 1), e.i32), lanes));
  Value group = e.splatInt(lanes, e.i32, p.group);
  Value pos = e.divU(r, group);
  ElementContext context;
  context.b = itemB;
  context.len = len;
  context.q = e.add(pos, e.splat(e.toInt(qOff, e.i32), lanes));
  if (rowTokens)
    context.q =
        e.load(e.vec(lanes, e.i32), e.at(rowTokens, e.mul(panel, lanes), 4));
  context.h =
      e.add(e.sub(r, e.mul(pos, group)), e.splat(e.toInt(head, e.i32), lanes));
  // What depends on the head alone then stays scalar, and tables by head are
  // read at one place.
  if (p.group == 1)
    context.head = head;
  return context;
}

/// A pass over the scores of a panel: modifier, ln(count), mask. Returns the
/// maximum of `max` and the new scores.
Value PrefillBuilder::emitAdjust(Value panel, Value source, Value k,
                                 const KeySpans &keys, Value max, bool masked) {
  ElementContext context = contextOf(panel);
  context.outside = e.b.saveInsertionPoint();
  return forKeys(e, keys, max, [&](Value i, ValueRange carried) -> Values {
    Value at = e.at(sPanel, e.mul(i, lanes), 4);
    Value x = e.load(max.getType(), at);
    Value key = keyAt(k, i);
    context.k = p.score ? tokenOf(source, key) : key;
    if (p.score) {
      auto modified = p.score(e, x, context);
      if (failed(modified))
        refused = true;
      else
        x = Emitter::lanesOf(*modified) ? *modified : e.splat(*modified, lanes);
      x = e.fmul(x, e.splatF32(lanes, kLog2E));
    }
    if (pooled()) {
      x = e.fadd(x, e.splat(pooledBias(source, key), lanes));
    }
    if (masked)
      x = e.select(loadSeen(i), x, e.splatF32(lanes, -INFINITY));
    e.store(x, at);
    return {e.fmax(x, carried[0])};
  })[0];
}

} // namespace fovea::cpu
