// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The decode stream over lists of chosen units (blocks of keys, or pages of a
// cache). A unit's successor in memory is not what is read next, so that the
// walk looks ahead in the list for what it prefetches. Where the rows of an
// item have lists of their own they walk over the union: each unit is read and
// converted once, and rows that did not choose it get no score there.
#include "codegen/cpu/DecodeBuilder.h"

#include <fovea/abi.h>

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace fovea::cpu {

using arith::CmpIPredicate;

/// Units whose choosers are collected at once: one byte, a bit for each row.
/// Longer sequences go through their lists once for each such range.
static constexpr int64_t kUnits = 2048;

bool DecodeBuilder::rowsChoose() const {
  return p.listSlot >= 0 && p.group > p.listHeads;
}

void DecodeBuilder::reserveLists() {
  if (!rowsChoose())
    return;
  assert(s.rows <= 8 && "a unit has a bit for each row");
  choosers = f.reserve(kUnits);
  units = f.reserve(4 * kUnits);
  unitRows = f.reserve(kUnits);
}

Value DecodeBuilder::listRow(Value b, Value head, Value position,
                             const View &view, unsigned bytes) {
  Value listHead = e.divU(head, e.cI64(p.listHeads));
  if (p.ragged)
    return addressOf(e, view, {e.add(f.rowOffset(b), position), listHead},
                     bytes);
  return addressOf(
      e, view, {b, listHead, e.divU(position, e.cI64(p.listQueries))}, bytes);
}

DecodeBuilder::ListRow DecodeBuilder::readList(const Item &item, Value b,
                                               Value head, Value position) {
  Value unit = e.cI64(p.listUnit);
  Value stored = e.load(e.i32, listRow(b, head, position, listCount, 4));
  Value count = e.minS(e.toInt(stored, e.i64), list.shape.back());
  ListRow row;
  row.entries = listRow(b, head, position, list, 4);
  row.first = e.divU(item.k0, unit);
  row.last = e.minS(e.divU(e.add(item.k1, p.listUnit - 1), unit), count);
  return row;
}

Value DecodeBuilder::entryOf(const ListRow &row, Value i) {
  Value at = e.at(row.entries, e.mul(i, list.stride.back()), 4);
  return e.toInt(e.load(e.i32, at), e.i64);
}

/// Fails where `unit` is not in [0, limit).
Value DecodeBuilder::isUnit(Value unit, Value limit) {
  return e.andI(e.cmp(CmpIPredicate::sge, unit, e.cI64(0)),
                e.cmp(CmpIPredicate::slt, unit, limit));
}

void DecodeBuilder::walkChosen(const Item &item, const ChosenKeys &keys) {
  if (!rowsChoose()) {
    ListRow row = readList(item, item.b, it.head, it.position);
    Value count = e.sub(row.last, row.first);
    return walkUnits(count, keys, [&](Value i) {
      return ChosenUnit{entryOf(row, e.add(row.first, i)), Value()};
    });
  }
  e.forLoop(e.cI64(0), keys.limit, e.cI64(kUnits), [&](Value from) {
    Value count = collectUnits(item, keys, from);
    walkUnits(count, keys, [&](Value i) {
      Value rows = e.load(e.i8, e.at(unitRows, i, 1));
      return ChosenUnit{e.toInt(e.loadAt(e.i32, units, i), e.i64),
                        e.andI(e.toInt(rows, e.i32), e.cI32(0xff))};
    });
  });
}

/// Units [from, from + kUnits) that any row chose, ascending in `units`, with
/// the rows that did in `unitRows`.
Value DecodeBuilder::collectUnits(const Item &item, const ChosenKeys &keys,
                                  Value from) {
  Value zero = e.cI64(0), one = e.cI64(1);
  Value n = e.minS(e.sub(keys.limit, from), e.cI64(kUnits));
  e.forLoop(zero, n, e.cI64(64), [&](Value i) {
    e.store(e.splatInt(64, e.i8, 0), e.at(choosers, i, 1));
  });
  e.forLoop(zero, it.rows, one, {e.cI64(1)}, [&](Value r, ValueRange bit) {
    RowPlace at = placeOf(item, r);
    ListRow row = readList(item, at.b, at.head, at.position);
    e.forLoop(row.first, row.last, one, [&](Value i) {
      Value unit = entryOf(row, i);
      e.ifThen(
          e.cmp(CmpIPredicate::eq, isUnit(unit, keys.limit), e.cBool(false)),
          [&] { fail(StageListOutOfRange); });
      Value own = e.sub(unit, from);
      e.ifThen(isUnit(own, n), [&] {
        Value byte = e.at(choosers, own, 1);
        e.store(e.orI(e.load(e.i8, byte), e.toInt(bit[0], e.i8)), byte);
      });
    });
    return Values{e.add(bit[0], bit[0])};
  });
  // Eight bytes at a time: most are 0 where few are chosen.
  return e.forLoop(zero, n, e.cI64(8), {zero}, [&](Value i, ValueRange c) {
    Value eight = e.load(e.i64, e.at(choosers, i, 1));
    return e.ifElse(
        e.cmp(CmpIPredicate::ne, eight, zero), {e.i64},
        [&] {
          return e.forLoop(
              i, e.add(i, 8), one, {c[0]}, [&](Value j, ValueRange done) {
                Value rows = e.load(e.i8, e.at(choosers, j, 1));
                e.store(e.toInt(e.add(from, j), e.i32),
                        e.at(units, done[0], 4));
                e.store(rows, e.at(unitRows, done[0], 1));
                Value some = e.cmp(CmpIPredicate::ne, rows,
                                   e.constant(e.b.getIntegerAttr(e.i8, 0)));
                return Values{e.add(done[0], e.toInt(some, e.i64))};
              });
        },
        [&] { return Values{c[0]}; });
  })[0];
}

void DecodeBuilder::walkUnits(Value count, const ChosenKeys &keys,
                              llvm::function_ref<ChosenUnit(Value)> unitAt) {
  int64_t perUnit = llvm::divideCeil(p.listUnit, s.keys);
  Value total = e.mul(count, perUnit), one = e.cI64(1);
  struct Block {
    ChosenUnit unit;
    Value first, n;
  };
  auto blockAt = [&](Value j) {
    Block at;
    Value in = e.mul(e.remU(j, e.cI64(perUnit)), s.keys);
    at.unit = unitAt(e.divU(j, e.cI64(perUnit)));
    Value start = e.add(keys.base, e.mul(at.unit.number, p.listUnit));
    Value end = e.minS(e.add(in, s.keys), e.cI64(p.listUnit));
    at.first = e.maxS(e.add(start, in), keys.lo);
    at.n = e.sub(e.minS(e.add(start, end), keys.hi), at.first);
    return at;
  };
  bool tabled = keys.rows && !keys.members->affine;
  auto fill = [&](Value j, Value side) {
    if (!tabled)
      return;
    e.ifThen(e.cmp(CmpIPredicate::slt, j, total), [&] {
      Block at = blockAt(j);
      Value some = e.andI(isUnit(at.unit.number, keys.limit),
                          e.cmp(CmpIPredicate::sgt, at.n, e.cI64(0)));
      e.ifThen(some, [&] {
        emitRowTables(e, *keys.rows, tablesAt(side, *keys.members), at.first,
                      at.n, s.keys);
      });
    });
  };
  // Of the block and of the two that follow: where their tables lie.
  Values sides;
  for (int64_t i = 0; i < 3; ++i)
    sides.push_back(e.cI64(tabled ? i * tableBytes() : 0));
  fill(e.cI64(0), sides[0]);
  fill(one, sides[1]);
  e.forLoop(e.cI64(0), total, one, sides, [&](Value j, ValueRange sides) {
    fill(e.add(j, 2), sides[2]);
    Block at = blockAt(j);
    e.ifElse(
        isUnit(at.unit.number, keys.limit), {},
        [&] {
          e.ifThen(e.cmp(CmpIPredicate::sgt, at.n, e.cI64(0)), [&] {
            SourceValues own = keys.source;
            own.unitRows = at.unit.rows;
            auto ahead = [&](int64_t distance) {
              Value next = e.minS(e.add(j, distance), e.sub(total, one));
              BlockAhead later{own.k, own.v, blockAt(next).first, {}, {}};
              if (tabled) {
                RowTables tables = tablesAt(sides[distance], *keys.members);
                later.kRows = tables.k;
                later.vRows = tables.v;
              }
              return later;
            };
            if (tabled) {
              RowTables tables = tablesAt(sides[0], *keys.members);
              own.kRows = tables.k;
              own.vRows = tables.v;
              own.kScaleRows = tables.kScale;
              own.vScaleRows = tables.vScale;
            }
            own.far = p.prefetchFar && p.rows > 2;
            own.ahead[0] = ahead(1);
            if (own.far)
              own.ahead[1] = ahead(2);
            Value kind = classOfRun(at.first, e.add(at.first, at.n), own);
            e.ifThen(e.cmp(CmpIPredicate::ne, kind, e.cI32(FOVEA_TILE_EMPTY)),
                     [&] { block(at.first, at.n, kind, own); });
          });
          return Values();
        },
        [&] {
          fail(StageListOutOfRange);
          return Values();
        });
    return Values{sides[1], sides[2], sides[0]};
  });
}

void DecodeBuilder::walkList(const Item &item) {
  ChosenKeys keys;
  keys.source = sourceOf(e, p, sources[0], it);
  // A block between the sequence's length and the view's end has no keys.
  Value unit = e.cI64(p.listUnit);
  keys.limit = e.divU(e.add(sources[0][0].shape[2], p.listUnit - 1), unit);
  keys.base = keys.lo = e.cI64(0);
  keys.hi = it.length;
  walkChosen(item, keys);
}

/// Chosen pages of a segment: their number in the sequence.
void DecodeBuilder::walkPages(const Item &item, const SegmentClass &members,
                              const SegmentRows &segment, Value lo, Value hi,
                              const SourceValues &source) {
  ChosenKeys keys;
  keys.source = source;
  keys.members = &members;
  keys.rows = &segment;
  keys.base = segment.base;
  keys.limit = e.divU(e.add(e.sub(segment.end, segment.base), p.listUnit - 1),
                      e.cI64(p.listUnit));
  keys.lo = lo;
  keys.hi = hi;
  walkChosen(item, keys);
}

} // namespace fovea::cpu
