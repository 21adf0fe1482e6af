// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Expands masks twice: once as a scalar function for the solver and the host
// planner, once inside tile.map for the kernel. Both come from the same
// `expand` or region; only the way a table is read differs.
#include "passes/attn_to_tile/MaskFunctions.h"
#include "passes/attn_to_tile/CastGuards.h"
#include "passes/attn_to_tile/TreeMask.h"

#include "dialects/attn/AttnDialect.h"
#include "dialects/sel/Clauses.h"
#include "passes/analysis/MaskSolver.h"
#include "passes/analysis/TokenOrder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

#include <limits>

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

namespace {

/// A table that the plan makes of what a mask reads: of an operand of the spec,
/// or of the cache for the tree of the batch.
struct PlanTable {
  TableRule rule;
  Value source, table;
};
using PlanTables = SmallVector<PlanTable>;

/// What stands for the table made of `source`; null if there is none.
Value tableOf(const PlanTables &tables, TableRule rule, Value source) {
  for (const PlanTable &made : tables)
    if (made.rule == rule && made.source == source)
      return made.table;
  return {};
}

/// What stands for the tree of the batch; null if there is none.
Value batchTreeIn(const PlanTables &tables) {
  for (const PlanTable &made : tables)
    if (made.rule == TableRule::BatchTree)
      return made.table;
  return {};
}

/// An element of the spec's table `source`, for which `table` stands. Where the
/// plan has a copy that is known to ascend, of that.
Value loadTable(const PlanTables &tables, TableLoad load, Value source,
                Value table, ValueRange indices) {
  Value copy = tableOf(tables, TableRule::Boundaries, source);
  return load(copy ? copy : table, indices);
}

/// A MaskBuilder or ScoreBuilder whose tables are memrefs or views instead of
/// tensors.
template <typename Base>
class Lowering : public Base {
public:
  Lowering(OpBuilder &b, Location loc, sel::Coordinates at, ValueRange operands,
           ValueRange specOperands, TableLoad loadFn, TreeMask &tree,
           const PlanTables &tables)
      : Base(b, loc, at, operands), specOperands(specOperands), loadFn(loadFn),
        tree(tree), tables(tables) {}

  Value load(unsigned i, ValueRange indices) override {
    return loadTable(tables, loadFn, specOperands[i], this->operand(i),
                     indices);
  }
  Type operandType(unsigned i) override { return specOperands[i].getType(); }
  Value ancestor(unsigned i, ValueRange indices) override {
    return tree.ancestor(tableOf(tables, TableRule::Lineage, specOperands[i]),
                         indices);
  }
  Value inTree() override { return tree.inTree(); }
  sel::Segment segment(unsigned i, Value row, Value token) override {
    auto op = this->b.template create<SearchOp>(
        this->loc, token,
        tableOf(tables, TableRule::Boundaries, specOperands[i]), row);
    return {op.getIndex(), op.getBegin(), op.getEnd()};
  }

private:
  ValueRange specOperands;
  TableLoad loadFn;
  TreeMask &tree;
  const PlanTables &tables;
};

} // namespace

