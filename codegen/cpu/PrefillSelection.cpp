// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lists of chosen blocks and maps of levels as runs of keys.
#include "codegen/cpu/PrefillSelection.h"

#include "codegen/cpu/DecodeStream.h"

using namespace mlir;

namespace fovea::cpu {

/// Address of the tile's row of the list, its count, or its row of levels.
static Value rowOf(Emitter &e, const Selection &chosen, const QueryTile &tile,
                   const View &view, unsigned bytes) {
  return addressOf(e, view,
                   {tile.b, e.divU(tile.head, e.cI64(chosen.heads)),
                    e.divU(tile.position, e.cI64(chosen.queries))},
                   bytes);
}

static void emitListRuns(StageFunction &s, const Selection &chosen,
                         const QueryTile &tile, const View &list,
                         const View &count, Value extent, EntryLoop entries,
                         StreamParams::RunBody body) {
  Emitter &e = s.e;
  Value unit = e.cI64(chosen.unit), zero = e.cI64(0);
  Value row = rowOf(e, chosen, tile, list, 4);
  Value stored = e.load(e.i32, rowOf(e, chosen, tile, count, 4));
  Value last = e.divU(e.add(tile.k1, chosen.unit - 1), unit);
  last = e.minS(last, e.minS(e.toInt(stored, e.i64), list.shape[3]));
  entries(e.divU(tile.k0, unit), last, [&](Value i) {
    Value at = e.at(row, e.mul(i, list.stride[3]), 4);
    Value lo = e.mul(e.toInt(e.load(e.i32, at), e.i64), unit);
    Value bad = e.orI(e.cmp(arith::CmpIPredicate::sge, lo, extent),
                      e.cmp(arith::CmpIPredicate::slt, lo, zero));
    e.ifThen(bad, [&] { s.fail(StageListOutOfRange); });
    // A bad block becomes an empty run; one between the sequence's length and
    // the extent has no keys.
    lo = e.select(bad, zero, lo);
    Value hi = e.minS(e.add(lo, unit), tile.len);
    body({lo, e.select(bad, zero, hi), zero});
  });
}

static void emitLevelRuns(StageFunction &s, const StreamParams &params,
                          const QueryTile &tile, const View &levels,
                          EntryLoop entries, StreamParams::RunBody body) {
  Emitter &e = s.e;
  const Selection &chosen = *params.selection;
  Value unit = e.cI64(chosen.unit), zero = e.cI64(0), one = e.cI64(1);
  Value row = rowOf(e, chosen, tile, levels, 1);
  Value end = e.minS(tile.k1, tile.len);
  Value last =
      e.minS(e.divU(e.add(end, chosen.unit - 1), unit), levels.shape[3]);
  entries(e.divU(tile.k0, unit), last, [&](Value i) {
    Value level =
        e.toInt(e.load(e.i8, e.at(row, e.mul(i, levels.stride[3]), 1)), e.i64);
    Value source = e.cI64(-1);
    for (auto [n, src] : llvm::enumerate(params.sources))
      source = e.select(
          e.cmp(arith::CmpIPredicate::eq, level, e.cI64(src.tokensPerKey)),
          e.cI64(n), source);
    Value skip = e.cmp(arith::CmpIPredicate::slt, source, zero);
    Value tokens = e.select(skip, one, level);
    // Items are cut at multiples of the unit, units hold whole groups.
    Value t0 = e.mul(i, unit), t1 = e.minS(e.add(t0, unit), end);
    Value hi = e.divU(e.sub(e.add(t1, tokens), 1), tokens);
    body({e.divU(t0, tokens), e.select(skip, zero, hi),
          e.select(skip, zero, source)});
  });
}

void emitSelectedRuns(StageFunction &s, const StreamParams &params,
                      const QueryTile &tile, const View &table,
                      const View &count, Value extent, EntryLoop entries,
                      StreamParams::RunBody body) {
  if (params.selection->levels)
    emitLevelRuns(s, params, tile, table, entries, body);
  else
    emitListRuns(s, *params.selection, tile, table, count, extent, entries,
                 body);
}

} // namespace fovea::cpu
