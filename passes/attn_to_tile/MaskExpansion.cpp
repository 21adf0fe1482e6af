// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The one way from a spec's mask to scalar code; only how a table is read
// differs between the solver's function and the kernel.
#include "passes/attn_to_tile/MaskExpansion.h"
#include "passes/attn_to_tile/CastGuards.h"

#include "dialects/attn/AttnDialect.h"
#include "dialects/sel/Clauses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

Value fovea::tableOf(const PlanTables &tables, TableRule rule, Value source) {
  for (const PlanTable &made : tables)
    if (made.rule == rule && made.source == source)
      return made.table;
  return {};
}

Lineage fovea::lineageOf(const PlanTables &tables, Value parents) {
  return {tableOf(tables, TableRule::Lineage, parents),
          tableOf(tables, TableRule::LineageSize, parents)};
}

Value fovea::batchTreeIn(const PlanTables &tables) {
  for (const PlanTable &made : tables)
    if (made.rule == TableRule::BatchTree)
      return made.table;
  return {};
}

Value fovea::loadTable(const PlanTables &tables, TableLoad load, Value source,
                       Value table, ValueRange indices) {
  Value copy = tableOf(tables, TableRule::Boundaries, source);
  return load(copy ? copy : table, indices);
}

SmallVector<Value> fovea::specOperands(const SpecMask &mask) {
  if (mask.sugar)
    return SmallVector<Value>(mask.operands);
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(*mask.region, captured);
  return captured.takeVector();
}

bool fovea::isScalarOp(Operation *op) {
  return isa_and_nonnull<arith::ArithDialect, math::MathDialect>(
             op->getDialect()) &&
         op->getNumRegions() == 0 && op->getNumResults() == 1 &&
         op->getResult(0).getType().isIntOrIndexOrFloat();
}

Value fovea::copyScalar(OpBuilder &b, Value value,
                        function_ref<Value(Value)> argument) {
  Operation *op = value.getDefiningOp();
  if (!op || !isScalarOp(op))
    return argument(value);
  IRMapping map;
  for (Value operand : op->getOperands()) {
    Value copy = copyScalar(b, operand, argument);
    if (!copy)
      return {};
    map.map(operand, copy);
  }
  return b.clone(*op, map)->getResult(0);
}

/// The cache whose batch's tree a mask of `op` asks for; null if it does not.
static Value batchTreeOf(Operation *op, const SpecMask &mask) {
  auto attention = dyn_cast<attn::AttentionOpInterface>(op);
  if (!attention || !attention.getCache() ||
      !sel::readsBatchTree(mask.sugar, mask.region))
    return {};
  return attention.getSource().front();
}

PlanTables fovea::planTables(ProgramBuilder &p, Operation *op,
                             const SpecMask &mask) {
  PlanTables tables;
  auto add = [&](TableRule rule, Value key, Value source) {
    if (source && !tableOf(tables, rule, key))
      tables.push_back({rule, key, p.table(op->getLoc(), rule, source)});
  };
  auto addOf = [&](TableRule rule, Value argument) {
    add(rule, argument, p.view(argument));
  };
  auto addLineage = [&](Value parents) {
    addOf(TableRule::Lineage, parents);
    addOf(TableRule::LineageSize, parents);
  };
  if (mask.sugar) {
    Attribute(mask.sugar).walk([&](sel::TreeAttr tree) {
      if (auto argument = dyn_cast_if_present<sel::ArgAttr>(tree.getParents()))
        addLineage(mask.operands[argument.getIndex()]);
    });
    for (auto [i, operand] : llvm::enumerate(mask.operands))
      if (sel::isBoundaries(mask.sugar, i))
        addOf(TableRule::Boundaries, operand);
  } else if (mask.region) {
    mask.region->walk([&](sel::AncestorOp ancestor) {
      if (Value parents = ancestor.getParents())
        addLineage(parents);
    });
    mask.region->walk([&](sel::SegmentOp segment) {
      addOf(TableRule::Boundaries, segment.getBoundaries());
    });
  }
  if (Value cache = batchTreeOf(op, mask))
    add(TableRule::BatchTree, cache, p.cache(cache).cache);
  return tables;
}

