// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Binds a map's region to lanes, its tables to views of the ABI.
#include "codegen/cpu/MapLowering.h"

#include "codegen/abi/AbiEmit.h"
#include "codegen/cpu/RegionVectoriser.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::cpu;

static Value asI64(Emitter &e, Value v) {
  if (!v.getType().isIndex())
    return v;
  return e.b.create<arith::IndexCastOp>(e.loc, e.i64, v);
}

namespace {

/// A table as emitted: everything i64, loaded once on entry.
struct Table {
  Value data;
  SmallVector<Value> shape, stride;
};

} // namespace

/// Loads of views and scalars do not change while a stage runs, so they go to
/// the top of the function, where every use sees them.
static Table loadTable(Emitter &e, unsigned slot, unsigned rank) {
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(e.entryBlock());
  cabi::ViewValues view =
      cabi::loadView(e.b, e.loc, e.entryBlock()->getArgument(0), slot, rank);
  Table table;
  table.data = view.data;
  for (unsigned i = 0; i != rank; ++i) {
    table.shape.push_back(asI64(e, view.shape[i]));
    table.stride.push_back(asI64(e, view.stride[i]));
  }
  return table;
}

static Value loadScalarOnEntry(Emitter &e, unsigned slot, Type type) {
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(e.entryBlock());
  return asI64(e, cabi::loadScalar(e.b, e.loc, e.entryBlock()->getArgument(0),
                                   slot, type));
}

/// Reads a table at lanes or at one place; outside it reads as 0, and `inside`
/// (i1, lanes or scalar) says where it is.
static Value readTable(Emitter &e, const Table &table, Type element,
                       ArrayRef<LaneValue> indices, int64_t lanes,
                       Value &inside) {
  bool varying = llvm::any_of(
      indices, [](const LaneValue &i) { return Emitter::lanesOf(i.v) != 0; });
  if (element.isBF16()) {
    // Moved as bits: without instructions for bf16, LLVM takes lanes of it
    // apart through f32 and rounds them back in a library.
    Value bits = readTable(e, table, e.b.getI16Type(), indices, lanes, inside);
    Type type = Emitter::lanesOf(bits) ? e.vec(lanes, element) : element;
    return e.b.create<arith::BitcastOp>(e.loc, type, bits);
  }
  Value offset;
  inside = {};
  for (auto [d, index] : llvm::enumerate(indices)) {
    Value i = e.toInt(index.v, e.i64), n = table.shape[d], s = table.stride[d];
    if (varying) {
      if (!Emitter::lanesOf(i))
        i = e.splat(i, lanes);
      n = e.splat(n, lanes);
      s = e.splat(s, lanes);
    }
    // One unsigned comparison is both bounds.
    Value ok = e.cmp(arith::CmpIPredicate::ult, i, n);
    inside = inside ? e.andI(inside, ok) : ok;
    Value term = e.mul(i, s);
    offset = offset ? e.add(offset, term) : term;
  }
  if (varying) {
    // 8 and 16-bit elements have no gather: one lane at a time would do, but
    // no table that lanes index has such elements (f16 and bf16 biases do).
    if (element.getIntOrFloatBitWidth() >= 32)
      return e.gather(element, table.data, offset, inside);
    Type vec = e.vec(lanes, element);
    Value result =
        e.b.create<arith::ConstantOp>(e.loc, vec, e.b.getZeroAttr(vec));
    for (int64_t l = 0; l != lanes; ++l) {
      Value one = e.ifElse(
          e.extract(inside, l), {element},
          [&] {
            return Values{e.loadAt(element, table.data, e.extract(offset, l))};
          },
          [&] { return Values{e.constant(e.b.getZeroAttr(element))}; })[0];
      result = e.b.create<vector::InsertOp>(e.loc, one, result, l);
    }
    return result;
  }
  Value zero = e.constant(e.b.getZeroAttr(element));
  return e.ifElse(
      inside, {element},
      [&] { return Values{e.loadAt(element, table.data, offset)}; },
      [&] { return Values{zero}; })[0];
}

Value MapLowering::emit(Emitter &e, Operation *op, Region &body, bool isMask,
                        Value s, const MapPoint &at, int64_t lanes) {
  llvm::DenseMap<Value, Table> tables;
  RegionVectoriser *reader = nullptr;
  auto hook = [&](Emitter &e, Operation *op,
                  ArrayRef<LaneValue> args) -> FailureOr<LaneValue> {
    auto element = dyn_cast<tile::ElementOp>(op);
    if (!element)
      return failure();
    Value view = element.getView();
    auto type = cast<tile::ViewType>(view.getType());
    Table &table = tables[view];
    if (!table.data)
      table = loadTable(e, layout.view(view), type.getRank());
    Value inside;
    Value read = readTable(e, table, type.getElementType(), args.drop_front(),
                           lanes, inside);
    // A pair that reads outside a table is masked, as the solved mask has it.
    reader->require(inside, llvm::any_of(args, [](const LaneValue &i) {
                      return i.looped;
                    }));
    return LaneValue::any(read);
  };
  RegionVectoriser vectoriser(e, lanes, hook, at.outside);
  reader = &vectoriser;
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
  LaneValue args[] = {LaneValue::any(s ? s : e.cF32(0)).inLoop(),
                      LaneValue::index(at.b),
                      LaneValue::index(at.h),
                      LaneValue::index(at.q, INT32_MIN),
                      LaneValue::index(at.k).inLoop(),
                      LaneValue::index(offset, INT32_MIN),
                      LaneValue::index(length)};
  auto result = vectoriser.emit(body.front(), args);
  // i1, i32 or f32.
  Type elem = body.front().getTerminator()->getOperand(0).getType();
  if (failed(result)) {
    error = vectoriser.reason;
    errorOp = op;
    Type vec = e.vec(lanes, elem);
    return e.b.create<arith::ConstantOp>(e.loc, vec, e.b.getZeroAttr(vec));
  }
  Value v = result->front().v;
  if (!Emitter::lanesOf(v))
    v = e.splat(v, lanes);
  if (!isMask)
    return v;
  Value valid = vectoriser.valid();
  return valid ? e.select(valid, v, e.splatInt(lanes, elem, 0)) : v;
}
