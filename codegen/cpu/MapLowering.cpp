// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Binds a map's region to lanes, its tables to views of the ABI.
#include "codegen/cpu/MapLowering.h"

#include "codegen/abi/AbiEmit.h"
#include "codegen/cpu/RegionVectoriser.h"
#include "codegen/cpu/TableReads.h"

#include <fovea/abi.h>

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/RegionUtils.h"

#include <limits>

using namespace mlir;
using namespace fovea;
using namespace fovea::cpu;

static Value asI64(Emitter &e, Value v) {
  if (!v.getType().isIndex())
    return v;
  return e.b.create<arith::IndexCastOp>(e.loc, e.i64, v);
}

/// Scalars do not change while a stage runs.
static Value loadScalarOnEntry(Emitter &e, unsigned slot, Type type) {
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(e.entryBlock());
  return asI64(e, cabi::loadScalar(e.b, e.loc, e.entryBlock()->getArgument(0),
                                   slot, type));
}

namespace {

/// tile.search: the segment of a token in a row of ascending boundaries, for
/// lanes of tokens (then everything is lanes of i32) or for one (i64).
class SegmentSearch {
public:
  /// `args` are the token, the table and, if it has rows, the row.
  SegmentSearch(Emitter &e, const TableReader::Table &table,
                ArrayRef<LaneValue> args, int64_t lanes);
  /// i1: the table has the row; null where it has no rows.
  Value inside;
  /// Index, begin and end.
  Values run();

private:
  Value number(int64_t c) {
    return varying ? e.splatInt(lanes, e.i32, c) : e.cI64(c);
  }
  Value spread(Value scalar) {
    return varying ? e.splat(e.toInt(scalar, e.i32), lanes) : scalar;
  }
  /// Boundary number `at`.
  Value read(Value at);
  /// Whether the token is at or past a boundary.
  Value reached(Value boundary) {
    Type type = getElementTypeOrSelf(token.getType());
    return e.cmp(arith::CmpIPredicate::sle, e.toInt(boundary, type), token);
  }

  Emitter &e;
  const int64_t lanes;
  Value token, n, data;
  Value rowStart; ///< lanes where they differ by row, else null
  bool varying;
};

} // namespace

SegmentSearch::SegmentSearch(Emitter &e, const TableReader::Table &table,
                             ArrayRef<LaneValue> args, int64_t lanes)
    : e(e), lanes(lanes), token(args[0].v), n(table.shape.back()),
      data(table.data), varying(Emitter::lanesOf(token) != 0) {
  if (args.size() < 3)
    return;
  Value row = e.toInt(args[2].v, e.i64), rows = table.shape[0];
  Value stride = table.stride[0];
  if (!Emitter::lanesOf(row)) {
    inside = e.cmp(arith::CmpIPredicate::ult, row, rows);
    n = e.select(inside, n, e.cI64(0));
    data = e.at(data, e.mul(row, stride), 4);
    return;
  }
  inside = e.cmp(arith::CmpIPredicate::ult, row, e.splat(rows, lanes));
  rowStart = e.mul(row, e.splat(stride, lanes));
  if (!varying)
    token = e.splat(token, lanes);
  varying = true;
}

Value SegmentSearch::read(Value at) {
  if (!varying)
    return e.toInt(e.loadAt(e.i32, data, at), e.i64);
  if (rowStart)
    return e.gather(e.i32, data, e.add(rowStart, e.toInt(at, e.i64)), inside);
  return e.gather(e.i32, data, at, e.splatInt(lanes, e.i1, 1));
}

Values SegmentSearch::run() {
  using P = arith::CmpIPredicate;
  // Halving what is left of n entries takes as many steps for all lanes.
  auto search = [&]() -> Values {
    Values at = e.whileLoop(
        {number(0), n},
        [&](ValueRange state) { return e.cmp(P::sgt, state[1], e.cI64(1)); },
        [&](ValueRange state) -> Values {
          Value half = e.shrU(state[1], 1);
          Value middle = e.add(state[0], spread(half));
          return {e.select(reached(read(middle)), middle, state[0]),
                  e.sub(state[1], half)};
        });
    Value begin = read(at[0]);
    Value behind = e.select(reached(begin), e.add(at[0], 1), at[0]);
    Value end = read(e.minS(behind, spread(e.sub(n, 1))));
    return {e.sub(behind, 1), begin, end};
  };
  SmallVector<Type> types(3, number(0).getType());
  return e.ifElse(e.cmp(P::sgt, n, e.cI64(0)), types, search,
                  [&] { return Values{number(-1), number(0), number(0)}; });
}

