// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows to codes, and the stages that write tokens of a cache: append, and moves
// between segments.
#include "codegen/gpu/templates/WarpRows.h"
#include "codegen/gpu/templates/WarpStages.h"

#include "codegen/cpu/CacheAddress.h"

#include <fovea/abi.h>

#include <cmath>

using namespace mlir;

namespace fovea::gpu {

using namespace cpu;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

/// Warps that share the tokens of a head in an item of append.
static constexpr int64_t kTokenParts = 16;

void scaleRowBy(WarpStage &w, WarpStage::Row &x, Value scale) {
  for (Value &v : x)
    v = w.e.fmul(v, scale);
}

Value encodeRow(WarpStage &w, const RowLanes &lanes, WarpStage::Row &x) {
  Emitter &e = w.e;
  // Magnitudes as integers have the order of the numbers, and whatever is not
  // finite is above all that is.
  Value most = e.cI32(0);
  for (Value v : x)
    most = e.maxS(most, e.andI(e.bitcast(v, e.i32), e.cI32(0x7fffffff)));
  most =
      w.alongRow(lanes, most, [&](Value a, Value b) { return e.maxS(a, b); });
  Value finite = e.cmp(CmpIPredicate::slt, most, e.cI32(0x7f800000));
  Value largest = e.select(finite, e.bitcast(most, e.f32), e.cF32(NAN));
  Value scale = e.fdiv(largest, e.cF32(127));
  // A scale of 0 makes codes of 0: the row is 0, or too small to have one.
  Value none = e.cmp(CmpFPredicate::OEQ, scale, e.cF32(0));
  Value divisor = e.select(none, e.cF32(1), scale);
  Value factor = e.select(none, e.cF32(0), e.cF32(1));
  Value bound = e.cF32(127), magic = e.cF32(12582912);
  for (Value &v : x) {
    Value q = e.fdiv(e.fmul(v, factor), divisor);
    q = e.select(e.cmp(CmpFPredicate::OLT, q, bound), q, bound);
    q = e.fmax(q, e.cF32(-127));
    // 1.5 * 2^23 leaves no fraction.
    v = e.fsub(e.fadd(q, magic), magic);
  }
  return scale;
}

BuiltStage buildAppend(ModuleOp module, const AppendParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  unsigned rank = p.ragged ? 3 : 4;
  RowLanes keyLanes(w.h, p.keyDim), valueLanes(w.h, p.valueDim);
  View k = w.view(p.kSlot, rank, p.k), v = w.view(p.vSlot, rank, p.v);
  View toK = w.view(p.target.k, 4, p.target.kElem),
       toV = w.view(p.target.v, 4, p.target.vElem);
  w.viewsAreRead();
  SegmentClass only = classesOf(p.target).front();
  w.forEachUnit(p.heads * kTokenParts, [&](const Item &item, Value unit) {
    Value head = e.divU(unit, e.cI64(kTokenParts));
    Value part = e.remU(unit, e.cI64(kTokenParts));
    SegmentRows rows =
        loadSegment(w.s, p.target, only, e.cI64(0), item.b, e.cI64(0));
    // Of tokens that a ring has at one place the last one stays.
    Value first = e.cI64(0);
    if (p.target.ring)
      first = e.maxS(first, e.sub(item.count, p.target.ring));
    auto copy = [&](const RowLanes &lanes, const View &from, Elem elem,
                    const View &to, Elem as) {
      Value own = e.add(first, e.add(e.mul(part, lanes.rows), lanes.row));
      e.forLoop(
          own, item.count, e.cI64(kTokenParts * lanes.rows), [&](Value t) {
            auto [page, offset] = locate(e, rows, e.add(item.k0, t));
            Value number = e.toInt(e.loadAt(e.i32, rows.table, page), e.i64);
            Values x = w.load(lanes, elem,
                              rowAddress(w.s, from, p.ragged, item.b, head,
                                         e.add(item.row, t), sizeOf(elem)));
            w.store(lanes, as, x,
                    addressOf(e, to, {number, head, offset}, sizeOf(as)), {});
          });
    };
    copy(keyLanes, k, p.k, toK, p.target.kElem);
    copy(valueLanes, v, p.v, toV, p.target.vElem);
  });
  return w.finish();
}

namespace {

/// The moves of one head, keys or values, in a warp.
class MoveWarps {
public:
  MoveWarps(WarpStage &w, const MovesParams &p, Value head, bool keys)
      : w(w), e(w.e), p(p), head(head), keys(keys),
        lanes(w.h, keys ? p.keyDim : p.valueDim) {}

  struct Fields {
    Value from, to, fromPage, fromOffset, toPage, toOffset; ///< i64
  };
  void emit(const Fields &move, const SegmentClass &from,
            const SegmentClass &to);

private:
  /// Addresses of a row and of its scale (null without).
  std::pair<Value, Value> place(const SegmentClass &members, Value segment,
                                Value page, Value offset);
  void copy(const Fields &move, const SegmentClass &from,
            const SegmentClass &to);
  Elem elemOf(const SegmentClass &c) const { return keys ? c.k : c.v; }