/// The places of sel.coordinates by division.
static SmallVector<Value> expandCoordinates(OpBuilder &b, sel::CoordinatesOp op,
                                            IRMapping &map) {
  Location loc = op.getLoc();
  SmallVector<OpFoldResult> sizes = op.getMixedSizes();
  SmallVector<Value> places(sizes.size());
  Value rest = map.lookup(op.getToken());
  for (size_t axis = sizes.size(); --axis > 0;) {
    Value size;
    if (auto value = dyn_cast<Value>(sizes[axis]))
      size = map.lookupOrDefault(value);
    else
      size = b.create<arith::ConstantIndexOp>(
          loc, cast<IntegerAttr>(cast<Attribute>(sizes[axis])).getInt());
    Value above = b.create<arith::FloorDivSIOp>(loc, rest, size);
    places[axis] = b.create<arith::SubIOp>(
        loc, rest, b.create<arith::MulIOp>(loc, above, size));
    rest = above;
  }
  places[0] = rest;
  return places;
}

Value fovea::cloneRegion(OpBuilder &b, Region &region, ValueRange args,
                         ValueRange captured, ValueRange replacements,
                         TableLoad loadFn, TreeMask &tree,
                         const PlanTables &tables) {
  IRMapping map;
  map.map(region.getArguments(), args);
  for (auto [from, to] : llvm::zip(captured, replacements))
    map.map(from, to);
  for (Operation &op : region.front().without_terminator()) {
    if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      SmallVector<Value> indices;
      for (Value index : extract.getIndices())
        indices.push_back(map.lookup(index));
      map.map(extract.getResult(),
              loadTable(tables, loadFn, extract.getTensor(),
                        map.lookup(extract.getTensor()), indices));
      continue;
    }
    if (auto coordinates = dyn_cast<sel::CoordinatesOp>(op)) {
      map.map(coordinates.getPlaces(), expandCoordinates(b, coordinates, map));
      continue;
    }
    if (auto segment = dyn_cast<sel::SegmentOp>(op)) {
      auto search = b.create<SearchOp>(
          op.getLoc(), map.lookup(segment.getToken()),
          tableOf(tables, TableRule::Boundaries, segment.getBoundaries()),
          map.lookupOrNull(segment.getRow()));
      map.map(segment.getResults(), search.getResults());
      continue;
    }
    if (auto ancestor = dyn_cast<sel::AncestorOp>(op)) {
      SmallVector<Value> indices;
      for (Value index : ancestor.getIndices())
        indices.push_back(map.lookup(index));
      map.map(
          ancestor.getResult(),
          ancestor.getParents()
              ? tree.ancestor(lineageOf(tables, ancestor.getParents()), indices)
              : tree.inTree());
      continue;
    }
    b.clone(op, map);
  }
  return map.lookup(region.front().getTerminator()->getOperand(0));
}

Value fovea::whereCastsHold(OpBuilder &b, Value value, double hidden) {
  Value hold = guardCasts(b, *b.getInsertionBlock());
  if (!hold)
    return value;
  Location loc = value.getLoc();
  Type type = value.getType();
  if (type.isInteger(1))
    return b.create<arith::AndIOp>(loc, value, hold);
  TypedAttr otherwise =
      isa<FloatType>(type) ? TypedAttr(b.getFloatAttr(type, hidden))
                           : TypedAttr(b.getIntegerAttr(type, int64_t(hidden)));
  return b.create<arith::SelectOp>(loc, hold, value,
                                   b.create<arith::ConstantOp>(loc, otherwise));
}

Value fovea::buildPredicate(OpBuilder &b, Location loc, const SpecMask &mask,
                            sel::Coordinates at, ValueRange operands,
                            TableLoad loadFn, const PlanTables &tables) {
  SmallVector<Value> spec = specOperands(mask);
  TreeMask tree(b, loc, at, batchTreeIn(tables), loadFn);
  sel::Coordinates seen = tree.positions();
  Value live;
  if (mask.sugar) {
    ExpansionBuilder<sel::MaskBuilder> builder(b, loc, seen, operands, spec,
                                               loadFn, tree, tables);
    live = mask.sugar.expand(builder);
  } else {
    Value args[] = {seen.batch, seen.head, seen.query, seen.key};
    live = cloneRegion(b, *mask.region, args, spec, operands, loadFn, tree,
                       tables);
  }
  tree.eraseUnused();
  return whereCastsHold(b, live);
}

int64_t fovea::queryHeadsOf(Operation *op) {
  if (auto attention = dyn_cast<attn::AttentionOpInterface>(op))
    return attention.getQueryHeads();
  return cast<sel::ScoreOp>(op).getQuery().getType().getDimSize(1);
}