MapLowering::Mapped MapLowering::emit(Emitter &e, Operation *op, Region &body,
                                      Value s, const MapPoint &at,
                                      int64_t lanes) {
  TableReader reader(e, layout, lanes, at.outside);
  RegionVectoriser *asker = nullptr;
  auto hook = [&](Emitter &e, Operation *op,
                  ArrayRef<LaneValue> args) -> FailureOr<LaneValue> {
    bool looped =
        llvm::any_of(args, [](const LaneValue &x) { return x.looped; });
    if (auto search = dyn_cast<tile::SearchOp>(op)) {
      SegmentSearch segment(e, reader.tableOf(search.getBoundaries()), args,
                            lanes);
      LaneValue parts[3];
      for (auto [i, v] : llvm::enumerate(segment.run())) {
        parts[i] = LaneValue::index(v, INT32_MIN, INT32_MAX);
        parts[i].looped = looped;
      }
      asker->bind(search.getBegin(), parts[1]);
      asker->bind(search.getEnd(), parts[2]);
      if (segment.inside)
        asker->require(segment.inside, looped);
      return parts[0];
    }
    auto element = dyn_cast<tile::ElementOp>(op);
    if (!element)
      return failure();
    // A pair that reads outside a table is hidden, as the solved mask has it.
    return LaneValue::any(reader.read(element.getView(), args.drop_front(),
                                      [&](Value inside, bool looped) {
                                        if (!element.getInside())
                                          asker->require(inside, looped);
                                      }));
  };
  RegionVectoriser vectoriser(e, lanes, hook, at.outside);
  asker = &vectoriser;
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(body, captured);
  for (Value value : captured) {
    if (isa<tile::ViewType>(value.getType()))
      vectoriser.bind(value, LaneValue::any(e.entryBlock()->getArgument(0)));
    else if (isa<BlockArgument>(value))
      vectoriser.bind(value, LaneValue::any(loadScalarOnEntry(
                                 e, layout.scalar(value), value.getType())));
    else if (auto constant = value.getDefiningOp<arith::ConstantOp>())
      vectoriser.bind(
          value,
          LaneValue::any(
              value.getType().isIndex()
                  ? e.cI64(cast<IntegerAttr>(constant.getValue()).getInt())
                  : e.constant(constant.getValue())));
  }
  Value plan = e.entryBlock()->getArgument(1);
  OpBuilder::InsertPoint here = e.b.saveInsertionPoint();
  if (at.outside)
    e.b.restoreInsertionPoint(*at.outside);
  // Unused loads fold away.
  Value offset = asI64(e, cabi::loadQueryOffset(e.b, e.loc, plan, at.b));
  Value length = asI64(e, cabi::loadKeyLength(e.b, e.loc, plan, at.b));
  e.b.restoreInsertionPoint(here);
  // The plan holds to these: the distance of two positions fits 32 bits. Keys
  // of lanes past the length may lie beyond, and are hidden.
  constexpr int64_t most = FOVEA_ABI_MAX_TOKENS;
  LaneValue args[] = {LaneValue::any(s ? s : e.cF32(0)).inLoop(),
                      LaneValue::index(at.b),
                      LaneValue::index(at.h),
                      LaneValue::index(at.q, -most, most - 1),
                      LaneValue::index(at.k, 0, most - 1).inLoop(),
                      LaneValue::index(offset, -most, most),
                      LaneValue::index(length, 0, most)};
  auto result = vectoriser.emit(body.front(), args);
  // i1, i32 or f32.
  Type elem = body.front().getTerminator()->getOperand(0).getType();
  if (failed(result)) {
    error = vectoriser.reason;
    errorOp = op;
    Type type = lanes ? e.vec(lanes, elem) : elem;
    return {e.b.create<arith::ConstantOp>(e.loc, type, e.b.getZeroAttr(type)),
            Value()};
  }
  Value v = result->front().v;
  if (lanes && !Emitter::lanesOf(v))
    v = e.splat(v, lanes);
  return {v, vectoriser.valid()};
}

Value MapLowering::mask(Emitter &e, tile::MapOp map, const MapPoint &at,
                        int64_t lanes) {
  auto [v, valid] = emit(e, map, map.getBody(), Value(), at, lanes);
  if (!valid)
    return v;
  return e.select(valid, v, e.like(v, 0));
}

Value MapLowering::score(Emitter &e, ArrayRef<tile::MapOp> maps, Value s,
                         const MapPoint &at, int64_t lanes) {
  Value all;
  for (tile::MapOp map : maps) {
    auto [v, valid] = emit(e, map, map.getBody(), s, at, lanes);
    s = v;
    if (valid)
      all = all ? e.andI(all, valid) : valid;
  }
  constexpr float infinity = std::numeric_limits<float>::infinity();
  return all ? e.select(all, s, e.like(s, -infinity)) : s;
}

Value MapLowering::prob(Emitter &e, tile::AttendOp attend, Value weights,
                        const MapPoint &at, int64_t lanes) {
  auto [v, valid] = emit(e, attend, attend.getBody(), weights, at, lanes);
  return valid ? e.select(valid, v, e.like(v, 0)) : v;
}