  WarpStage &w;
  Emitter &e;
  const MovesParams &p;
  Value head;
  bool keys;
  RowLanes lanes;
};

} // namespace

std::pair<Value, Value> MoveWarps::place(const SegmentClass &members,
                                         Value segment, Value page,
                                         Value offset) {
  Value data = pickSegment(
      e, p.segments, members, segment,
      [&](const CacheSource &c) -> int64_t { return keys ? c.k : c.v; });
  Value row = addressOf(e, w.s.viewAt(data, 4), {page, head, offset},
                        sizeOf(elemOf(members)));
  if (!(keys ? members.kCoded : members.vCoded))
    return {row, Value()};
  Value scales = pickSegment(e, p.segments, members, segment,
                             [&](const CacheSource &c) -> int64_t {
                               return keys ? c.kScale : c.vScale;
                             });
  return {row, addressOf(e, w.s.viewAt(scales, 3), {page, head, offset}, 4)};
}

void MoveWarps::copy(const Fields &move, const SegmentClass &from,
                     const SegmentClass &to) {
  auto [source, sourceScale] =
      place(from, move.from, move.fromPage, move.fromOffset);
  auto [target, targetScale] = place(to, move.to, move.toPage, move.toOffset);
  Values x = w.load(lanes, elemOf(from), source);
  Value scale;
  if (sourceScale)
    scale = w.h.loadGlobal(e.f32, sourceScale);
  // Codes stay what they are.
  if (scale && !targetScale)
    scaleRowBy(w, x, scale);
  if (targetScale && !scale)
    scale = encodeRow(w, lanes, x);
  // The row may be its own target, or the next one's source.
  w.warpBarrier();
  w.store(lanes, elemOf(to), x, target, lanes.leading);
  if (targetScale)
    e.ifThen(w.isLane(0),
             [&, at = targetScale] { w.h.storeGlobal(scale, at); });
  w.warpBarrier();
}

void MoveWarps::emit(const Fields &move, const SegmentClass &from,
                     const SegmentClass &to) {
  Value known;
  for (unsigned i : from.members)
    for (unsigned j : to.members) {
      Value is = e.andI(e.cmp(CmpIPredicate::eq, move.from, e.cI64(i)),
                        e.cmp(CmpIPredicate::eq, move.to, e.cI64(j)));
      known = known ? e.orI(known, is) : is;
    }
  e.ifThen(known, [&] { copy(move, from, to); });
}

BuiltStage buildMoves(ModuleOp module, const MovesParams &p) {
  WarpStage w(module, p.name);
  Emitter &e = w.e;
  // Addressing does not matter here, only formats do.
  std::vector<CacheSource> plain = p.segments;
  for (CacheSource &segment : plain) {
    segment.pageTokens = segment.ring = 0;
    segment.listed = false;
    w.view(segment.k, 4, segment.kElem);
    w.view(segment.v, 4, segment.vElem);
  }
  w.viewsAreRead();
  std::vector<SegmentClass> classes = classesOf(plain);
  StageFunction &s = w.s;
  s.count(StageFunction::Items, e.sub(s.end, s.begin));
  // Moves build on each other, but those of other heads: a warp does all of a
  // head's keys or values, in order.
  w.forEachWarp(e.cI64(0), e.cI64(2 * p.heads), [&](Value unit) {
    Value head = e.shrU(unit, 1);
    Value moves = e.load(e.ptr, e.at(s.plan, offsetof(fovea_abi_plan, moves)));
    auto all = [&](bool keys) {
      MoveWarps warps(w, p, head, keys);
      e.forLoop(s.begin, s.end, e.cI64(1), [&](Value i) {
        Value at = e.at(moves, e.mul(i, sizeof(fovea_abi_move)), 1);
        auto field = [&](size_t offset) {
          return e.toInt(w.h.loadGlobal(e.i32, e.at(at, offset)), e.i64);
        };
        MoveWarps::Fields move{field(offsetof(fovea_abi_move, from)),
                               field(offsetof(fovea_abi_move, to)),
                               field(offsetof(fovea_abi_move, from_page)),
                               field(offsetof(fovea_abi_move, from_offset)),
                               field(offsetof(fovea_abi_move, to_page)),
                               field(offsetof(fovea_abi_move, to_offset))};
        // Tokens move towards the first segment, or inside one.
        for (const SegmentClass &from : classes)
          for (const SegmentClass &to : classes)
            if (from.members.back() >= to.members.front())
              warps.emit(move, from, to);
      });
      return Values();
    };
    e.ifElse(
        e.cmp(CmpIPredicate::eq, e.andI(unit, e.cI64(1)), e.cI64(0)),
        TypeRange(), [&] { return all(/*keys=*/true); },
        [&] { return all(/*keys=*/false); });
  });
  return w.finish();
}

} // namespace fovea::gpu
