// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The part of the mask emitter that reads operands: table loads, at a point or
// over a box, and copies of the ops that have no interval; see MaskEmit.h.
#include "passes/analysis/MaskEmit.h"

#include "dialects/tile/Tile.h"
#include "passes/analysis/MaskFlags.h"
#include "passes/analysis/MaskScan.h"
#include "passes/analysis/MaskSegment.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

#include <fovea/abi.h>

#include <limits>
#include <utility>

using namespace mlir;

namespace fovea {

Value MaskEmitter::extent(unsigned table, unsigned axis) {
  Value memref = operands[table];
  auto type = cast<MemRefType>(memref.getType());
  if (!type.isDynamicDim(axis))
    return i64(type.getDimSize(axis));
  Value at = b.create<arith::ConstantIndexOp>(loc, axis);
  return toI64(b.create<memref::DimOp>(loc, memref, at));
}

Value MaskEmitter::guardedLoad(Value table, ArrayRef<Value> at) {
  Value inTable = i1(true);
  SmallVector<Value> indices;
  for (auto [axis, index] : llvm::enumerate(at)) {
    auto type = cast<MemRefType>(table.getType());
    Value size =
        type.isDynamicDim(axis)
            ? toI64(b.create<memref::DimOp>(
                  loc, table, b.create<arith::ConstantIndexOp>(loc, axis)))
            : i64(type.getDimSize(axis));
    inTable = both(inTable, both(le(i64(0), index), lt(index, size)));
    indices.push_back(toIndex(index));
  }
  if (valid)
    valid = both(valid, inTable);
  if (matchPattern(inTable, m_One()))
    return b.create<memref::LoadOp>(loc, table, indices);
  Type element = cast<MemRefType>(table.getType()).getElementType();
  auto choice = b.create<scf::IfOp>(loc, TypeRange{element}, inTable, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(&choice.getThenRegion().front());
  b.create<scf::YieldOp>(
      loc, b.create<memref::LoadOp>(loc, table, indices).getResult());
  b.setInsertionPointToEnd(&choice.getElseRegion().front());
  b.create<scf::YieldOp>(
      loc,
      b.create<arith::ConstantOp>(loc, b.getZeroAttr(element)).getResult());
  return choice.getResult(0);
}

/// The type of a table as a part of a name.
static std::string typeText(MemRefType table) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << table.getElementType();
  for (int64_t d : table.getShape())
    os << '_' << (ShapedType::isDynamic(d) ? -1 : d);
  auto layout = dyn_cast<StridedLayoutAttr>(table.getLayout());
  for (int64_t d : layout ? layout.getStrides() : ArrayRef<int64_t>())
    os << (ShapedType::isDynamic(d) ? "_s" : "_" + std::to_string(d));
  return text;
}

MaskEmitter::Range MaskEmitter::load(const MaskNode &n) {
  SmallVector<Range> indices;
  for (MaskId arg : n.args)
    indices.push_back(range(arg));
  auto read = [&](Value last) {
    SmallVector<Value> at;
    for (Range r : indices)
      at.push_back(r.lo);
    at.back() = last;
    return toI64(guardedLoad(operands[n.imm], at));
  };
  auto isPoint = [](Range r) { return r.isPoint(); };
  if (llvm::all_of(indices, isPoint)) {
    Value v = read(indices.back().lo);
    return {v, v};
  }
  if (!mask.ascending.contains(n.imm) ||
      !llvm::all_of(ArrayRef(indices).drop_back(), isPoint))
    return scan(n, indices);
  // Entries outside the table do not count, as the pairs that read them are
  // masked.
  Value last = sub(extent(n.imm, indices.size() - 1), i64(1));
  return {read(max(indices.back().lo, i64(0))),
          read(min(indices.back().hi, last))};
}

Value MaskEmitter::segmentAt(unsigned operand, MaskPart part, Value row,
                             Value token) {
  // One function for each type of table and part.
  Value table = operands[operand];
  auto type = cast<MemRefType>(table.getType());
  auto module =
      b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  func::FuncOp search = emitMaskSegment(
      module, "fovea_mask_segment_" + typeText(type), type, part);
  SmallVector<Value> args{table};
  if (row)
    args.push_back(toIndex(row));
  args.push_back(token);
  return b.create<func::CallOp>(loc, search, args).getResult(0);
}

MaskEmitter::Range MaskEmitter::segment(const MaskNode &n) {
  SmallVector<Range> at;
  for (MaskId arg : n.args)
    at.push_back(range(arg));
  auto call = [&](Value token) {
    return segmentAt(n.imm, MaskPart(n.coefs[0]),
                     at.size() == 2 ? at[0].lo : Value(), token);
  };
  if (at.size() == 2 && !at[0].isPoint())
    return {i64(n.lo), i64(n.hi)};
  Value lo = call(at.back().lo);
  return {lo, at.back().isPoint() ? lo : call(at.back().hi)};
}

func::FuncOp MaskEmitter::tableFunction(
    StringRef prefix, unsigned operand,
    function_ref<func::FuncOp(ModuleOp, StringRef, MemRefType)> emit) {
  auto module =
      b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto table = cast<MemRefType>(operands[operand].getType());
  std::string name = (prefix + "_" + typeText(table)).str();
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;
  return emit(module, name, table);
}

/// The least and greatest entry of a box of a table. A box that is empty or
/// too large gets the range of the type; entries outside the table do not
/// count, as the pairs that read them are masked.
MaskEmitter::Range MaskEmitter::scan(const MaskNode &n,
                                     ArrayRef<Range> indices) {
  Value table = operands[n.imm];
  bool flags = llvm::is_contained(mask.flags, unsigned(n.imm));
  Value zero = i64(0), one = i64(1);
  Value limit = i64(flags ? kMaskFlagLimit : kMaskScanLimit);
  // The axis that is read in stretches: the summarised one, else the last.
  int along = -1, summary = -1;
  for (auto [axis, r] : llvm::enumerate(indices))
    if (int found = mask.summaryOf(n.imm, axis); !r.isPoint() && found >= 0) {
      along = axis;
      summary = found;
    }
  SmallVector<Range> clipped;
  Value total = one, sane = i1(true);
  for (auto [axis, r] : llvm::enumerate(indices)) {
    Value last = sub(extent(n.imm, axis), one);
    Value lo = max(r.lo, zero), hi = min(r.hi, last);
    clipped.push_back({lo, hi});
    sane = both(sane, le(lo, hi));
    Value steps = add(sub(hi, lo), one);
    if (int(axis) == along) {
      // Entries and blocks at both ends, and blocks of blocks.
      constexpr int64_t block = FOVEA_SUMMARY_BLOCK;
      Value blocks = toI64(b.create<memref::DimOp>(
          loc, operands[summary],
          b.create<arith::ConstantIndexOp>(loc, along)));
      Value fast =
          add(i64(4 * block), floorDiv(steps, i64(block * block), true));
      steps = select(equal(blocks, zero), steps, min(steps, fast));
    }
    total = mul(total, min(steps, add(limit, one)));
  }
  sane = both(sane, le(total, limit));
  Type type = b.getI64Type();
  auto choice = b.create<scf::IfOp>(loc, TypeRange{type, type}, sane, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(&choice.getElseRegion().front());
  b.create<scf::YieldOp>(loc, ValueRange{i64(n.lo), i64(n.hi)});
  b.setInsertionPointToEnd(&choice.getThenRegion().front());
  if (flags) {
    SmallVector<Value> args{table};
    for (Range r : clipped) {
      args.push_back(toIndex(r.lo));
      args.push_back(toIndex(add(r.hi, one)));
    }
    auto scan = tableFunction(kMaskFlagPrefix, n.imm, emitMaskFlags);
    b.create<scf::YieldOp>(
        loc, b.create<func::CallOp>(loc, scan, args).getResults());
    return {choice.getResult(0), choice.getResult(1)};
  }
  Value step = b.create<arith::ConstantIndexOp>(loc, 1);
  SmallVector<Value> at;
  Value least = i64(std::numeric_limits<int64_t>::max());
  Value most = i64(std::numeric_limits<int64_t>::min());
  scf::ForOp outer;
  for (auto [axis, r] : llvm::enumerate(clipped)) {
    if (int(axis) == along) {
      at.push_back({});
      continue;
    }
    if (indices[axis].isPoint()) {
      at.push_back(toIndex(r.lo));
      continue;
    }
    auto loop =
        b.create<scf::ForOp>(loc, toIndex(r.lo), toIndex(add(r.hi, one)), step,
                             ValueRange{least, most});
    if (outer)
      b.create<scf::YieldOp>(loc, loop.getResults());
    else
      outer = loop;
    at.push_back(loop.getInductionVar());
    least = loop.getRegionIterArg(0);
    most = loop.getRegionIterArg(1);
    b.setInsertionPointToStart(loop.getBody());
  }
  Range found;
  if (along >= 0) {
    SmallVector<Value> args{table, operands[summary]};
    for (Value index : at)
      if (index)
        args.push_back(index);
    args.push_back(toIndex(clipped[along].lo));
    args.push_back(toIndex(add(clipped[along].hi, one)));
    // One for each type of table and axis.
    auto scan =
        tableFunction("fovea_mask_scan_" + std::to_string(along), n.imm,
                      [&](ModuleOp module, StringRef name, MemRefType type) {
                        return emitMaskScan(module, name, type, along);
                      });
    auto call = b.create<func::CallOp>(loc, scan, args);
    found = {call.getResult(0), call.getResult(1)};
  } else {
    Value v = toI64(b.create<memref::LoadOp>(loc, table, at));
    found = {v, v};
  }
  b.create<scf::YieldOp>(loc,
                         ValueRange{min(least, found.lo), max(most, found.hi)});
  if (outer) {
    b.setInsertionPointAfter(outer);
    b.create<scf::YieldOp>(loc, outer.getResults());
  }
  return {choice.getResult(0), choice.getResult(1)};
}

/// A copied division must not trap and a copied shift have a meaning, for the
/// pairs that the importer masks as well.
void MaskEmitter::makeSafe(Operation *op, IRMapping &map) {
  Value second = op->getOperand(1), x = map.lookup(second);
  Type type = second.getType();
  auto constant = [&](int64_t c) -> Value {
    return b.create<arith::ConstantOp>(loc, b.getIntegerAttr(type, c));
  };
  using P = arith::CmpIPredicate;
  auto ask = [&](P p, int64_t c) {
    return b.createOrFold<arith::CmpIOp>(loc, p, x, constant(c));
  };
  Value good, instead;
  if (isMaskShift(op)) {
    good = ask(P::ult, type.isIndex() ? 64 : type.getIntOrFloatBitWidth());
    instead = constant(0);
  } else {
    good = dividesBits(op) ? ask(P::ne, 0) : ask(P::sge, 1);
    instead = constant(1);
  }
  if (valid)
    valid = both(valid, good);
  map.map(second, select(good, x, instead));
}

std::pair<Value, Value> MaskEmitter::asWritten(Value v) {
  valid = i1(true);
  Value copied = copy(v);
  return {copied, std::exchange(valid, Value())};
}

Value MaskEmitter::copy(Value v) {
  if (Value done = copies.lookup(v))
    return done;
  auto asType = [&](Value x, Type type) -> Value {
    if (type.isIndex())
      return toIndex(x);
    return type.isInteger(64) ? x
                              : b.createOrFold<arith::TruncIOp>(loc, type, x);
  };
  // What the graph knows comes from the graph.
  auto input = [&](Value operand) -> Value {
    auto it = mask.nodes.find(operand);
    if (it == mask.nodes.end())
      return copy(operand);
    if (mask.graph[it->second].isPredicate())
      return truth(it->second).any;
    return asType(range(it->second).lo, operand.getType());
  };
  if (auto arg = dyn_cast<BlockArgument>(v))
    return operands[arg.getArgNumber()];
  Operation *op = v.getDefiningOp();
  if (auto load = dyn_cast<memref::LoadOp>(op)) {
    SmallVector<Value> at;
    for (Value index : load.getIndices())
      at.push_back(toI64(input(index)));
    auto table = cast<BlockArgument>(load.getMemRef());
    return copies[v] = guardedLoad(operands[table.getArgNumber()], at);
  }
  if (auto search = dyn_cast<tile::SearchOp>(op)) {
    unsigned table = cast<BlockArgument>(search.getBoundaries()).getArgNumber();
    Value row, token = toI64(input(search.getToken()));
    if (search.getRow()) {
      row = toI64(input(search.getRow()));
      if (valid)
        valid = both(valid, both(le(i64(0), row), lt(row, extent(table, 0))));
    }
    for (auto [result, part] : {std::pair(search.getIndex(), MaskPart::Index),
                                std::pair(search.getBegin(), MaskPart::Begin),
                                std::pair(search.getEnd(), MaskPart::End)})
      copies[result] = toIndex(segmentAt(table, part, row, token));
    return copies[v];
  }
  IRMapping map;
  for (Value operand : op->getOperands())
    if (!map.contains(operand))
      map.map(operand, input(operand));
  if (isMaskDivision(op) || isMaskShift(op))
    makeSafe(op, map);
  Operation *clone = b.clone(*op, map);
  for (auto [from, to] : llvm::zip_equal(op->getResults(), clone->getResults()))
    copies[from] = to;
  return copies[v];
}

} // namespace fovea
