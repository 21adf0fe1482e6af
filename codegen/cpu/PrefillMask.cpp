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

/// The list of all keys of a block of n.
Value PrefillBuilder::everyKey(Value n) {
  constexpr int64_t width = 16;
  Value last = e.splat(e.toInt(e.sub(n, 1), e.i32), width);
  Value count = e.add(n, shape.regRows - 1);
  e.forLoop(e.cI64(0), count, e.cI64(width), [&](Value i) {
    Value key = e.add(e.splat(e.toInt(i, e.i32), width), e.iota(width, e.i32));
    e.store(e.minS(key, last), e.at(everyList, i, 4));
  });
  return everyList;
}

/// The class of a panel's block, of whose tile `kind` is the class, and the
/// keys that somebody of the panel sees. If it is partial, `seen` has its
/// pairs.
PrefillBuilder::PanelClass PrefillBuilder::emitClass(Value panel, Value source,
                                                     Value k,
                                                     const LiveKeys &block,
                                                     Value kind) {
  if (!p.keep)
    return {{}, block};
  Value open = e.andI(e.cmp(kEq, kind, e.cI32(FOVEA_TILE_PARTIAL)),
                      e.cmp(kNe, panelCount, e.cI64(1)));
  kind = e.ifElse(
      open, e.i32,
      [&] {
        Value first = e.add(row, e.mul(panel, lanes));
        Value count = e.minS(e.cI64(lanes), e.sub(e.add(row, rowCount), first));
        return Values{solveClass(first, count, source, k, block.count)};
      },
      [&] { return Values{kind}; })[0];
  Values found = e.ifElse(
      e.cmp(kEq, kind, e.cI32(FOVEA_TILE_PARTIAL)), {e.i32, e.i64, e.ptr},
      [&] {
        auto [exact, count] = solvePairs(panel, source, k, block.count);
        return Values{exact, count, liveList};
      },
      [&] {
        return Values{kind, block.count, block.list};
      });
  return {found[0], {found[1], found[2]}};
}

/// Lanes that see key `place` of the block, as solvePairs left them.
Value PrefillBuilder::loadSeen(Value place) {
  Value bits = e.load(e.b.getIntegerType(lanes), e.at(seen, place, lanes / 8));
  return e.bitcast(bits, e.vec(lanes, e.i1));
}

/// Asks the mask for each pair of a panel and a block, lists the keys that
/// somebody sees, and returns what class that makes it and how many they are.
/// The pairs cost a twentieth of the products. No search by intervals is exact
/// at that price, and keys that nobody sees are not worth theirs wherever they
/// lie: blocks may be as long as reading and converting them wants.
std::pair<Value, Value> PrefillBuilder::solvePairs(Value panel, Value source,
                                                   Value k, Value n) {
  ElementContext context = contextOf(panel);
  context.outside = e.b.saveInsertionPoint();
  Type type = e.b.getIntegerType(lanes);
  Value none = e.constant(e.b.getIntegerAttr(type, 0));
  Value every = e.constant(e.b.getIntegerAttr(type, -1));
  Value zero = e.cI64(0), one = e.cI64(1);
  Value all = e.forLoop(zero, n, one, every, [&](Value i, ValueRange carried) {
    Value bits = e.bitcast(emitKeep(context, keyAt(k, i), source), type);
    e.store(bits, e.at(seen, i, lanes / 8));
    return Values{e.andI(carried[0], bits)};
  })[0];
  // Not in the loop above: stores at places that depend on what was loaded slow
  // its loads down. The next live key takes the place of one that is not.
  Value count = e.forLoop(zero, n, one, zero, [&](Value i, ValueRange carried) {
    e.store(e.toInt(i, e.i32), e.at(liveList, carried[0], 4));
    Value bits = e.load(type, e.at(seen, i, lanes / 8));
    Value live = e.select(e.cmp(kNe, bits, none), one, zero);
    return Values{e.add(carried[0], live)};
  })[0];
  Value empty = e.cmp(kEq, count, zero);
  Value end = e.at(liveList, e.maxS(count, one), 4);
  Value last = e.load(e.i32, e.at(end, -4));
  for (int64_t i = 0; i + 1 < shape.regRows; ++i)
    e.store(last, e.at(end, 4 * i));
  Value kind =
      e.select(empty, e.cI32(FOVEA_TILE_EMPTY),
               e.select(e.cmp(kEq, all, every), e.cI32(FOVEA_TILE_FULL),
                        e.cI32(FOVEA_TILE_PARTIAL)));
  return {kind, count};
}

/// The scores of live keys from `first` on, -inf where they are not seen.
Values PrefillBuilder::hideUnseen(const LiveKeys &keys, Value first,
                                  Values scores) {
  for (auto [r, score] : llvm::enumerate(scores))
    score = e.select(loadSeen(keys.at(e, e.add(first, r))), score,
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
                                 const LiveKeys &keys, Value max, bool masked) {
  ElementContext context = contextOf(panel);
  context.outside = e.b.saveInsertionPoint();
  Value zero = e.cI64(0), one = e.cI64(1);
  auto adjust = [&](Value i, ValueRange carried) -> Values {
    Value at = e.at(sPanel, e.mul(i, lanes), 4);
    Value x = e.load(max.getType(), at);
    Value place = keys.at(e, i), key = keyAt(k, place);
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
      x = e.select(loadSeen(place), x, e.splatF32(lanes, -INFINITY));
    e.store(x, at);
    return {e.fmax(x, carried[0])};
  };
  return e.forLoop(zero, keys.count, one, max, adjust)[0];
}

} // namespace fovea::cpu
