// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The decode stream over the segments of a cache: segments of equal formats
// share their code and are walked in a loop.
#include "codegen/cpu/DecodeBuilder.h"

#include <fovea/abi.h>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpIPredicate;

int64_t DecodeBuilder::tableBytes() const {
  return 4 * 8 * rowTableEntries(s.keys);
}

RowTables DecodeBuilder::tablesAt(Value side, const SegmentClass &members) {
  int64_t n = rowTableEntries(s.keys);
  Value base = e.at(tables, side, 1);
  RowTables t;
  t.k = base;
  t.v = e.at(base, 8 * n);
  if (members.kCoded)
    t.kScale = e.at(base, 16 * n);
  if (members.vCoded)
    t.vScale = e.at(base, 24 * n);
  return t;
}

void DecodeBuilder::forEachBundle() {
  f.count(StageFunction::Items, e.sub(f.end, f.begin));
  e.whileLoop(
      {f.begin},
      [&](ValueRange i) { return e.cmp(CmpIPredicate::slt, i[0], f.end); },
      [&](ValueRange i) {
        Item item = f.itemAt(i[0]);
        Value most = e.minS(e.sub(f.end, i[0]), e.cI64(heads));
        // {items, whether the next may be another}
        Value n = e.whileLoop(
            {e.cI64(1), e.cBool(true)},
            [&](ValueRange c) {
              return e.andI(c[1], e.cmp(CmpIPredicate::slt, c[0], most));
            },
            [&](ValueRange c) {
              Item other = f.itemAt(e.add(i[0], c[0]));
              Value same =
                  e.cmp(CmpIPredicate::eq, other.head, e.add(item.head, c[0]));
              for (Value Item::*field : {&Item::b, &Item::row, &Item::k0,
                                         &Item::k1, &Item::count, &Item::flags})
                same = e.andI(
                    same, e.cmp(CmpIPredicate::eq, other.*field, item.*field));
              return Values{e.add(c[0], e.toInt(same, e.i64)), same};
            })[0];
        bundle = n;
        firstHead = item.head;
        beginItem(item);
        DecodeItem begun = it;
        DecodeMemory memory = m;
        e.forLoop(e.cI64(0), n, e.cI64(1), [&](Value j) {
          useState(j);
          useHead(e.add(firstHead, j));
          packQueries(item);
        });
        it = begun;
        pass = p.twice ? Pass::Sums : Pass::All;
        walkSegments(item);
        if (p.twice) {
          e.forLoop(e.cI64(0), n, e.cI64(1), [&](Value j) {
            useState(j);
            closeSums();
          });
          m = memory;
          pass = Pass::Values;
          walkSegments(item);
        }
        e.forLoop(e.cI64(0), n, e.cI64(1), [&](Value j) {
          useState(j);
          useHead(e.add(firstHead, j));
          finishItem(item, f.itemAt(e.add(i[0], j)).slot);
        });
        it = begun;
        m = memory;
        return Values{e.add(i[0], n)};
      });
}

void DecodeBuilder::walkSegments(const Item &item) {
  Value runs = p.bounds ? storeRuns(item) : Value();
  for (const SegmentClass &members : classes) {
    int64_t n = members.members.size();
    if (n == 1)
      walkSegment(item, members, e.cI64(0), runs);
    else
      e.forLoop(e.cI64(0), e.cI64(n), e.cI64(1),
                [&](Value i) { walkSegment(item, members, i, runs); });
  }
}

SourceValues DecodeBuilder::segmentSource(const SegmentClass &members,
                                          const SegmentRows &rows) {
  SourceValues source;
  source.kElem = members.k;
  source.vElem = members.v;
  source.integer = integer(members.k);
  if (p.rope.rule) {
    source.rotation = rotation;
    source.tree = treeView(f, p.rope);
    source.shift = p.rope.rule == RopeParams::Slot ? rows.shift : e.cI64(0);
  }
  auto baseOf = [&](const PartRows &part) {
    return members.affine ? affineBase(e, rows, part) : part.data;
  };
  source.k = baseOf(rows.k);
  source.v = baseOf(rows.v);
  source.kStride = rows.k.stride;
  source.vStride = rows.v.stride;
  if (members.kCoded) {
    source.kScale = baseOf(rows.kScale);
    source.kScaleStride = rows.kScale.stride;
  }
  if (members.vCoded) {
    source.vScale = baseOf(rows.vScale);
    source.vScaleStride = rows.vScale.stride;
  }
  return source;
}

void DecodeBuilder::walkSegment(const Item &item, const SegmentClass &members,
                                Value index, Value runs) {
  SegmentRows rows =
      loadSegment(f, p.segments, members, index, item.b, it.kvHead);
  Value lo = rows.begin, hi = e.minS(rows.end, it.length);
  if (p.listSlot < 0) {
    lo = e.maxS(lo, item.k0);
    hi = e.minS(hi, item.k1);
  } else if (!members.listed) {
    // [k0, k1) counts along the list.
    hi = e.select(e.cmp(CmpIPredicate::eq, item.k0, e.cI64(0)), hi, lo);
  }
  e.ifThen(e.cmp(CmpIPredicate::slt, lo, hi), [&] {
    SourceValues source = segmentSource(members, rows);
    auto clipped = [&](Value from, Value to) {
      segmentRange(e.maxS(from, lo), e.minS(to, hi), members, rows, source);
    };
    if (p.listSlot >= 0 && members.listed)
      walkPages(item, members, rows, lo, hi, source);
    else if (runs)
      forRuns(runs, clipped);
    else
      clipped(lo, hi);
  });
}

