// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stages that write tokens of a cache: append, and moves between segments.
#include "codegen/cpu/CacheAddress.h"
#include "codegen/cpu/CacheRows.h"
#include "codegen/cpu/CacheStages.h"

#include <fovea/abi.h>

using namespace mlir;

namespace fovea::cpu {

using arith::CmpIPredicate;

static Value rowAt(Emitter &e, const View &part, Value page, Value head,
                   Value offset, unsigned bytes) {
  return addressOf(e, part, {page, head, offset}, bytes);
}

BuiltStage buildAppend(ModuleOp module, const AppendParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  unsigned rank = p.ragged ? 3 : 4;
  View k = f.view(p.kSlot, rank), v = f.view(p.vSlot, rank);
  View toK = f.view(p.target.k, 4), toV = f.view(p.target.v, 4);
  SegmentClass only = classesOf(p.target).front();
  f.forEachItem([&](const Item &item) {
    SegmentRows rows =
        loadSegment(f, p.target, only, e.cI64(0), item.b, e.cI64(0));
    e.forLoop(e.cI64(0), item.count, e.cI64(1), [&](Value t) {
      auto place = locate(e, rows, e.add(item.k0, t));
      Value page = e.toInt(e.loadAt(e.i32, rows.table, place.first), e.i64);
      Value position = e.add(item.row, t);
      e.forLoop(e.cI64(0), e.cI64(p.heads), e.cI64(1), [&](Value head) {
        auto copy = [&](const View &from, Elem elem, const View &to, Elem as,
                        int64_t dim) {
          Value row = rowAddress(f, from, p.ragged, item.b, head, position,
                                 sizeOf(elem));
          emitConvertRow(e, {elem, row, {}}, as,
                         rowAt(e, to, page, head, place.second, sizeOf(as)),
                         dim);
        };
        copy(k, p.k, toK, p.target.kElem, p.keyDim);
        copy(v, p.v, toV, p.target.vElem, p.valueDim);
      });
    });
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

namespace {

/// The moves from segments of one class to those of another.
class MoveEmitter {
public:
  MoveEmitter(StageFunction &f, const MovesParams &p) : f(f), e(f.e), p(p) {}

  struct Fields {
    Value from, to, fromPage, fromOffset, toPage, toOffset; ///< i64
  };
  void emit(const Fields &move, const SegmentClass &from,
            const SegmentClass &to);

private:
  void part(const Fields &move, const SegmentClass &from,
            const SegmentClass &to, bool keys);

  StageFunction &f;
  Emitter &e;
  const MovesParams &p;
};

} // namespace

void MoveEmitter::part(const Fields &move, const SegmentClass &from,
                       const SegmentClass &to, bool keys) {
  auto views = [&](Value segment, const SegmentClass &members, bool coded) {
    View data = f.viewAt(pickSegment(e, p.segments, members, segment,
                                     [&](const CacheSource &c) -> int64_t {
                                       return keys ? c.k : c.v;
                                     }),
                         4);
    View scales;
    if (coded)
      scales = f.viewAt(pickSegment(e, p.segments, members, segment,
                                    [&](const CacheSource &c) -> int64_t {
                                      return keys ? c.kScale : c.vScale;
                                    }),
                        3);
    return std::pair(data, scales);
  };
  bool fromCoded = keys ? from.kCoded : from.vCoded;
  bool toCoded = keys ? to.kCoded : to.vCoded;
  Elem fromElem = keys ? from.k : from.v, toElem = keys ? to.k : to.v;
  int64_t dim = keys ? p.keyDim : p.valueDim;
  auto [source, sourceScales] = views(move.from, from, fromCoded);
  auto [target, targetScales] = views(move.to, to, toCoded);
  e.forLoop(e.cI64(0), e.cI64(p.heads), e.cI64(1),
            [&, source = source, sourceScales = sourceScales, target = target,
             targetScales = targetScales](Value head) {
              RowSource row{fromElem,
                            rowAt(e, source, move.fromPage, head,
                                  move.fromOffset, sizeOf(fromElem)),
                            {}};
              Value to = rowAt(e, target, move.toPage, head, move.toOffset,
                               sizeOf(toElem));
              if (fromCoded)
                row.scale = e.load(e.f32, rowAt(e, sourceScales, move.fromPage,
                                                head, move.fromOffset, 4));
              Value scale = row.scale;
              if (toCoded && !fromCoded)
                scale = emitEncodeRow(e, row, to, dim);
              else
                emitConvertRow(e, row, toElem, to, dim);
              if (toCoded)
                e.store(scale, rowAt(e, targetScales, move.toPage, head,
                                     move.toOffset, 4));
            });
}

void MoveEmitter::emit(const Fields &move, const SegmentClass &from,
                       const SegmentClass &to) {
  Value known;
  for (unsigned i : from.members)
    for (unsigned j : to.members) {
      Value is = e.andI(e.cmp(CmpIPredicate::eq, move.from, e.cI64(i)),
                        e.cmp(CmpIPredicate::eq, move.to, e.cI64(j)));
      known = known ? e.orI(known, is) : is;
    }
  e.ifThen(known, [&] {
    part(move, from, to, /*keys=*/true);
    part(move, from, to, /*keys=*/false);
  });
}

BuiltStage buildMoves(ModuleOp module, const MovesParams &p) {
  auto b = OpBuilder::atBlockEnd(module.getBody());
  StageFunction f(b, module.getLoc(), p.name, p.isa);
  Emitter &e = f.e;
  // Addressing does not matter here, only formats do.
  std::vector<CacheSource> plain = p.segments;
  for (CacheSource &s : plain) {
    s.pageTokens = s.ring = 0;
    s.listed = false;
  }
  std::vector<SegmentClass> classes = classesOf(plain);
  Value moves = e.load(e.ptr, e.at(f.plan, offsetof(fovea_abi_plan, moves)));
  f.count(StageFunction::Items, e.sub(f.end, f.begin));
  e.forLoop(f.begin, f.end, e.cI64(1), [&](Value i) {
    Value at = e.at(moves, e.mul(i, sizeof(fovea_abi_move)), 1);
    auto field = [&](size_t offset) {
      return e.toInt(e.load(e.i32, e.at(at, offset)), e.i64);
    };
    MoveEmitter::Fields move{field(offsetof(fovea_abi_move, from)),
                             field(offsetof(fovea_abi_move, to)),
                             field(offsetof(fovea_abi_move, from_page)),
                             field(offsetof(fovea_abi_move, from_offset)),
                             field(offsetof(fovea_abi_move, to_page)),
                             field(offsetof(fovea_abi_move, to_offset))};
    // Tokens move towards the first segment, or inside one.
    for (const SegmentClass &from : classes)
      for (const SegmentClass &to : classes)
        if (from.members.back() >= to.members.front())
          MoveEmitter(f, p).emit(move, from, to);
  });
  f.finish();
  return {f.fn, static_cast<uint64_t>(f.scratchBytes())};
}

} // namespace fovea::cpu
