// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// See the header.
#include "passes/analysis/MaskSegment.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace fovea {
namespace {

/// Emits the body for one row of the table.
class SegmentEmitter {
public:
  SegmentEmitter(OpBuilder &b, Location loc, func::FuncOp func)
      : b(b), loc(loc), table(func.getArgument(0)),
        token(func.getArguments().back()) {
    if (func.getNumArguments() == 3)
      row = func.getArgument(1);
  }
  Value run(MaskPart part);

private:
  using Compare = arith::CmpIPredicate;
  Value index(int64_t c) { return b.create<arith::ConstantIndexOp>(loc, c); }
  Value i64(int64_t c) {
    return b.create<arith::ConstantIntOp>(loc, c, /*width=*/64);
  }
  Value compare(Compare p, Value x, Value y) {
    return b.create<arith::CmpIOp>(loc, p, x, y);
  }
  Value toI64(Value v) {
    return b.create<arith::IndexCastOp>(loc, b.getI64Type(), v);
  }
  Value extent(int64_t axis) {
    return b.create<memref::DimOp>(loc, table, index(axis));
  }
  Value load(Value at) {
    SmallVector<Value, 2> place;
    if (row)
      place.push_back(row);
    place.push_back(at);
    Value e = b.create<memref::LoadOp>(loc, table, place);
    return b.create<arith::ExtSIOp>(loc, b.getI64Type(), e);
  }
  Value select(Value c, Value x, Value y) {
    return b.create<arith::SelectOp>(loc, c, x, y);
  }
  /// The number of the last boundary at or before the token, or 0 where there
  /// is none, of `n` > 0: by halving.
  Value search(Value n);
  /// The part in a row of `n` > 0 entries.
  Value partOf(MaskPart part, Value n);
  Value edgeOf(Value n);

  OpBuilder &b;
  Location loc;
  Value table, row, token;
};

} // namespace

Value SegmentEmitter::search(Value n) {
  SmallVector<Type> types(2, b.getIndexType());
  auto loop = b.create<scf::WhileOp>(
      loc, types, ValueRange{index(0), n},
      [&](OpBuilder &, Location, ValueRange state) {
        Value more = compare(Compare::ugt, state[1], index(1));
        b.create<scf::ConditionOp>(loc, more, state);
      },
      [&](OpBuilder &, Location, ValueRange state) {
        Value half = b.create<arith::ShRUIOp>(loc, state[1], index(1));
        Value middle = b.create<arith::AddIOp>(loc, state[0], half);
        Value reached = compare(Compare::sle, load(middle), token);
        Value left = b.create<arith::SubIOp>(loc, state[1], half);
        b.create<scf::YieldOp>(
            loc, ValueRange{select(reached, middle, state[0]), left});
      });
  return loop.getResult(0);
}

Value SegmentEmitter::edgeOf(Value n) {
  Value before = compare(Compare::slt, token, i64(0));
  Value past = compare(Compare::sge, token, toI64(n));
  Value outside = b.create<arith::OrIOp>(loc, before, past);
  Value number = select(outside, i64(0), token);
  Value edge =
      load(b.create<arith::IndexCastOp>(loc, b.getIndexType(), number));
  return select(past, i64(kMaskTermLimit),
                select(before, i64(-kMaskTermLimit), edge));
}

Value SegmentEmitter::partOf(MaskPart part, Value n) {
  if (part == MaskPart::Edge)
    return edgeOf(n);
  Value at = search(n), least = load(at);
  if (part == MaskPart::Begin)
    return least;
  Value found = compare(Compare::sle, least, token);
  if (part == MaskPart::Index)
    return select(found, toI64(at), i64(-1));
  Value step = b.create<arith::IndexCastUIOp>(loc, b.getIndexType(), found);
  Value behind = b.create<arith::AddIOp>(loc, at, step);
  Value last = b.create<arith::SubIOp>(loc, n, index(1));
  return load(b.create<arith::MinUIOp>(loc, behind, last));
}

Value SegmentEmitter::run(MaskPart part) {
  Value n = extent(row ? 1 : 0);
  if (row)
    n = select(compare(Compare::ult, row, extent(0)), n, index(0));
  auto choice = b.create<scf::IfOp>(
      loc, compare(Compare::ne, n, index(0)),
      [&](OpBuilder &, Location) {
        b.create<scf::YieldOp>(loc, partOf(part, n));
      },
      [&](OpBuilder &, Location) {
        // As with a boundary that no token reaches.
        Value none = i64(part == MaskPart::Index ? -1 : 0);
        if (part == MaskPart::Edge)
          none = select(compare(Compare::slt, token, i64(0)),
                        i64(-kMaskTermLimit), i64(kMaskTermLimit));
        b.create<scf::YieldOp>(loc, none);
      });
  return choice.getResult(0);
}

func::FuncOp emitMaskSegment(ModuleOp module, std::string name,
                             MemRefType table, MaskPart part) {
  static constexpr const char *const words[] = {"_index", "_begin", "_end",
                                                "_edge"};
  name += words[size_t(part)];
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  SmallVector<Type> inputs{table};
  if (table.getRank() == 2)
    inputs.push_back(b.getIndexType());
  inputs.push_back(b.getI64Type());
  Location loc = module.getLoc();
  auto func = b.create<func::FuncOp>(loc, name,
                                     b.getFunctionType(inputs, b.getI64Type()));
  func.setPrivate();
  b.setInsertionPointToEnd(func.addEntryBlock());
  b.create<func::ReturnOp>(loc, SegmentEmitter(b, loc, func).run(part));
  return func;
}

} // namespace fovea