/// The values that the mask reads from outside, in a fixed order.
static SmallVector<Value> specOperands(const SpecMask &mask) {
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

/// The kernel's arguments that `value` is, or is computed from, in order.
static void addArguments(Value value, llvm::SetVector<Value> &arguments) {
  Operation *op = value.getDefiningOp();
  if (!op || !isScalarOp(op)) {
    arguments.insert(value);
    return;
  }
  for (Value operand : op->getOperands())
    addArguments(operand, arguments);
}

/// A copy of the scalar ops that give `value`; `argument` gives what stands for
/// an argument of the kernel. Null if that does.
static Value copyScalar(OpBuilder &b, Value value,
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

/// What stands for a value of the spec inside a map. Null for what is neither
/// an argument of the kernel nor computed from such.
static Value inProgram(ProgramBuilder &p, Value value) {
  return copyScalar(p.b, value, [&](Value v) { return p.view(v); });
}

/// The cache whose batch's tree a mask of `op` asks for; null if it does not.
static Value batchTreeOf(Operation *op, const SpecMask &mask) {
  auto attention = dyn_cast<attn::AttentionOpInterface>(op);
  if (!attention || !attention.getCache() ||
      !sel::readsBatchTree(mask.sugar, mask.region))
    return {};
  return attention.getSource().front();
}

/// The tables that a mask of `op` asks the plan for, made in the program;
/// lineages come first.
static PlanTables planTables(ProgramBuilder &p, Operation *op,
                             const SpecMask &mask) {
  PlanTables tables;
  auto add = [&](TableRule rule, Value key, Value source) {
    if (source && !tableOf(tables, rule, key))
      tables.push_back({rule, key, p.table(op->getLoc(), rule, source)});
  };
  auto addOf = [&](TableRule rule, Value argument) {
    add(rule, argument, p.view(argument));
  };
  if (mask.sugar) {
    Attribute(mask.sugar).walk([&](sel::TreeAttr tree) {
      if (auto argument = dyn_cast_if_present<sel::ArgAttr>(tree.getParents()))
        addOf(TableRule::Lineage, mask.operands[argument.getIndex()]);
    });
    for (auto [i, operand] : llvm::enumerate(mask.operands))
      if (sel::isBoundaries(mask.sugar, i))
        addOf(TableRule::Boundaries, operand);
  } else if (mask.region) {
    mask.region->walk([&](sel::AncestorOp ancestor) {
      if (Value parents = ancestor.getParents())
        addOf(TableRule::Lineage, parents);
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

/// Copies the body of a spec region; tables are read through `loadFn`, trees
/// through `tree`. Returns what it yields.
static Value cloneRegion(OpBuilder &b, Region &region, ValueRange args,
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
      map.map(ancestor.getResult(),
              ancestor.getParents()
                  ? tree.ancestor(tableOf(tables, TableRule::Lineage,
                                          ancestor.getParents()),
                                  indices)
                  : tree.inTree());
      continue;
    }
    b.clone(op, map);
  }
  return map.lookup(region.front().getTerminator()->getOperand(0));
}

/// `value`, where every cast of the open block has a value, and `hidden`
/// elsewhere (mask_s3).
static Value whereCastsHold(OpBuilder &b, Value value, double hidden = 0) {
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

/// The predicate at `at`: an i1, or the i32 level of a region that gives
/// levels. `tables` are those of planTables, as `loadFn` knows them.
static Value buildPredicate(OpBuilder &b, Location loc, const SpecMask &mask,
                            sel::Coordinates at, ValueRange operands,
                            TableLoad loadFn, const PlanTables &tables) {
  SmallVector<Value> spec = specOperands(mask);
  TreeMask tree(b, loc, at, batchTreeIn(tables), loadFn);
  sel::Coordinates seen = tree.positions();
  Value live;
  if (mask.sugar) {
    Lowering<sel::MaskBuilder> builder(b, loc, seen, operands, spec, loadFn,
                                       tree, tables);
    live = mask.sugar.expand(builder);
  } else {
    Value args[] = {seen.batch, seen.head, seen.query, seen.key};
    live = cloneRegion(b, *mask.region, args, spec, operands, loadFn, tree,
                       tables);
  }
  tree.eraseUnused();
  return whereCastsHold(b, live);
}

/// A table as the solver wants it: any strides.
static Type scalarOrTable(Type type) {
  auto view = dyn_cast<ViewType>(type);
  if (!view)
    return type;
  SmallVector<int64_t> strides(view.getRank(), ShapedType::kDynamic);
  return MemRefType::get(view.getShape(), view.getElementType(),
                         StridedLayoutAttr::get(type.getContext(),
                                                /*offset=*/0, strides));
}

/// The predicate reads query - offset in `causal(top_left)` and nothing else
/// reads the query: then query indices of the call serve as well. Rewrites
/// the differences; false if the query is read in another way, too.
static bool makeTopLeft(BlockArgument query, BlockArgument offset) {
  auto isDifference = [&](Operation *user) {
    auto sub = dyn_cast<arith::SubIOp>(user);
    return sub && sub.getLhs() == query && sub.getRhs() == offset;
  };
  if (!llvm::all_of(query.getUsers(), isDifference) ||
      !llvm::all_of(offset.getUsers(), isDifference))
    return false;
  for (Operation *user : llvm::make_early_inc_range(offset.getUsers())) {
    user->getResult(0).replaceAllUsesWith(query);
    user->erase();
  }
  return true;
}

/// The table that gives the token index of query 0, and the number of queries
/// or kDynamic; over a cache neither.
static std::pair<Value, int64_t> offsetOf(Operation *op) {
  if (auto attention = dyn_cast<attn::AttentionOpInterface>(op))
    return attention.getCache()
               ? std::pair(Value(), ShapedType::kDynamic)
               : std::pair(attention.getOffset(),
                           attention.getQueryType().getDimSize(2));
  auto score = cast<sel::ScoreOp>(op);
  return score.getCache() ? std::pair(Value(), ShapedType::kDynamic)
                          : std::pair(score.getOffset(),
                                      score.getQuery().getType().getDimSize(2));
}

static int64_t queryHeadsOf(Operation *op) {
  if (auto attention = dyn_cast<attn::AttentionOpInterface>(op))
    return attention.getQueryHeads();
  return cast<sel::ScoreOp>(op).getQuery().getType().getDimSize(1);
}

/// The mask in the words of the spec; a region by its position.
static std::string describe(const SpecMask &mask) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (!mask.sugar) {
    os << "region";
    if (auto at = mask.region->getLoc()->findInstanceOf<FileLineColLoc>())
      os << " at " << at.getLine() << ":" << at.getColumn();
    return text;
  }
  sel::spellMask(os, mask.sugar, [&](unsigned i) {
    Value operand = mask.operands[i];
    Attribute value;
    if (matchPattern(operand, m_Constant(&value)))
      return value.print(os, /*elideType=*/true);
    auto arg = dyn_cast<BlockArgument>(operand);
    auto func =
        arg ? dyn_cast<FunctionOpInterface>(arg.getOwner()->getParentOp())
            : FunctionOpInterface();
    auto name = func ? func.getArgAttrOfType<StringAttr>(arg.getArgNumber(),
                                                         attn::nameAttrName)
                     : StringAttr();
    os << '%';
    if (name)
      os << name.getValue();
    else
      os << i;
  });
  return text;
}

/// The words of sugar say it all; a region is told from others by the ops of
/// its predicate.
static std::string identify(const SpecMask &mask, func::FuncOp keep) {
  if (mask.sugar)
    return describe(mask);
  std::string ops;
  llvm::raw_string_ostream os(ops);
  for (Operation &op : keep.getBody().front())
    op.print(os, OpPrintingFlags().useLocalScope());
  return "region " +
         llvm::utohexstr(llvm::xxh3_64bits(ops), /*LowerCase=*/true);
}

/// @P_levels, which gives both bounds of @P_level in one number: the lower one
/// in bits 0 to 7, the upper one above. What is no level of any pyramid stays
/// none.
static void packLevels(func::FuncOp level, StringRef prefix) {
  OpBuilder b(level);
  Location loc = level.getLoc();
  auto pack = b.create<func::FuncOp>(
      loc, (prefix + "_levels").str(),
      b.getFunctionType(level.getArgumentTypes(), {b.getI32Type()}));
  pack.setPrivate();
  Block *body = pack.addEntryBlock();
  b.setInsertionPointToEnd(body);
  auto call = b.create<func::CallOp>(loc, level, body->getArguments());
  auto number = [&](int64_t n) -> Value {
    return b.create<arith::ConstantIntOp>(loc, n, 32);
  };
  auto clamp = [&](Value v) -> Value {
    v = b.create<arith::MaxSIOp>(loc, v, number(0));
    return b.create<arith::MinSIOp>(loc, v, number(127));
  };
  Value hi = b.create<arith::ShLIOp>(loc, clamp(call.getResult(1)), number(8));
  Value both = b.create<arith::OrIOp>(loc, clamp(call.getResult(0)), hi);
  b.create<func::ReturnOp>(loc, both);
}

FailureOr<TileMask> fovea::buildMask(ProgramBuilder &p, Operation *op,
                                     StringRef prefix, const SpecMask &mask,
                                     OrderAttr order) {
  TileMask result;
  if (!mask.present())
    return result;
  Location loc = op->getLoc();
  SmallVector<Value> spec = specOperands(mask);
  llvm::SetVector<Value> arguments;
  for (Value operand : spec)
    addArguments(operand, arguments);
  for (Value argument : arguments) {
    Value view = p.view(argument);
    if (!isa_and_nonnull<BlockArgument>(view))
      return op->emitOpError("expected what a mask reads to be an argument of "
                             "the kernel or a number computed from such");
    result.operands.push_back(view);
  }
  PlanTables tables = planTables(p, op, mask);
  for (const PlanTable &made : tables)
    result.operands.push_back(made.table);

  // keep(operands.., b, h, q, k, len) -> i1 or i32, with the offset last while
  // it is built.
  OpBuilder b(op->getContext());
  b.setInsertionPointAfter(p.program);
  SmallVector<Type> types;
  for (Value operand : result.operands)
    types.push_back(scalarOrTable(operand.getType()));
  unsigned n = types.size();
  types.append(5, b.getIndexType());
  Type yielded = b.getI1Type();
  if (!mask.sugar)
    yielded = mask.region->front().getTerminator()->getOperand(0).getType();
  auto keep = b.create<func::FuncOp>(loc, (prefix + "_spec").str(),
                                     b.getFunctionType(types, {yielded}));
  keep.setPrivate();
  Block *body = keep.addEntryBlock();
  BlockArgument offset = body->addArgument(b.getIndexType(), loc);
  b.setInsertionPointToEnd(body);
  sel::Coordinates at{body->getArgument(n),     body->getArgument(n + 1),
                      body->getArgument(n + 2), body->getArgument(n + 3),
                      body->getArgument(n + 4), offset,
                      queryHeadsOf(op)};
  if (order) {
    // An ordered walk is over a whole call: its rows are its tokens.
    at.query = emitTokenAt(b, loc, order, at.query, /*nonNegative=*/false);
    at.key = emitTokenAt(b, loc, order, at.key, /*nonNegative=*/false);
    at.offset = b.create<arith::ConstantIndexOp>(loc, 0);
  }
  auto load = [&](Value table, ValueRange indices) -> Value {
    return b.create<memref::LoadOp>(loc, table, indices);
  };
  SmallVector<Value> operands;
  for (Value operand : spec)
    operands.push_back(copyScalar(b, operand, [&](Value argument) -> Value {
      auto it = llvm::find(arguments, argument);
      return body->getArgument(it - arguments.begin());
    }));
  unsigned next = arguments.size();
  for (PlanTable &made : tables)
    made.table = body->getArgument(next++);
  Value live = buildPredicate(b, loc, mask, at, operands, load, tables);
  b.create<func::ReturnOp>(loc, live);
  result.topLeft =
      !offset.use_empty() && makeTopLeft(body->getArgument(n + 2), offset);
  if (!offset.use_empty()) {
    auto [table, queries] = offsetOf(op);
    b.setInsertionPointToStart(body);
    Value value;
    if (table) {
      // One operand more, before the tables of the plan, which come last.
      unsigned place = n - tables.size();
      Value view = p.view(table);
      result.operands.insert(result.operands.begin() + place, view);
      types.insert(types.begin() + place, scalarOrTable(view.getType()));
      Value argument = body->insertArgument(place, types[place], loc);
      keep.setFunctionType(b.getFunctionType(types, {yielded}));
      ++n;
      value = b.create<arith::IndexCastOp>(
          loc, b.getIndexType(),
          b.create<memref::LoadOp>(loc, argument, body->getArgument(n)));
    } else if (!ShapedType::isDynamic(queries)) {
      value = b.create<arith::SubIOp>(
          loc, body->getArgument(n + 4),
          b.create<arith::ConstantIndexOp>(loc, queries));
    } else {
      return op->emitOpError(
          "causal(top_left) beside a mask that reads the query's token index "
          "is not supported by this compiler without offset(..) or a static "
          "number of queries");
    }
    offset.replaceAllUsesWith(value);
  }
  body->eraseArgument(n + 5);
  result.byHead = !body->getArgument(n + 1).use_empty();

  result.identity = identify(mask, keep);
  // The plan summarises lineages, which come first, as it does arguments.
  size_t others = llvm::count_if(tables, [](const PlanTable &made) {
    return made.rule != TableRule::Lineage;
  });
  FailureOr<MaskSolution> solution = solveMask(
      p.program->getParentOfType<ModuleOp>(), keep, prefix, n, others);
  if (failed(solution))
    return failure();
  keep.erase();
  if (solution->level)
    packLevels(solution->level, prefix);
  if (!solution->remark.empty())
    op->emitRemark() << solution->remark;
  result.prefix = FlatSymbolRefAttr::get(op->getContext(), prefix);
  result.text = b.getStringAttr(describe(mask));
  result.reach = solution->reach;
  result.stripe = solution->stripe;
  if (!solution->summaries.empty())
    result.summaries = b.getDenseI64ArrayAttr(solution->summaries);
  return result;
}

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

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
                         ValueRange indices) {
  return b.create<ElementOp>(
      loc, cast<ViewType>(view.getType()).getElementType(), view, indices);
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
    return loadElement(b, loc, view, indices);
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
      Lowering<attn::ScoreBuilder> builder(b, loc, tree.positions(), operands,
                                           op.getScoreOperands(), load, tree,
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
