// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Items, runs of keys, classes of blocks and pairs, for every builder of a
// stream.
#include "codegen/cpu/StreamWalk.h"

#include "codegen/cpu/DecodeStream.h"
#include "codegen/cpu/PrefillSelection.h"
#include "passes/analysis/TokenOrder.h"

#include <fovea/abi.h>

#include <cmath>

using namespace mlir;

namespace fovea::cpu {

using namespace prefill;

void StreamWalk::readViews() {
  unsigned rank = p.ragged ? 3 : 4;
  query = s.view(p.query, rank);
  if (!cached())
    queries = p.querySymbol ? s.symbol(*p.querySymbol) : query.shape[2];
  out = s.view(p.out, rank);
  if (p.lse)
    lse = s.view(*p.lse, rank - 1);
  if (p.partial) {
    partM = s.view(p.partial->first, rank - 1);
    partL = s.view(p.partial->second, rank - 1);
  }
  if (p.rope.rule)
    rotation = s.view(p.rope.table, 3);
  if (p.sink)
    sink = s.view(*p.sink, 1);
  if (p.split) {
    splitO = s.view(p.split->o, 3);
    splitM = s.view(p.split->m, 2);
    splitL = s.view(p.split->l, 2);
  }
  if (p.selection) {
    list = s.view(
        p.selection->levels ? *p.selection->levels : *p.selection->list, rank);
    if (p.selection->list)
      listCount = s.view(*p.selection->count, rank - 1);
  }
  sources.clear();
  for (const StreamSource &source : p.sources) {
    SourceViews views;
    views.keys = s.view(source.keys, 4);
    views.values = s.view(source.values, 4);
    if (source.keyScales)
      views.keyScales = s.view(*source.keyScales, 3);
    if (source.valueScales)
      views.valueScales = s.view(*source.valueScales, 3);
    sources.push_back(std::move(views));
  }
}

void StreamWalk::beginItem(const Item &item) {
  itemB = item.b;
  head = e.mul(item.head, p.group);
  kvHead = e.divU(head, e.cI64(p.kvGroup ? p.kvGroup : p.group));
  row = item.row;
  rows = e.mul(cached() ? s.rowCount(itemB) : queries, p.group);
  if (cached()) {
    // Rows of a shared item count from 0.
    shared =
        e.cmp(kNe, e.andI(item.flags, e.cI64(FOVEA_ITEM_SHARED)), e.cI64(0));
    sharedFirst = item.row;
    rows = e.select(shared, e.mul(item.count, p.group), rows);
    row = e.select(shared, e.cI64(0), row);
  }
  rowCount = e.minS(e.cI64(p.schedule.rows), e.sub(rows, row));
  qOff = s.qOffset(itemB);
  len = s.kLength(itemB);
}

StreamWalk::RowPlace StreamWalk::placeOf(Value i) {
  Value r = e.minS(e.add(row, i), e.sub(rows, 1)), group = e.cI64(p.group);
  RowPlace at{itemB, e.add(head, e.remU(r, group)), tokenAt(e.divU(r, group))};
  if (!shared)
    return at;
  Values place = e.ifElse(
      shared, {e.i64, e.i64},
      [&] {
        auto [b, position] = s.sharedRow(e.add(sharedFirst, at.position));
        return Values{b, position};
      },
      [&] { return Values{at.b, at.position}; });
  at.b = place[0];
  at.position = place[1];
  return at;
}

QueryTile StreamWalk::tileOf(const Item &item) {
  Value group = e.cI64(p.group);
  Value position = e.divU(row, group);
  Value q0 = e.add(qOff, position);
  Value lastRow = e.sub(e.add(row, rowCount), 1);
  Value q1 = e.add(e.add(qOff, e.divU(lastRow, group)), 1);
  return {itemB, head, q0, q1, len, position, item.k0, item.k1};
}

void StreamWalk::emitRuns(const Item &item, StreamParams::RunBody body) {
  Value zero = e.cI64(0);
  QueryTile tile = tileOf(item);
  if (p.forEachRun)
    return p.forEachRun(s, tile, body);
  if (p.maskLevels)
    return emitLevelRuns(tile, body);
  if (p.selection)
    return forLists([&](Value listHead) {
      tile.head = listHead;
      emitSelectedRuns(
          s, p, tile, list, listCount, sources[0].keys.shape[2],
          [&](Value first, Value last, llvm::function_ref<void(Value)> each) {
            forEntries(first, last, each);
          },
          body);
    });
  auto clipped = [&](Value lo, Value hi) {
    body({e.maxS(lo, item.k0), e.minS(hi, item.k1), zero});
  };
  if (!p.bounds)
    return clipped(zero, len);
  forRuns(tile, clipped);
}

/// The runs of a mask of levels: in every source the rows that have tokens in
/// the runs of what has any level, each row once.
void StreamWalk::emitLevelRuns(const QueryTile &tile,
                               StreamParams::RunBody body) {
  Value zero = e.cI64(0), one = e.cI64(1), done = e.stackSlot(8);
  e.forLoop(zero, e.cI64(p.sources.size()), one, [&](Value source) {
    Value tokens = tokensOf(source);
    e.store(zero, done);
    auto rowsIn = [&](Value lo, Value hi) {
      Value before = e.load(e.i64, done);
      Value first = e.maxS(e.divU(lo, tokens), before);
      Value end = e.divU(e.sub(e.add(hi, tokens), one), tokens);
      end = e.select(e.cmp(kSlt, lo, hi), e.maxS(first, end), first);
      e.store(e.maxS(before, end), done);
      body({first, end, source});
    };
    if (p.bounds)
      forRuns(tile, rowsIn);
    else
      rowsIn(zero, len);
  });
}

Value StreamWalk::tokensOf(Value source) {
  return perSource(
      source,
      [&](const StreamSource &src, unsigned) {
        return e.cI64(src.tokensPerKey);
      },
      e.i64);
}

/// Calls body(lo, hi) once for a loop over the runs of the tile's mask; rows of
/// several sequences see all of the item's keys.
void StreamWalk::forRuns(const QueryTile &tile,
                         llvm::function_ref<void(Value, Value)> body) {
  Value group = e.cI64(p.group), zero = e.cI64(0), one = e.cI64(1);
  Value runs = e.stackSlot(sizeof(fovea_abi_run) * FOVEA_ABI_MAX_RUNS);
  auto boundsOf = [&](Value h) {
    return e.toInt(
        e.call(p.bounds, {s.args, itemB, h, tile.q0, tile.q1, len, runs})[0],
        e.i64);
  };
  auto lowOf = [&](Value i) { return e.at(runs, e.mul(i, 2), 8); };
  if (!p.maskReadsHead || p.group == 1) {
    Value count = !shared ? boundsOf(head)
                          : e.ifElse(
                                shared, {e.i64},
                                [&] {
                                  e.store(tile.k0, runs);
                                  e.store(tile.k1, e.at(runs, 8));
                                  return Values{one};
                                },
                                [&] { return Values{boundsOf(head)}; })[0];
    e.forLoop(zero, count, one, [&](Value i) {
      body(e.load(e.i64, lowOf(i)), e.load(e.i64, e.at(lowOf(i), 8)));
    });
    return;
  }
  // Heads of a group may differ: the hull of their runs, sorted out by class.
  Values hull = e.forLoop(
      zero, group, one, ValueRange{len, zero}, [&](Value g, ValueRange range) {
        Value count = boundsOf(e.add(head, g));
        return e.ifElse(
            e.cmp(kEq, count, zero), range.getTypes(),
            [&] { return Values(range); },
            [&] {
              Value end = e.load(e.i64, e.at(lowOf(e.sub(count, 1)), 8));
              return Values{e.minS(range[0], e.load(e.i64, runs)),
                            e.maxS(range[1], end)};
            });
      });
  if (shared)
    hull = {e.select(shared, tile.k0, hull[0]),
            e.select(shared, tile.k1, hull[1])};
  body(hull[0], hull[1]);
}

Value StreamWalk::perSource(
    Value source, llvm::function_ref<Value(const StreamSource &, unsigned)> f,
    Type type) {
  std::function<Value(unsigned)> chain = [&](unsigned i) -> Value {
    if (i + 1 == p.sources.size())
      return f(p.sources[i], i);
    return e.ifElse(
        e.cmp(kEq, source, e.cI64(i)), type,
        [&] { return Values{f(p.sources[i], i)}; },
        [&] { return Values{chain(i + 1)}; })[0];
  };
  return chain(0);
}

Value StreamWalk::tokenAt(Value position) {
  return p.order
             ? emitTokenAt(e.b, e.loc, p.order, position, /*nonNegative=*/true)
             : position;
}

void StreamWalk::emitSegments(const Item &item) {
  for (const SegmentClass &members : mixedClasses(p.segments))
    e.forLoop(e.cI64(0), e.cI64(members.members.size()), e.cI64(1),
              [&](Value i) { emitSegment(item, members, i); });
}

void StreamWalk::emitSegment(const Item &item, const SegmentClass &members,
                             Value index) {
  SegmentRows rows = loadSegment(s, p.segments, members, index, itemB, kvHead);
  Value lo = rows.begin, hi = e.minS(rows.end, len);
  if (!p.selection) {
    lo = e.maxS(lo, item.k0);
    hi = e.minS(hi, item.k1);
  } else if (!members.listed) {
    // [k0, k1) counts along the list.
    hi = e.select(e.cmp(kEq, item.k0, e.cI64(0)), hi, lo);
  }
  auto clipped = [&](Value from, Value to) {
    emitRows(members, index, rows, e.maxS(from, lo), e.minS(to, hi));
  };
  e.ifThen(e.cmp(kSlt, lo, hi), [&] {
    if (p.selection && members.listed)
      return forLists(
          [&](Value listHead) { emitPages(rows, item, listHead, clipped); });
    if (p.bounds)
      forRuns(tileOf(item), clipped);
    else
      clipped(lo, hi);
  });
}

/// Pages of a segment that a head chose: their number in the sequence.
void StreamWalk::emitPages(const SegmentRows &segment, const Item &item,
                           Value ofHead,
                           llvm::function_ref<void(Value, Value)> body) {
  const Selection &chosen = *p.selection;
  QueryTile tile = tileOf(item);
  Value unit = e.cI64(chosen.unit), zero = e.cI64(0);
  Value listHead = e.divU(ofHead, e.cI64(chosen.heads));
  Value place = e.divU(tile.position, e.cI64(chosen.queries));
  auto rowOf = [&](const View &view) {
    return rowAddress(s, view, p.ragged, itemB, listHead, place, 4);
  };
  Value at = rowOf(list), stride = list.stride.back();
  Value stored = e.toInt(e.load(e.i32, rowOf(listCount)), e.i64);
  Value last = e.divU(e.add(item.k1, chosen.unit - 1), unit);
  last = e.minS(last, e.minS(stored, list.shape.back()));
  forEntries(e.divU(item.k0, unit), last, [&](Value i) {
    Value page = e.toInt(e.load(e.i32, e.at(at, e.mul(i, stride), 4)), e.i64);
    Value from = e.add(segment.base, e.mul(page, unit));
    Value bad = e.orI(e.cmp(kSlt, page, zero), e.cmp(kSge, from, segment.end));
    e.ifThen(bad, [&] { s.fail(StageListOutOfRange); });
    // A bad page becomes an empty run.
    body(from, e.select(bad, from, e.add(from, unit)));
  });
}

Value StreamWalk::classOfItem(Value source, Value k, Value n) {
  if (!p.keep)
    return {};
  auto solve = [&] { return solveClass(row, rowCount, source, k, n); };
  if (!shared)
    return solve();
  return e.ifElse(
      shared, e.i32, [&] { return Values{e.cI32(FOVEA_TILE_FULL)}; },
      [&] { return Values{solve()}; })[0];
}

Value StreamWalk::solveClass(Value first, Value count, Value source, Value k,
                             Value n) {
  if (!p.classify)
    return e.cI32(FOVEA_TILE_PARTIAL);
  Value group = e.cI64(p.group);
  Value last = e.sub(e.add(first, count), 1);
  Value q0 = e.add(qOff, e.divU(first, group));
  Value q1 = e.add(e.add(qOff, e.divU(last, group)), 1);
  Value k0 = k, k1 = e.add(k, n);
  if (pooled()) {
    Value tokens = tokensOf(source);
    k0 = e.mul(k0, tokens);
    k1 = e.minS(e.mul(k1, tokens), len);
  }
  auto classOf = [&](Value h) {
    Value kind = e.call(p.classify, {s.args, itemB, h, q0, q1, k0, k1, len})[0];
    return p.maskLevels ? classOfLevels(e, kind, tokensOf(source)) : kind;
  };
  if (!p.maskReadsHead || p.group == 1)
    return classOf(head);
  // One head's answer holds for the tile only if all agree.
  return e.forLoop(e.cI64(1), group, e.cI64(1), classOf(head),
                   [&](Value g, ValueRange kind) -> Values {
                     Value other = classOf(e.add(head, g));
                     return {e.select(e.cmp(kEq, other, kind[0]), other,
                                      e.cI32(FOVEA_TILE_PARTIAL))};
                   })[0];
}

Value StreamWalk::emitKeep(ElementContext &context, Value key, Value source) {
  Value yes = spread(e.cBool(true));
  auto one = [&](Value token) {
    context.k = token;
    auto keep = p.keep(e, context);
    if (failed(keep)) {
      refused = true;
      return yes;
    }
    Value v = spread(*keep);
    if (p.maskLevels)
      v = e.cmp(kEq, v, spread(e.toInt(tokensOf(source), e.i32)));
    return v;
  };
  if (!pooled())
    return one(key);
  Value tokens = tokensOf(source);
  Value lo = e.mul(key, tokens);
  Value hi = e.minS(e.add(lo, tokens), len);
  return e.forLoop(lo, hi, e.cI64(1), yes,
                   [&](Value token, ValueRange keep) -> Values {
                     return {e.andI(keep[0], one(token))};
                   })[0];
}

Value StreamWalk::pooledBias(Value source, Value key) {
  return perSource(
      source,
      [&](const StreamSource &src, unsigned) {
        int64_t count = src.tokensPerKey;
        Value rest = e.sub(len, e.mul(key, count));
        Value value = e.cF32(std::log2(float(count)));
        for (int64_t c = count - 1; c > 0; --c)
          value = e.select(e.cmp(kEq, rest, e.cI64(c)),
                           e.cF32(std::log2(float(c))), value);
        return value;
      },
      e.f32);
}

Value StreamWalk::tokenOf(Value source, Value key) {
  if (!pooled())
    return key;
  return e.mul(key, tokensOf(source));
}

} // namespace fovea::cpu
