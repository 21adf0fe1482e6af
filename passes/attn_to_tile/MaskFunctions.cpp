// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Expands a mask as a scalar function for the solver and the host planner.
#include "passes/attn_to_tile/MaskExpansion.h"

#include "dialects/attn/AttnDialect.h"
#include "dialects/sel/Clauses.h"
#include "passes/analysis/MaskSolver.h"
#include "passes/analysis/TokenOrder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

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
    return made.rule != TableRule::Lineage &&
           made.rule != TableRule::LineageSize;
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
  result.traits = solution->traits;
  if (!solution->summaries.empty())
    result.summaries = b.getDenseI64ArrayAttr(solution->summaries);
  return result;
}