void DecodeBuilder::segmentRange(Value lo, Value hi,
                                 const SegmentClass &members,
                                 const SegmentRows &rows,
                                 const SourceValues &source) {
  Value whole = classOfRun(lo, hi, source), zero = e.cI64(0), one = e.cI64(1);
  Value keys = e.cI64(s.keys);
  // Tables of this block, of the next and, made beside it, of the one after:
  // where each lies among three.
  auto fill = [&](Value first, Value side) {
    if (members.affine)
      return;
    Value n = e.minS(e.sub(hi, first), keys);
    e.ifThen(e.cmp(CmpIPredicate::slt, first, hi), [&] {
      emitRowTables(e, rows, tablesAt(side, members), first, n, s.keys);
    });
  };
  // The block for the heads [from, to) of the bundle.
  auto heads = [&](Value first, Value kind, ValueRange sides, Value from,
                   Value to) {
    Value n = e.minS(e.sub(hi, first), keys), count = e.sub(to, from);
    DecodeItem begun = it;
    DecodeMemory memory = m;
    e.forLoop(from, to, one, [&](Value j) {
      SourceValues own = source;
      auto headOf = [&](Value j) {
        Value head = e.mul(e.add(firstHead, j), p.group);
        return e.sub(e.divU(head, e.cI64(p.kvGroup)), begun.kvHead);
      };
      Value offset = zero;
      if (firstHead) {
        useState(j);
        useHead(e.add(firstHead, j));
        offset = headOf(j);
      }
      auto move = [&](Value base, const PartRows &part, Value heads) {
        return base ? e.at(base, e.mul(heads, part.head), 1) : base;
      };
      own.k = move(source.k, rows.k, offset);
      own.v = move(source.v, rows.v, offset);
      own.kScale = move(source.kScale, rows.kScale, offset);
      own.vScale = move(source.vScale, rows.vScale, offset);
      if (!members.affine) {
        RowTables tables = tablesAt(sides[0], members);
        own.kRows = tables.k;
        own.vRows = tables.v;
        own.kScaleRows = tables.kScale;
        own.vScaleRows = tables.vScale;
      }
      // The unit of a head and a block `distance` later in this order.
      auto later = [&](int64_t distance) {
        Value head = e.add(j, distance), block = zero, side = sides[0];
        for (int64_t turn = 1; turn <= distance; ++turn) {
          Value past = e.cmp(CmpIPredicate::sge, head, to);
          head = e.select(past, e.sub(head, count), head);
          block = e.select(past, e.cI64(turn), block);
          side = e.select(past, sides[turn], side);
        }
        Value heads = firstHead ? headOf(head) : zero;
        BlockAhead ahead;
        ahead.k = move(source.k, rows.k, heads);
        ahead.v = move(source.v, rows.v, heads);
        ahead.first = e.add(first, e.mul(block, keys));
        if (!members.affine) {
          RowTables tables = tablesAt(side, members);
          ahead.kRows = tables.k;
          ahead.vRows = tables.v;
        }
        return ahead;
      };
      own.far = p.prefetchFar && p.rows > 2;
      own.ahead[0] = later(1);
      if (own.far)
        own.ahead[1] = later(2);
      block(first, n, kind, own);
    });
    it = begun;
    m = memory;
  };
  auto blocks = [&](Value from, Value to) {
    Value bytes = e.cI64(tableBytes());
    Values sides{zero, bytes, e.mul(bytes, 2)};
    fill(lo, sides[0]);
    fill(e.add(lo, keys), sides[1]);
    e.forLoop(lo, hi, keys, sides, [&](Value first, ValueRange sides) {
      fill(e.add(first, e.mul(keys, 2)), sides[2]);
      Value n = e.minS(e.sub(hi, first), keys);
      Value kind = classOfBlock(whole, first, n, source);
      e.ifThen(e.cmp(CmpIPredicate::ne, kind, e.cI32(FOVEA_TILE_EMPTY)),
               [&] { heads(first, kind, sides, from, to); });
      return Values{sides[1], sides[2], sides[0]};
    });
  };
  if (!firstHead)
    return blocks(zero, one);
  // All heads of a block, where they lie closer together than its rows or its
  // rows end soon; else all blocks of a head.
  Value together =
      e.orI(e.cmp(CmpIPredicate::sgt, rows.k.row, rows.k.head),
            e.cmp(CmpIPredicate::slt, rows.pageTokens, e.cI64(4 * s.keys)));
  e.forLoop(zero, e.select(together, one, bundle), one, [&](Value j) {
    blocks(e.select(together, zero, j),
           e.select(together, bundle, e.add(j, one)));
  });
}

} // namespace fovea::cpu
