// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Masks, score modifiers and probability modifiers as scalar programs. Sugar is
// expanded by its attribute into a block of its own that belongs to no
// function.
#include "dialects/reference/Environment.h"

#include "dialects/attn/ScoreBuilder.h"
#include "dialects/sel/MaskBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/RegionUtils.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::reference;

namespace {

/// A block for one expansion. Its arguments: the element's value (score or
/// probability), b, h, q, k, length, offset, then one per operand of the sugar.
struct Scratch {
  Scratch(MLIRContext *context, int64_t queryHeads, ValueRange operands)
      : builder(context), location(builder.getUnknownLoc()),
        queryHeads(queryHeads), operands(operands) {
    block.addArgument(builder.getF32Type(), location);
    for (int i = 0; i < 6; ++i)
      block.addArgument(builder.getIndexType(), location);
    for (mlir::Value operand : operands)
      block.addArgument(operand.getType(), location);
    builder.setInsertionPointToEnd(&block);
  }

  sel::Coordinates coordinates() {
    return {block.getArgument(1),
            block.getArgument(2),
            block.getArgument(3),
            block.getArgument(4),
            block.getArgument(5),
            block.getArgument(6),
            queryHeads};
  }
  ValueRange arguments() { return block.getArguments().drop_front(7); }
  mlir::Value element() { return block.getArgument(0); }

  /// The program of `result`, which was built here; its element arguments are k
  /// alone, or the element's value and k.
  llvm::Expected<ScalarProgram> compile(mlir::Value result, bool withElement,
                                        const Environment &env) {
    SmallVector<unsigned> element = {4};
    if (withElement)
      element = {0, 4};
    return ScalarProgram::compile(
        block, result, {1, 2, 3, 5, 6}, element,
        [&](mlir::Value name) -> const reference::Value * {
          auto argument = dyn_cast<BlockArgument>(name);
          if (!argument || argument.getOwner() != &block ||
              argument.getArgNumber() < 7)
            return nullptr;
          return env.find(operands[argument.getArgNumber() - 7]);
        });
  }

  Block block;
  OpBuilder builder;
  Location location;
  int64_t queryHeads;
  ValueRange operands;
};

} // namespace

/// Folds what MLIR does of scalar code, dead ops included.
static void foldScalars(func::FuncOp function) {
  MLIRContext *context = function.getContext();
  RewritePatternSet patterns(context);
  for (RegisteredOperationName op : context->getRegisteredOperations())
    if (isa<arith::ArithDialect, math::MathDialect>(op.getDialect()))
      op.getCanonicalizationPatterns(patterns, context);
  (void)applyPatternsAndFoldGreedily(function, std::move(patterns));
}

/// The program of a region whose arguments are (b, h, q, k), or with an element
/// (s, b, h, q, k). It is that of a folded copy, for what folds away asks for
/// nothing (mask_s3): a division by 0 that nobody reads hides no pair.
static llvm::Expected<ScalarProgram>
regionProgram(const Environment &env, Region &region, bool withElement) {
  Block &block = region.front();
  mlir::Value result = block.getTerminator()->getOperand(0);
  OpBuilder builder(region.getContext());
  SmallVector<mlir::Value> outer;
  SmallVector<Operation *> constants;
  llvm::SetVector<mlir::Value> used;
  getUsedValuesDefinedAbove(region, used);
  for (mlir::Value value : used) {
    // Not asked for its traits: g++ names them otherwise than MLIR's compiler.
    if (auto op = value.getDefiningOp<arith::ConstantOp>())
      constants.push_back(op);
    else
      outer.push_back(value);
  }
  SmallVector<Type> types(block.getArgumentTypes());
  llvm::append_range(types, ValueRange(outer).getTypes());
  OwningOpRef<func::FuncOp> copy =
      func::FuncOp::create(region.getLoc(), "region",
                           builder.getFunctionType(types, {result.getType()}));
  Block *body = copy->addEntryBlock();
  builder.setInsertionPointToStart(body);
  unsigned own = block.getNumArguments();
  IRMapping map;
  map.map(block.getArguments(), body->getArguments().take_front(own));
  map.map(outer, body->getArguments().drop_front(own));
  for (Operation *op : constants)
    builder.clone(*op, map);
  for (Operation &op : block.without_terminator())
    builder.clone(op, map);
  builder.create<func::ReturnOp>(region.getLoc(), map.lookup(result));
  foldScalars(*copy);

  SmallVector<unsigned> row = {0, 1, 2}, element = {3};
  if (withElement)
    row = {1, 2, 3}, element = {0, 4};
  return ScalarProgram::compile(
      *body, body->getTerminator()->getOperand(0), row, element,
      [&](mlir::Value name) -> const reference::Value * {
        auto argument = dyn_cast<BlockArgument>(name);
        if (!argument || argument.getArgNumber() < own)
          return nullptr;
        return env.find(outer[argument.getArgNumber() - own]);
      });
}

llvm::Expected<std::optional<ScalarProgram>>
reference::maskProgram(const Environment &env, int64_t queryHeads,
                       sel::MaskAttrInterface mask, ValueRange operands,
                       Region *region) {
  std::optional<ScalarProgram> none;
  auto wrap = [](llvm::Expected<ScalarProgram> program)
      -> llvm::Expected<std::optional<ScalarProgram>> {
    if (!program)
      return program.takeError();
    return std::optional<ScalarProgram>(std::move(*program));
  };
  if (region && !region->empty())
    return wrap(regionProgram(env, *region, /*withElement=*/false));
  if (!mask)
    return none;
  Scratch scratch(mask.getContext(), queryHeads, operands);
  sel::MaskBuilder builder(scratch.builder, scratch.location,
                           scratch.coordinates(), scratch.arguments());
  return wrap(
      scratch.compile(mask.expand(builder), /*withElement=*/false, env));
}

llvm::Expected<std::vector<ScalarProgram>>
reference::scorePrograms(const Environment &env, int64_t queryHeads,
                         ArrayAttr score, ValueRange operands, Region &region) {
  std::vector<ScalarProgram> programs;
  auto add = [&](llvm::Expected<ScalarProgram> program) -> llvm::Error {
    if (!program)
      return program.takeError();
    programs.push_back(std::move(*program));
    return llvm::Error::success();
  };
  if (!region.empty())
    if (llvm::Error error = add(regionProgram(env, region, true)))
      return error;
  for (Attribute attribute : score ? score.getValue() : ArrayRef<Attribute>()) {
    Scratch scratch(attribute.getContext(), queryHeads, operands);
    attn::ScoreBuilder builder(scratch.builder, scratch.location,
                               scratch.coordinates(), scratch.arguments());
    mlir::Value result = cast<attn::ScoreAttrInterface>(attribute).expand(
        builder, scratch.element());
    if (llvm::Error error = add(scratch.compile(result, true, env)))
      return error;
  }
  return programs;
}

llvm::Expected<std::optional<ScalarProgram>>
reference::probProgram(const Environment &env, Region &region) {
  std::optional<ScalarProgram> none;
  if (region.empty())
    return none;
  llvm::Expected<ScalarProgram> program = regionProgram(env, region, true);
  if (!program)
    return program.takeError();
  return std::optional<ScalarProgram>(std::move(*program));
}
