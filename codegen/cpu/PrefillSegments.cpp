// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The prefill stream over the segments of a cache: one loop over all of them,
// whose formats differ only where a block becomes f32 tiles.
#include "codegen/cpu/PrefillBuilder.h"

#include "codegen/cpu/DecodeStream.h"

#include <fovea/abi.h>

#include <functional>

using namespace mlir;

namespace fovea::cpu {

using namespace prefill;

int64_t PrefillBuilder::tableBytes() const {
  return 4 * 8 * rowTableEntries(p.schedule.keys);
}

RowTables PrefillBuilder::tablesAt(Value side, const SegmentClass &members) {
  int64_t n = rowTableEntries(p.schedule.keys);
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

/// The tokens [lo, hi) of a segment, in blocks.
void PrefillBuilder::emitRows(const SegmentClass &members, Value index,
                              const SegmentRows &segment, Value lo, Value hi) {
  Value keys = e.cI64(p.schedule.keys), bytes = e.cI64(tableBytes());
  // Tables of this block and, for its prefetches, of the next.
  auto fill = [&](Value first, Value side) {
    e.ifThen(e.cmp(kSlt, first, hi), [&] {
      emitRowTables(e, segment, tablesAt(side, members), first,
                    e.minS(keys, e.sub(hi, first)), p.schedule.keys);
    });
  };
  // The fewest lines that a row has in any of the formats.
  int64_t kBytes = 4 * p.keyDim, vBytes = 4 * p.valueDim;
  for (unsigned m : members.members) {
    kBytes = std::min(kBytes, p.keyDim * sizeOf(p.segments[m].kElem));
    vBytes = std::min(vBytes, p.valueDim * sizeOf(p.segments[m].vElem));
  }
  fill(lo, e.cI64(0));
  e.forLoop(lo, hi, keys, {e.cI64(0)}, [&](Value k, ValueRange side) {
    Value n = e.minS(keys, e.sub(hi, k)), other = e.sub(bytes, side[0]);
    fill(e.add(k, keys), other);
    RowTables rows = tablesAt(side[0], members);
    RowTables next = tablesAt(other, members);
    unlessEmpty({}, k, n, [&](Value kind) {
      emitTiles(members, index, segment, rows, k, n);
      prefetches.clear();
      prefetches.push_back({segment.k.data, {}, kBytes, next.k});
      if (pass != Pass::Sums)
        prefetches.push_back({segment.v.data, {}, vBytes, next.v});
      emitPanels({}, k, n, kind, kTile, vTile);
    });
    return Values{other};
  });
}

/// A block's keys, rotated if need be, and values as f32 tiles.
void PrefillBuilder::emitTiles(const SegmentClass &members, Value index,
                               const SegmentRows &segment,
                               const RowTables &rows, Value k, Value n) {
  // One copy of the code for each format.
  auto perFormat = [&](Elem CacheSource::*elem, int CacheSource::*scale,
                       llvm::function_ref<void(Elem, bool)> emit) {
    SmallVector<std::pair<Elem, bool>> formats;
    for (unsigned m : members.members) {
      std::pair<Elem, bool> own{p.segments[m].*elem, p.segments[m].*scale >= 0};
      if (!llvm::is_contained(formats, own))
        formats.push_back(own);
    }
    Value format = pickMember(
        e, p.segments, members, index, [&](const CacheSource &c) -> int64_t {
          std::pair<Elem, bool> own{c.*elem, c.*scale >= 0};
          return llvm::find(formats, own) - formats.begin();
        });
    std::function<void(size_t)> chain = [&](size_t i) {
      if (i + 1 == formats.size())
        return emit(formats[i].first, formats[i].second);
      e.ifElse(
          e.cmp(kEq, format, e.cI64(i)), {},
          [&] {
            emit(formats[i].first, formats[i].second);
            return Values();
          },
          [&] {
            chain(i + 1);
            return Values();
          });
    };
    chain(0);
  };
  // Address and scale (or null) of row i.
  auto rowOf = [&](const PartRows &part, Value table, const PartRows &scales,
                   Value scaleTable, Value i) {
    Value row = e.at(part.data, e.loadAt(e.i64, table, i), 1), scale;
    if (scaleTable)
      scale =
          e.load(e.f32, e.at(scales.data, e.loadAt(e.i64, scaleTable, i), 1));
    return std::pair(row, scale);
  };
  perFormat(
      &CacheSource::kElem, &CacheSource::kScale, [&](Elem elem, bool coded) {
        auto row = [&](Value i) {
          return rowOf(segment.k, rows.k, segment.kScale,
                       coded ? rows.kScale : Value(), i);
        };
        if (!p.rope.rule)
          return emitTableTile(e, elem, p.keyDim, n, keyPad(), kTile, row);
        Value shift =
            p.rope.rule == RopeParams::Slot ? segment.shift : e.cI64(0);
        View tree = treeView(s, p.rope);
        e.forLoop(e.cI64(0), n, e.cI64(1), [&](Value i) {
          auto [from, scale] = row(i);
          emitRotate(e, p.rope, rotation, elem, p.keyDim, from, scale,
                     e.sub(treePosition(e, tree, itemB, e.add(k, i)), shift),
                     e.at(kTile, e.mul(i, p.keyDim), 4));
        });
        emitPadTile(e, p.keyDim, n, keyPad(), kTile);
      });
  if (pass == Pass::Sums)
    return;
  perFormat(&CacheSource::vElem, &CacheSource::vScale,
            [&](Elem elem, bool coded) {
              emitTableTile(e, elem, p.valueDim, n, 1, vTile, [&](Value i) {
                return rowOf(segment.v, rows.v, segment.vScale,
                             coded ? rows.vScale : Value(), i);
              });
            });
}

} // namespace fovea::cpu
