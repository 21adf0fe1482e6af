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
  return 2 * (8 + 4) * rowTableEntries(s.keys);
}

RowTables DecodeBuilder::tablesAt(Value side, const SourceValues &source) {
  int64_t n = rowTableEntries(s.keys);
  Value base = e.at(tables, side, 1);
  RowTables t;
  t.k = base;
  t.v = e.at(base, 8 * n);
  if (source.kCoded)
    t.kScale = e.at(base, 16 * n);
  if (source.vCoded)
    t.vScale = e.at(base, 20 * n);
  return t;
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
    SourceValues source;
    source.kElem = members.k;
    source.vElem = members.v;
    source.integer = integer(members.k);
    source.kCoded = members.kCoded;
    source.vCoded = members.vCoded;
    if (p.rope.rule) {
      source.rotation = rotation;
      source.shift = p.rope.rule == RopeParams::Slot ? rows.shift : e.cI64(0);
    }
    if (members.affine) {
      source.k = affineBase(e, rows, rows.k);
      source.v = affineBase(e, rows, rows.v);
      source.kStride = rows.k.stride;
      source.vStride = rows.v.stride;
      if (members.kCoded) {
        source.kScale = affineBase(e, rows, rows.kScale);
        source.kScaleStride = rows.kScale.stride;
      }
      if (members.vCoded) {
        source.vScale = affineBase(e, rows, rows.vScale);
        source.vScaleStride = rows.vScale.stride;
      }
    } else {
      source.k = rows.k.data;
      source.v = rows.v.data;
    }
    auto clipped = [&](Value from, Value to) {
      range(e.maxS(from, lo), e.minS(to, hi), source,
            members.affine ? nullptr : &rows);
    };
    if (p.listSlot >= 0 && members.listed)
      walkPages(item, rows, clipped);
    else if (runs)
      forRuns(runs, clipped);
    else
      range(lo, hi, source, members.affine ? nullptr : &rows);
  });
}

/// Chosen pages of a segment: their number in the sequence.
void DecodeBuilder::walkPages(const Item &item, const SegmentRows &segment,
                              llvm::function_ref<void(Value, Value)> body) {
  Value unit = e.cI64(p.listUnit);
  Value row = listRow(item, list, 4);
  Value stored = e.load(e.i32, listRow(item, listCount, 4));
  Value stride = list.stride.back();
  Value count = e.minS(e.toInt(stored, e.i64), list.shape.back());
  Value first = e.divU(item.k0, unit);
  Value last = e.minS(e.divU(e.add(item.k1, p.listUnit - 1), unit), count);
  e.forLoop(first, last, e.cI64(1), [&](Value i) {
    Value page = e.toInt(e.load(e.i32, e.at(row, e.mul(i, stride), 4)), e.i64);
    Value from = e.add(segment.base, e.mul(page, unit));
    Value good = e.andI(e.cmp(CmpIPredicate::sge, page, e.cI64(0)),
                        e.cmp(CmpIPredicate::slt, from, segment.end));
    e.ifElse(
        good, {},
        [&] {
          body(from, e.add(from, unit));
          return Values();
        },
        [&] {
          fail(StageListOutOfRange);
          return Values();
        });
  });
}

} // namespace fovea::cpu
