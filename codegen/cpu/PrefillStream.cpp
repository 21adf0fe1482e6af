// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The stage around the register tiles: items, runs, blocks, panels, masks and
// results.
//
//   for item: gather q into panels
//     for run of keys, for block of n <= keys: K and V as tiles
//       for panel: class -> scores -> (mask, modifier) -> softmax -> values
//     write o and lse, or the state of a split item
#include "codegen/cpu/PrefillBuilder.h"

#include <fovea/abi.h>

#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;

namespace fovea::cpu {

using namespace prefill;

/// Rows of a tile of keys.
int64_t PrefillBuilder::blockKeys() const {
  return llvm::alignTo(p.schedule.keys, shape.regRows);
}

void PrefillBuilder::reserveScratch() {
  int64_t keys = p.schedule.keys;
  int64_t rows = (p.schedule.rows + lanes - 1) / lanes * lanes;
  qPanels = s.reserve(rows * p.keyDim * factorBytes());
  oPanels = s.reserve(rows * p.valueDim * 4);
  state = s.reserve(rows * 2 * 4);
  sPanel = s.reserve(blockKeys() * lanes * 4);
  kTile = s.reserve(blockKeys() * p.keyDim * factorBytes());
  vTile = s.reserve(blockKeys() * p.valueDim * factorBytes());
  if (p.schedule.matrix && p.keep) {
    kLive = s.reserve(blockKeys() * p.keyDim * 2);
    vLive = s.reserve(blockKeys() * p.valueDim * 2);
  }
  if (p.schedule.matrix) {
    transposed = s.reserve(8);
    zeroRow = s.reserve(p.valueDim * 2);
    unit.emplace(e, s.reserve(MatrixUnit::memoryBytes(p.isa)));
  }
  pointers = s.reserve(rows * 8);
  spareRow = s.reserve(p.valueDim * 4);
  rowValues = s.reserve(rows * 4);
  if (p.keep) {
    int64_t entries = keys + shape.regRows;
    liveList = s.reserve(entries * 4);
    everyList = s.reserve((entries + 15) * 4);
    seen = s.reserve(entries * lanes / 8);
  }
  if (cached() || p.order)
    rowTokens = s.reserve(rows * 4);
  if (p.order)
    keyTokens = s.reserve(keys * 4);
  if (!cached())
    return;
  tables = s.reserve(2 * tableBytes());
  if (p.rope.rule)
    rotatedRows = s.reserve(rows * p.keyDim * 4);
}

FailureOr<int64_t> PrefillBuilder::build() {
  reserveScratch();
  readViews();
  if (p.selection && p.selection->list)
    s.allowErrors();
  if (unit) {
    unit->begin();
    for (int64_t d = 0; d < p.valueDim; d += MatrixUnit::kHalves)
      e.store(e.splatF32(MatrixUnit::kFloats, 0), e.at(zeroRow, d * 2));
  }
  s.forEachItem([&](const Item &item) { emitItem(item); });
  if (unit)
    unit->end();
  s.finish();
  if (refused) {
    s.fn.erase();
    return failure();
  }
  return s.scratchBytes();
}

void PrefillBuilder::emitItem(const Item &item) {
  beginItem(item);
  panelCount = e.divU(e.add(rowCount, lanes - 1), e.cI64(lanes));
  padded = e.mul(panelCount, lanes);

  emitQueries();
  Value zero = e.splatF32(lanes, 0);
  e.forLoop(e.cI64(0), e.mul(panelCount, p.valueDim), e.cI64(1),
            [&](Value i) { e.store(zero, e.at(oPanels, e.mul(i, lanes), 4)); });
  e.forLoop(e.cI64(0), panelCount, e.cI64(1), [&](Value i) {
    e.store(e.splatF32(lanes, kNoMax), panelState(i));
    e.store(zero, e.at(panelState(i), lanes * 4));
  });
  pass = p.twice ? Pass::Sums : Pass::All;
  emitKeys(item);
  if (p.twice) {
    if (p.sink)
      emitSink();
    pass = Pass::Values;
    emitKeys(item);
  }
  emitFinish(item);
}

/// All blocks of the item's keys.
void PrefillBuilder::emitKeys(const Item &item) {
  if (cached())
    return emitSegments(item);
  emitRuns(item, [&](const KeyRun &run) {
    Value keys = e.cI64(p.schedule.keys);
    e.forLoop(run.lo, run.hi, keys, [&](Value k) {
      Value n = e.minS(keys, e.sub(run.hi, k));
      unlessEmpty(run.source, k, n,
                  [&](Value kind) { emitBlock(run.source, k, n, kind); });
    });
  });
}

Value PrefillBuilder::keyAt(Value k, Value i) {
  return p.order ? e.toInt(e.loadAt(e.i32, keyTokens, i), e.i64) : e.add(k, i);
}

/// The rows of n positions from k on, each from where its token lies.
Value PrefillBuilder::emitOrderedTile(Elem elem, const View &view,
                                      const View &scales, int64_t dim, Value k,
                                      Value n, int64_t pad, Value tile) {
  emitTableTile(e, elem, dim, n, pad, tile, [&](Value i) {
    Value token = keyAt(k, i), scale;
    if (scales.data)
      scale = e.load(e.f32, addressOf(e, scales, {itemB, kvHead, token}, 4));
    return std::pair(addressOf(e, view, {itemB, kvHead, token}, sizeOf(elem)),
                     scale);
  });
  return tile;
}

void PrefillBuilder::emitBlock(Value source, Value k, Value n, Value kind) {
  if (p.order) {
    const StreamSource &src = p.sources[0];
    const SourceViews &views = sources[0];
    prefetches.clear();
    // Keys, values and every panel's mask ask for the same tokens.
    e.forLoop(e.cI64(0), n, e.cI64(1), [&](Value i) {
      e.store(e.toInt(tokenAt(e.add(k, i)), e.i32), e.at(keyTokens, i, 4));
    });
    return emitPanels(source, k, n, kind,
                      emitOrderedTile(src.keyElem, views.keys, views.keyScales,
                                      p.keyDim, k, n, keyPad(), kTile),
                      emitOrderedTile(src.valueElem, views.values,
                                      views.valueScales, p.valueDim, k, n, 1,
                                      vTile));
  }
  auto rowsOf = [&](Elem elem, const View &view, const View &scales,
                    int64_t dim) -> TileSource {
    TileSource t{elem,
                 addressOf(e, view, {itemB, kvHead, k}, sizeOf(elem)),
                 view.stride[2],
                 {},
                 {}};
    // The rows of the next block, if the run goes on; harmless if it does not.
    // Streams that jump between sources are left to the hardware.
    if (p.sources.size() == 1)
      prefetches.push_back({e.at(t.data, e.mul(n, t.stride), sizeOf(elem)),
                            e.mul(t.stride, sizeOf(elem)),
                            dim * sizeOf(elem),
                            {}});
    if (scales.data) {
      t.scales = addressOf(e, scales, {itemB, kvHead, k}, 4);
      t.scaleStride = scales.stride[2];
    }
    return t;
  };
  bool inPlace = !p.schedule.convert;
  prefetches.clear();
  Value keys = perSource(
      source,
      [&](const StreamSource &src, unsigned i) {
        TileSource rows = rowsOf(src.keyElem, sources[i].keys,
                                 sources[i].keyScales, p.keyDim);
        if (unit)
          return emitMatrixKeys(e, rows, p.keyDim, n, kTile);
        return emitTile(e, rows, p.keyDim, n, keyPad(), kTile, inPlace);
      },
      e.ptr);
  Value values;
  if (pass != Pass::Sums)
    values = perSource(
        source,
        [&](const StreamSource &src, unsigned i) {
          TileSource rows = rowsOf(src.valueElem, sources[i].values,
                                   sources[i].valueScales, p.valueDim);
          return unit ? rows.data
                      : emitTile(e, rows, p.valueDim, n, 1, vTile, inPlace);
        },
        e.ptr);
  if (unit && pass != Pass::Sums) {
    valueRows = values;
    valueStride = perSource(
        source,
        [&](const StreamSource &, unsigned i) {
          return sources[i].values.stride[2];
        },
        e.i64);
    e.store(e.cI64(0), transposed);
    if (!p.keep)
      emitUnitValues({n, {}}, vTile);
  }
  emitPanels(source, k, n, kind, keys, values);
}

/// One block of keys and values against all panels.
void PrefillBuilder::emitPanels(Value source, Value k, Value n, Value tileKind,
                                Value keys, Value values) {
  LiveKeys block{n, p.keep ? everyKey(n) : Value()};
  e.forLoop(e.cI64(0), panelCount, e.cI64(1), [&](Value panel) {
    PanelClass own = emitClass(panel, source, k, block, tileKind);
    Value kind = own.kind;
    auto body = [&] {
      UnitTiles tiles{keys, values, own.keys};
      if (unit)
        tiles = chooseTiles(keys, block, own.keys);
      const LiveKeys &live = tiles.live;
      Value qPanel =
          e.at(qPanels, e.mul(panel, p.keyDim * lanes), factorBytes());
      Value oPanel = e.at(oPanels, e.mul(panel, p.valueDim * lanes), 4);
      Value st = panelState(panel), stL = e.at(st, lanes * 4);
      Type type = e.vec(lanes, e.f32);
      Value max0 = e.load(type, st), l0 = e.load(type, stL);
      bool always = p.score || pooled();
      Value most = always || pass == Pass::Values ? Value() : max0;
      Value partial;
      if (p.keep)
        partial = e.cmp(kNe, kind, e.cI32(FOVEA_TILE_FULL));
      auto prefetch = [&](Value i) { emitPrefetch(panel, i); };
      auto unseen = [&](Value i, const Values &scores) {
        return e.ifElse(
            partial, TypeRange(ValueRange(scores)),
            [&] { return hideUnseen(live, i, scores); },
            [&] { return scores; });
      };
      llvm::function_ref<Values(Value, const Values &)> hide;
      if (p.keep && !always)
        hide = unseen;
      Value max =
          unit ? emitUnitScores(tiles.keys, qPanel, live, most, prefetch, hide)
               : emitScores(e, shape, keys, qPanel, sPanel, live, most,
                            prefetch, hide);
      if (!max)
        max = max0; // nobody asks
      if (p.keep && always)
        max = e.ifElse(
            partial, type,
            [&] {
              return Values{emitAdjust(panel, source, k, live, max0, true)};
            },
            [&] {
              return Values{emitAdjust(panel, source, k, live, max0, false)};
            })[0];
      else if (always)
        max = emitAdjust(panel, source, k, live, max0, false);
      Value alpha = e.splatF32(lanes, 1);
      if (pass == Pass::Values) {
        emitShares(panel, source, k, live);
      } else {
        alpha = e.exp2(e.fsub(max0, max), shape.expDegree);
        Value sum = pairsWeights()
                        ? emitPairedSoftmax(
                              e, shape, keepsProducts() ? scoreFactor() : 1,
                              sPanel, paddedKeys(e, live.count), max)
                        : emitSoftmax(e, shape, sPanel, live.count, max);
        Value l = e.fma(l0, alpha, sum);
        e.store(max, st);
        e.store(l, stL);
      }
      if (pass == Pass::Sums)
        return; // values and counts are the second walk's
      if (p.prob && pass == Pass::All)
        emitWeights(panel, source, k, live);
      if (unit)
        emitProducts(tiles.values, oPanel, live, alpha);
      else
        emitValues(e, shape, values, sPanel, oPanel, live, alpha);
      Value one = e.cI64(1), none = e.cI64(0);
      s.count(StageFunction::TilesFull,
              partial ? e.select(partial, none, one) : one);
      if (partial)
        s.count(StageFunction::TilesPartial, e.select(partial, one, none));
      Value count = e.minS(e.cI64(lanes), e.sub(rowCount, e.mul(panel, lanes)));
      s.count(StageFunction::Pairs, e.mul(count, n));
    };
    if (!p.keep)
      body();
    else
      e.ifThen(e.cmp(kNe, kind, e.cI32(FOVEA_TILE_EMPTY)), body);
  });
}

/// The V tile of some keys of the block.
void PrefillBuilder::emitUnitValues(const LiveKeys &keys, Value tile) {
  emitMatrixValueTile(e, p.valueDim, keys.count, blockKeys(), tile, zeroRow,
                      [&](Value i) {
                        Value at = e.mul(keys.at(e, i), valueStride);
                        return std::pair(e.at(valueRows, at, 2), Value());
                      });
}

/// The tiles of a panel: those of the whole block, whose values the first panel
/// that wants them transposes, or where it sees few of the keys, copies of
/// these alone. Copying a key costs a third of computing it.
PrefillBuilder::UnitTiles PrefillBuilder::chooseTiles(Value keys,
                                                      const LiveKeys &block,
                                                      const LiveKeys &live) {
  if (!p.keep)
    return {keys, vTile, block};
  Value few = e.cmp(kSlt, e.mul(paddedKeys(e, live.count), 4),
                    e.mul(paddedKeys(e, block.count), 3));
  LiveKeys taken{e.select(few, live.count, block.count),
                 e.select(few, live.list, block.list)};
  Value tile = e.select(few, vLive, vTile);
  if (pass != Pass::Sums) {
    Value missing = e.cmp(kEq, e.load(e.i64, transposed), e.cI64(0));
    e.ifThen(e.orI(few, missing), [&] { emitUnitValues(taken, tile); });
    Value done = e.select(few, e.load(e.i64, transposed), e.cI64(1));
    e.store(done, transposed);
  }
  Value rows = e.ifElse(
      few, e.ptr,
      [&] {
        emitTableTile(e, Elem::F32, p.keyDim / 2, live.count, kMatrixStep,
                      kLive, [&](Value i) {
                        Value at = e.mul(live.at(e, i), p.keyDim);
                        return std::pair(e.at(keys, at, 2), Value());
                      });
        return Values{kLive};
      },
      [&] { return Values{keys}; })[0];
  return {rows, tile, taken};
}

/// emitScores on the matrix unit. The maximum is one of scores.
Value PrefillBuilder::emitUnitScores(
    Value keys, Value qPanel, const LiveKeys &live, Value max,
    llvm::function_ref<void(Value)> ahead,
    llvm::function_ref<Values(Value, const Values &)> hide) {
  emitMatrixDots(e, *unit, shape, keys, qPanel, sPanel, live.count, ahead);
  std::optional<float> factor = scoreFactor();
  Value most = max;
  if (keepsProducts()) {
    factor.reset();
    most = e.splatF32(lanes, kNoMax / scoreFactor());
  }
  Value found = emitMatrixMaximum(e, shape, factor, sPanel, live, most, hide);
  emitPadPanel(e, shape, sPanel, live.count, -INFINITY);
  if (!factor)
    found = e.fmax(e.fmul(found, e.like(found, scoreFactor())), max);
  return found;
}

/// O of a panel on the matrix unit, whatever has become of its weights.
void PrefillBuilder::emitProducts(Value values, Value oPanel,
                                  const LiveKeys &keys, Value alpha) {
  Value padded = paddedKeys(e, keys.count);
  if (!pairsWeights()) {
    emitPadPanel(e, shape, sPanel, keys.count, 0);
    emitPairs(e, shape, sPanel, padded);
  }
  emitMatrixValues(e, *unit, shape, blockKeys(), values, sPanel, oPanel, padded,
                   alpha);
}

/// Each panel fetches its share of the rows beside those of the register tile
/// that starts at `firstRow`, so that the lines come in while there is work.
void PrefillBuilder::emitPrefetch(Value panel, Value firstRow) {
  int64_t panels = std::max<int64_t>(1, p.schedule.rows / lanes);
  int64_t share = (shape.regRows + panels - 1) / panels;
  Value first = e.mul(panel, share);
  auto rows = [&] {
    for (const Prefetch &ahead : prefetches)
      for (int64_t r = 0; r < share; ++r) {
        Value row = e.add(e.add(firstRow, first), r);
        Value at;
        if (ahead.table) {
          row = e.minS(row, e.cI64(p.schedule.keys - 1));
          at = e.at(ahead.data, e.loadAt(e.i64, ahead.table, row), 1);
        } else {
          at = e.at(ahead.data, e.mul(row, ahead.strideBytes), 1);
        }
        for (int64_t byte = 0; byte < ahead.rowBytes; byte += 64)
          e.prefetch(e.at(at, byte), /*write=*/false, /*locality=*/2);
      }
  };
  e.ifThen(e.cmp(kSlt, first, e.cI64(shape.regRows)), rows);
}

/// What the builder cannot do, by name.
static std::string whyNot(const StreamParams &p) {
  auto dim = [](int64_t d) { return d >= 1 && d <= 576; };
  if (!dim(p.keyDim) || !dim(p.valueDim))
    return "expected key and value dims to be in [1, 576], got " +
           std::to_string(p.keyDim) + " and " + std::to_string(p.valueDim);
  if (p.sources.empty() && p.segments.empty())
    return "expected at least one source of keys and values, got 0";
  const PrefillSchedule &s = p.schedule;
  if (s.lanes < 8 || !llvm::isPowerOf2_64(s.lanes) || s.rows < 1 ||
      s.regRows < 1 || s.keys < 1)
    return "expected lanes of the schedule to be a power of two from 8 on and "
           "its other sizes to be positive, got " +
           toString(s);
  if (s.matrix) {
    auto plain = [](const StreamSource &source) {
      return source.keyElem == Elem::BF16 && source.valueElem == Elem::BF16 &&
             !source.keyScales && !source.valueScales;
    };
    if (s.regRows != kMatrixStep || s.lanes > kMatrixStep ||
        s.lanes < MatrixUnit::kFloats || p.keyDim % kMatrixStep ||
        p.valueDim % kMatrixStep || p.order || !p.segments.empty() ||
        p.queryElem != Elem::BF16 || !llvm::all_of(p.sources, plain))
      return "expected products of a matrix unit to be of plain bf16 in steps "
             "of 32 keys and channels, got dims " +
             std::to_string(p.keyDim) + " and " + std::to_string(p.valueDim) +
             " in " + toString(s);
  }
  if (p.kvGroup % p.group)
    return "expected the heads that share keys to be a multiple of those in an "
           "item, got " +
           std::to_string(p.kvGroup) + " and " + std::to_string(p.group);
  if (p.order && (p.sources.size() != 1 || p.sources[0].tokensPerKey != 1 ||
                  p.selection || p.ragged))
    return "expected an ordered walk over one key and value, without selection";
  if (p.selection) {
    const Selection &chosen = *p.selection;
    if (!chosen.levels && !(chosen.list && chosen.count))
      return "expected a selection to have levels or a list with its counts, "
             "got neither";
    if (s.rows > p.group * chosen.queries || p.group > chosen.heads)
      return "expected the rows of an item to share one list, got " +
             std::to_string(s.rows) + " rows of " + std::to_string(p.group) +
             " heads and lists of " + std::to_string(chosen.queries) +
             " queries of " + std::to_string(chosen.heads) + " heads";
  }
  return "";
}

FailureOr<int64_t> buildPrefillStream(OpBuilder &builder, Location loc,
                                      const StreamParams &params,
                                      std::string &reason) {
  reason = whyNot(params);
  if (!reason.empty())
    return failure();
  auto scratch = PrefillBuilder(builder, loc, params).build();
  if (failed(scratch))
    reason = "expected the mask and the score modifier to have CPU code";
  return scratch;
}

} // namespace fovea::cpu
