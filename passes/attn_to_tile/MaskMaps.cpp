// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Masks and modifiers in the kernel: the regions of tile.map and of a step's
// probability.
#include "passes/attn_to_tile/MaskExpansion.h"

#include "dialects/attn/AttnDialect.h"

#include "mlir/Transforms/RegionUtils.h"

#include <limits>

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

/// What stands for a value of the spec inside a map. Null for what is neither
/// an argument of the kernel nor computed from such.
static Value inProgram(ProgramBuilder &p, Value value) {
  return copyScalar(p.b, value, [&](Value v) { return p.view(v); });
}

/// The arguments of a region on one pair; the builder is left inside.
static void openRegion(ProgramBuilder &p, Location loc, Region &region) {
  Block *body = p.b.createBlock(&region);
  body->addArgument(p.b.getF32Type(), loc);
  for (unsigned i = 1; i != kMapArgs; ++i)
    body->addArgument(p.b.getIndexType(), loc);
}

static MapOp openMap(ProgramBuilder &p, Location loc, Value scores, Value block,
                     On on) {
  auto map = p.b.create<MapOp>(loc, scores.getType(), scores, block, on);
  openRegion(p, loc, map.getBody());
  return map;
}

static sel::Coordinates coordinates(Operation *op, Block &body) {
  return {body.getArgument(kMapBatch),
          body.getArgument(kMapHead),
          body.getArgument(kMapQuery),
          body.getArgument(kMapKey),
          body.getArgument(kMapLength),
          body.getArgument(kMapOffset),
          queryHeadsOf(op)};
}

static Value loadElement(OpBuilder &b, Location loc, Value view,
                         ValueRange indices, bool inside = false) {
  return b.create<ElementOp>(loc,
                             cast<ViewType>(view.getType()).getElementType(),
                             view, indices, inside);
}

/// Whether the table of a score word, by head or a bias, has an entry for every
/// pair of the call: its dims are the call's, so that the plan refuses others.
static bool fitsCall(ProgramBuilder &p, attn::AttentionOpInterface op,
                     Value table) {
  Extents have = p.extents(table);
  if (have.size() == 1)
    return have[0] ==
           ExtentAttr::get(op.getContext(), "", op.getQueryHeads(), 0, 1, "");
  Value source = op.getSource().front();
  if (have.size() != 4 || !isa<RankedTensorType>(source.getType()))
    return false;
  auto one = ExtentAttr::get(op.getContext(), "", 1, 0, 1, "");
  Extents rows = p.extents(p.view(op.getQuery()));
  Extents keys = p.extents(p.view(source));
  return (have[0] == one || have[0] == rows[0]) &&
         (have[1] == one || have[1] == rows[1]) && have[2] == rows[2] &&
         have[3] == keys[2];
}

Value fovea::emitMask(ProgramBuilder &p, Operation *op, const SpecMask &mask,
                      Value scores, Value block) {
  Location loc = op->getLoc();
  OpBuilder &b = p.b;
  PlanTables tables = planTables(p, op, mask);
  MapOp map = openMap(p, loc, scores, block, On::Partial);
  Block &body = map.getBody().front();
  SmallVector<Value> operands;
  for (Value operand : specOperands(mask))
    operands.push_back(inProgram(p, operand));
  auto load = [&](Value view, ValueRange indices) {
    return loadElement(b, loc, view, indices);
  };
  Value live = buildPredicate(b, loc, mask, coordinates(op, body), operands,
                              load, tables);
  b.create<tile::YieldOp>(loc, live);
  b.setInsertionPointAfter(map);
  return map.getResult();
}

/// The body of a score or probability region, copied to the open region of a
/// tile op.
static FailureOr<Value> cloneModifier(ProgramBuilder &p, Operation *op,
                                      Region &region, StringRef word,
                                      Block &body, const PlanTables &tables) {
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(region, captured);
  SmallVector<Value> views;
  for (Value value : captured) {
    Value view = inProgram(p, value);
    if (!view)
      return op->emitOpError("expected what a ")
             << word
             << " region reads to be an argument of the kernel or a constant";
    views.push_back(view);
  }
  auto load = [&](Value view, ValueRange indices) {
    return loadElement(p.b, op->getLoc(), view, indices);
  };
  TreeMask tree(p.b, op->getLoc(), coordinates(op, body), batchTreeIn(tables),
                load);
  sel::Coordinates seen = tree.positions();
  Value args[] = {body.getArgument(0), seen.batch, seen.head, seen.query,
                  seen.key};
  Value result = cloneRegion(p.b, region, args, captured.getArrayRef(), views,
                             load, tree, tables);
  tree.eraseUnused();
  return result;
}

/// What `op`'s mask is written as.
static SpecMask specMaskOf(attn::AttentionOpInterface op) {
  return {op.getMaskAttr(), op.getMaskOperands(), &op.getMaskRegion()};
}

LogicalResult fovea::emitProb(ProgramBuilder &p, attn::AttentionOpInterface op,
                              AttendOp attend, Prob on) {
  SpecMask mask = specMaskOf(op);
  PlanTables tables = planTables(p, op, mask);
  openRegion(p, op->getLoc(), attend.getBody());
  FailureOr<Value> result = cloneModifier(p, op, op.getProbRegion(), "prob",
                                          attend.getBody().front(), tables);
  if (failed(result))
    return failure();
  p.b.create<tile::YieldOp>(op->getLoc(), whereCastsHold(p.b, *result));
  p.b.setInsertionPointAfter(attend);
  attend.setProb(on);
  return success();
}

FailureOr<Value> fovea::emitScoreMaps(ProgramBuilder &p,
                                      attn::AttentionOpInterface op,
                                      Value scores, Value block) {
  Location loc = op->getLoc();
  OpBuilder &b = p.b;
  SpecMask mask = specMaskOf(op);
  PlanTables tables = planTables(p, op, mask);
  Value batchTree = batchTreeIn(tables);
  auto load = [&](Value view, ValueRange indices) {
    return loadElement(b, loc, view, indices, fitsCall(p, op, view));
  };
  auto close = [&](MapOp map, Value s) {
    s = whereCastsHold(b, s, -std::numeric_limits<double>::infinity());
    b.create<tile::YieldOp>(loc, s);
    b.setInsertionPointAfter(map);
    scores = map.getResult();
  };
  if (ArrayAttr mods = op.getScoreAttr()) {
    for (Attribute mod : mods) {
      MapOp map = openMap(p, loc, scores, block, On::All);
      Block &body = map.getBody().front();
      SmallVector<Value> operands;
      for (Value operand : op.getScoreOperands())
        operands.push_back(inProgram(p, operand));
      TreeMask tree(b, loc, coordinates(op, body), batchTree, load);
      ExpansionBuilder<attn::ScoreBuilder> builder(
          b, loc, tree.positions(), operands, op.getScoreOperands(), load, tree,
          tables);
      Value s = cast<attn::ScoreAttrInterface>(mod).expand(builder,
                                                           body.getArgument(0));
      tree.eraseUnused();
      close(map, s);
    }
  }
  Region &region = op.getScoreRegion();
  if (!region.empty()) {
    MapOp map = openMap(p, loc, scores, block, On::All);
    FailureOr<Value> s =
        cloneModifier(p, op, region, "score", map.getBody().front(), tables);
    if (failed(s))
      return failure();
    close(map, *s);
  }
  return scores;
}
