// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verification of attn's ops. Labels: docs/spec.md.
#include "dialects/attn/AttnOps.h"
#include "dialects/kv/KVInterfaces.h"
#include "dialects/sel/SelOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include <cmath>

using namespace mlir;
using namespace fovea;
using namespace fovea::attn;

//===----------------------------------------------------------------------===//
// What the interface computes
//===----------------------------------------------------------------------===//

RankedTensorType attn::detail::keyType(OperandRange source) {
  Type type = source.front().getType();
  if (auto pyramid = dyn_cast<kv::PyramidType>(type))
    return pyramid.getKey();
  if (auto cache = dyn_cast<kv::CacheType>(type))
    return cache.getKeyTensorType();
  return cast<RankedTensorType>(type);
}

RankedTensorType attn::detail::valueType(OperandRange source) {
  Type type = source.back().getType();
  if (auto pyramid = dyn_cast<kv::PyramidType>(type))
    return pyramid.getValue();
  if (auto cache = dyn_cast<kv::CacheType>(type))
    return cache.getValueTensorType();
  return cast<RankedTensorType>(type);
}

double attn::detail::scaleOrDefault(FloatAttr scale, int64_t dim) {
  return scale ? scale.getValueAsDouble()
               : 1.0 / std::sqrt(static_cast<double>(dim));
}

bool attn::detail::yieldsLevels(Region &maskRegion) {
  if (maskRegion.empty() || maskRegion.front().empty())
    return false;
  auto yield = dyn_cast<sel::YieldOp>(maskRegion.front().back());
  return yield && yield.getKeep().getType().isInteger(32);
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static bool isPlainFloat(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && !tensor.getEncoding() &&
         isa<Float32Type, Float16Type, BFloat16Type>(tensor.getElementType());
}

/// Whether `type` is a plain tensor of compatible shape.
static bool hasShape(Type type, ArrayRef<int64_t> shape) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.getEncoding() ||
      tensor.getRank() != static_cast<int64_t>(shape.size()))
    return false;
  for (auto [a, b] : llvm::zip(tensor.getShape(), shape))
    if (sel::extentsDiffer(a, b))
      return false;
  return true;
}

static bool isF32WithShape(Type type, ArrayRef<int64_t> shape) {
  return hasShape(type, shape) &&
         cast<RankedTensorType>(type).getElementType().isF32();
}

static std::string spellShape(ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "[";
  llvm::interleaveComma(shape, stream, [&](int64_t extent) {
    if (ShapedType::isDynamic(extent))
      stream << "?";
    else
      stream << extent;
  });
  stream << "]";
  return text;
}

/// What attention over a cache demands of its query and clauses.
static LogicalResult verifyCacheSource(AttentionOpInterface op) {
  kv::CacheType cache = op.getCache();
  if (failed(
          sel::verifyQueryOverCache(op, op.getQuery(), op.getSource().front())))
    return failure();
  // attention_c19
  if (op.getOffset() || op.getLengths())
    return op->emitOpError()
           << "expected no clause '" << (op.getOffset() ? "offset" : "lengths")
           << "' over a cache: the batch of the call gives "
              "the tokens [attention_c19]";
  // attention_c20
  if (Value list = op.getList()) {
    auto type = cast<kv::ListType>(list.getType());
    if (!type.countsPages() || cache.getPagedSegment() < 0)
      return op->emitOpError()
             << "expected a list over a cache to count pages "
                "of a paged 'all' or 'older', got "
             << type << " and " << cache << " [attention_c20]";
    if (failed(sel::verifyOneRowEach(op, op.getQueryType(), "attention_c20")))
      return failure();
  }
  return success();
}

/// attention_c21
static LogicalResult verifyRope(AttentionOpInterface op) {
  kv::CacheType cache = op.getCache();
  bool rotates = cache && cache.getRope() != kv::CacheRope::after;
  Value table = op.getRope();
  if (!table && !rotates)
    return success();
  if (!rotates)
    return op->emitOpError("expected no clause 'rope' but over a cache with "
                           "'rope = before' or 'rope = slot' [attention_c21]");
  if (!table)
    return op->emitOpError("expected the clause 'rope' over a cache with "
                           "'rope = ")
           << kv::stringifyCacheRope(cache.getRope()) << "' [attention_c21]";
  int64_t pairs = cache.getKeyDim() / 2;
  if (!isF32WithShape(table.getType(), {ShapedType::kDynamic, pairs, 2}))
    return op->emitOpError()
           << "expected the table of 'rope' to be tensor<?x" << pairs
           << "x2xf32>, got " << table.getType() << " [attention_c21]";
  return success();
}

static LogicalResult verifySource(AttentionOpInterface op) {
  OperandRange source = op.getSource();
  // attention_c2
  bool one = source.size() == 1 &&
             isa<kv::PyramidType, kv::CacheType>(source.front().getType());
  bool pair = source.size() == 2 &&
              llvm::all_of(source.getTypes(), llvm::IsaPred<RankedTensorType>);
  if (!one && !pair) {
    InFlightDiagnostic diagnostic =
        op->emitOpError() << "expected the source to be a key and a value, one "
                             "pyramid, or one cache, got ";
    llvm::interleaveComma(source.getTypes(), diagnostic);
    return diagnostic << " [attention_c2]";
  }
  RankedTensorType key = op.getKeyType(), value = op.getValueType();
  if (op.getCache())
    return verifyCacheSource(op);
  if (failed(sel::verifyQueryAndKey(op, op.getQuery().getType(), key)) ||
      failed(sel::verifyRows(op, "value", value, true, "attention_c3")))
    return failure();
  // attention_c7
  for (unsigned i = 0; i < 3; ++i)
    if (sel::extentsDiffer(key.getDimSize(i), value.getDimSize(i)))
      return op->emitOpError() << "expected key and value to agree in batch, "
                                  "heads and tokens, got "
                               << key << " and " << value << " [attention_c7]";
  return success();
}

static LogicalResult verifyChoice(AttentionOpInterface op) {
  // attention_c20
  if (op.getList() && !op.getCache() &&
      cast<kv::ListType>(op.getList().getType()).countsPages())
    return op->emitOpError("expected a list of pages to come with a cache "
                           "[attention_c20]");
  // attention_c14
  if (op.getList() && (op.getPyramid() || op.getLevels()))
    return op->emitOpError("expected a list to come with a key and a value and "
                           "without levels [attention_c14]");
  // attention_c15
  bool levels = op.getLevels() || op.maskGivesLevels();
  if (op.getPyramid() && !levels)
    return op->emitOpError("expected a pyramid to come with the clause "
                           "'levels' or a mask region of levels "
                           "[attention_c15]");
  if (!op.getPyramid() && levels)
    return op->emitOpError("expected levels to come with a pyramid, got a key "
                           "and a value [attention_c15]");
  if (op.getLevels() && op.maskGivesLevels())
    return op->emitOpError("expected levels from the clause 'levels' or from "
                           "the mask region, got both [attention_c15]");
  // attention_c16
  if (Value map = op.getLevels()) {
    int64_t unit = cast<sel::LevelsType>(map.getType()).getUnit();
    int64_t greatest = op.getPyramid().getLevels().back();
    if (unit % greatest != 0)
      return op->emitOpError()
             << "expected the unit of the level map to be a "
                "multiple of the greatest level, got "
             << unit << " and " << greatest << " [attention_c16]";
  }
  return success();
}

static LogicalResult verifyModifiers(AttentionOpInterface op) {
  auto emitError = [&] { return op->emitOpError(); };
  // attention_c13
  if (op.getMaskAttr() && !op.getMaskRegion().empty())
    return op->emitOpError("expected one mask, got sugar and a region "
                           "[attention_c13]");
  if (op.getScoreAttr() && !op.getScoreRegion().empty())
    return op->emitOpError("expected one score clause, got sugar and a region "
                           "[attention_c13]");
  RankedTensorType query = op.getQueryType();
  if (failed(sel::verifyMaskSugar(op, op.getMaskAttr(), op.getMaskOperands(),
                                  query.getDimSize(1))))
    return failure();
  // tree_c2
  if (sel::readsBatchTree(op.getMaskAttr(), &op.getMaskRegion()) &&
      !op.getCache())
    return op->emitOpError("expected 'tree' without a table of parents only "
                           "over a cache, whose batch has the tree [tree_c2]");
  int64_t any = ShapedType::kDynamic;
  bool ragged = op.hasRaggedRows();
  int64_t shape[] = {ragged ? any : query.getDimSize(0), query.getDimSize(1),
                     ragged ? any : query.getDimSize(2),
                     op.getKeyType().getDimSize(2)};
  if (ArrayAttr modifiers = op.getScoreAttr())
    for (Attribute modifier : modifiers)
      if (failed(cast<ScoreAttrInterface>(modifier).verifyScore(
              emitError, op.getScoreOperands().getTypes(), shape)))
        return failure();
  // modifier_c5
  if (failed(sel::verifyArguments(op, op.getScoreAttr(), op.getScoreOperands(),
                                  "modifier_c5")))
    return failure();
  // attention_c23
  Value sink = op.getSinkLogits();
  if (sink && !isF32WithShape(sink.getType(), {query.getDimSize(1)}))
    return op->emitOpError("expected sink_logits to be tensor<")
           << query.getDimSize(1) << "xf32>, one entry per query head, got "
           << sink.getType() << " [attention_c23]";
  // attention_c18
  if (op.getScaleAttr() && !op.getScaleAttr().getValue().isFinite())
    return op->emitOpError("expected scale to be finite [attention_c18]");
  return success();
}

static LogicalResult verifyOrder(AttentionOpInterface op) {
  OrderAttr order = op.getOrderAttr();
  if (!order)
    return success();
  // order_c1; three extents below 2^24 do not overflow, more are not read.
  ArrayRef<int64_t> grid = order.getGrid(), box = order.getBox();
  constexpr int64_t least = 64, most = int64_t(1) << 24;
  int64_t points = grid.empty() || grid.size() > 3 ? 0 : 1;
  for (int64_t extent : grid)
    points = extent < 1 || extent > most || points > most ? 0 : points * extent;
  if (points < least || points > most)
    return op->emitOpError()
           << "expected the grid of 'order' to have 1 to 3 extents from 1 on "
              "and 64 to 16777216 points, got "
           << spellShape(grid) << " [order_c1]";
  // order_c2
  bool fits = box.empty() || box.size() == grid.size();
  for (auto [b, g] : llvm::zip(box, grid))
    fits &= b >= 1 && b <= g;
  if (!fits)
    return op->emitOpError()
           << "expected the box of 'order' to have an extent for each of the "
              "grid's, from 1 to it, got "
           << spellShape(box) << " in " << spellShape(grid) << " [order_c2]";
  // order_c3
  StringRef other = op.getCache()     ? "a cache"
                    : op.getPyramid() ? "a pyramid"
                    : op.getList()    ? "the clause 'over'"
                    : op.getOffset()  ? "the clause 'offset'"
                    : op.getLengths() ? "the clause 'lengths'"
                                      : "";
  if (!other.empty()) {
    InFlightDiagnostic diag =
        op->emitOpError() << "expected 'order' over a key and a value, without "
                             "list, offset or lengths, got "
                          << other << " [order_c3]";
    if (op.getCache())
      diag.attachNote() << "a cache is walked in the order in which its tokens "
                           "were appended: append the tokens of a grid box by "
                           "box, or attend to them as tensors before they are "
                           "appended";
    return diag;
  }
  // order_c4
  int64_t queries = op.getQueryType().getDimSize(2);
  int64_t keys = op.getKeyType().getDimSize(2);
  bool few = (!ShapedType::isDynamic(queries) && queries < points) ||
             (!ShapedType::isDynamic(keys) && keys < points);
  if (few || sel::extentsDiffer(queries, keys))
    return op->emitOpError()
           << "expected as many queries as keys, at least the " << points
           << " points of the grid, got " << spellShape({queries, keys})
           << " [order_c4]";
  return success();
}

static LogicalResult verifyAttention(AttentionOpInterface op) {
  if (failed(verifySource(op)) || failed(verifyRope(op)) ||
      failed(verifyChoice(op)) || failed(verifyModifiers(op)) ||
      failed(verifyOrder(op)))
    return failure();
  // attention_c17
  int64_t batch = op.getQueryType().getDimSize(0);
  return success(succeeded(sel::verifyPerBatch(op, "offset", op.getOffset(),
                                               batch, "attention_c17")) &&
                 succeeded(sel::verifyPerBatch(op, "lengths", op.getLengths(),
                                               batch, "attention_c17")));
}

LogicalResult AttentionOp::verify() {
  auto op = cast<AttentionOpInterface>(getOperation());
  if (failed(verifyAttention(op)))
    return failure();
  SmallVector<int64_t> shape(op.getQueryType().getShape());
  shape.back() = op.getValueDim();
  // attention_c11
  Type output = getOutput().getType();
  if (!isPlainFloat(output) || !hasShape(output, shape))
    return emitOpError() << "expected the output to be f32, f16 or bf16 "
                         << spellShape(shape) << ", got " << output
                         << " [attention_c11]";
  // attention_c12
  shape.pop_back();
  if (getLse() && !isF32WithShape(getLse().getType(), shape))
    return emitOpError() << "expected lse to be f32 " << spellShape(shape)
                         << ", got " << getLse().getType()
                         << " [attention_c12]";
  return success();
}

LogicalResult PartialOp::verify() {
  auto op = cast<AttentionOpInterface>(getOperation());
  if (failed(verifyAttention(op)))
    return failure();
  SmallVector<int64_t> shape(op.getQueryType().getShape());
  shape.back() = op.getValueDim();
  ArrayRef<int64_t> rows = ArrayRef<int64_t>(shape).drop_back();
  // partial_c1
  if (!isF32WithShape(getOutput().getType(), shape) ||
      !isF32WithShape(getMax().getType(), rows) ||
      !isF32WithShape(getSum().getType(), rows))
    return emitOpError() << "expected the results to be f32 "
                         << spellShape(shape) << ", " << spellShape(rows)
                         << " and " << spellShape(rows) << ", got "
                         << getResultTypes() << " [partial_c1]";
  // partial_c2
  if (!getProbRegion().empty())
    return emitOpError("expected no prob region in a partial: what share of "
                       "the softmax a key has is known after the merge "
                       "[partial_c2]");
  return success();
}

LogicalResult MergeOp::verify() {
  // merge_c1
  if (getParts().empty() || getParts().size() % 3 != 0)
    return emitOpError() << "expected at least one part of three tensors, got "
                         << getParts().size() << " tensors [merge_c1]";
  auto first = cast<RankedTensorType>(getPartOutput(0).getType());
  SmallVector<int64_t> shape(first.getShape());
  if (shape.size() != 4 && shape.size() != 3)
    return emitOpError() << "expected the output of a part to have rank 4, or "
                            "3 for token-major rows, got "
                         << first << " [merge_c2]";
  ArrayRef<int64_t> rows = ArrayRef<int64_t>(shape).drop_back();
  // merge_c2
  for (unsigned i = 0; i < getNumParts(); ++i)
    if (!isF32WithShape(getPartOutput(i).getType(), shape) ||
        !isF32WithShape(getPartMax(i).getType(), rows) ||
        !isF32WithShape(getPartSum(i).getType(), rows))
      return emitOpError() << "expected part " << i << " to be f32 "
                           << spellShape(shape) << ", " << spellShape(rows)
                           << " and " << spellShape(rows) << ", got "
                           << getPartOutput(i).getType() << ", "
                           << getPartMax(i).getType() << " and "
                           << getPartSum(i).getType() << " [merge_c2]";
  // merge_c3
  Type output = getOutput().getType();
  if (!isPlainFloat(output) || !hasShape(output, shape))
    return emitOpError() << "expected the output to be f32, f16 or bf16 "
                         << spellShape(shape) << ", got " << output
                         << " [merge_c3]";
  if (getLse() && !isF32WithShape(getLse().getType(), rows))
    return emitOpError() << "expected lse to be f32 " << spellShape(rows)
                         << ", got " << getLse().getType() << " [merge_c3]";
  return success();
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

static bool isScalar(Type type) { return type.isIntOrIndexOrFloat(); }

/// What can be compiled inside a region: `opLabel` is the constraint on ops,
/// `tableLabel` that on tables.
static LogicalResult verifyBody(Operation *op, Region &region, StringRef word,
                                StringRef opLabel, StringRef tableLabel) {
  bool isMask = word == "mask";
  for (Operation &inner : region.front().without_terminator()) {
    bool allowed =
        isa<arith::ArithDialect, math::MathDialect>(inner.getDialect()) ||
        isa<tensor::ExtractOp, sel::CoordinatesOp>(inner) ||
        (isMask && isa<sel::AncestorOp, sel::SegmentOp>(inner));
    allowed &= inner.getNumRegions() == 0 &&
               llvm::all_of(inner.getResultTypes(), isScalar);
    if (!allowed) {
      InFlightDiagnostic diagnostic =
          op->emitOpError()
          << "expected the " << word
          << " region to hold scalar arith and math ops, tensor.extract"
          << (isMask ? ", sel.ancestor, sel.coordinates and sel.segment"
                     : " and sel.coordinates")
          << ", got '" << inner.getName() << "' [" << opLabel << "]";
      diagnostic.attachNote(inner.getLoc()) << "the op is here";
      return diagnostic;
    }
    // mask_c4, modifier_c4
    Value table;
    if (auto extract = dyn_cast<tensor::ExtractOp>(inner))
      table = extract.getTensor();
    else if (auto ancestor = dyn_cast<sel::AncestorOp>(inner))
      table = ancestor.getParents();
    else if (auto segment = dyn_cast<sel::SegmentOp>(inner))
      table = segment.getBoundaries();
    if (table && !isa<BlockArgument>(table)) {
      InFlightDiagnostic diagnostic =
          op->emitOpError()
          << "expected a table of the " << word
          << " region to be an argument of the kernel [" << tableLabel << "]";
      diagnostic.attachNote(inner.getLoc()) << "the table is read here";
      return diagnostic;
    }
  }
  return success();
}

/// A cast from float of a number that is written and that its type does not
/// hold.
static LogicalResult verifyCast(Operation *op, Operation &cast, StringRef word,
                                StringRef label) {
  APFloat number(0.0);
  if (!matchPattern(cast.getOperand(0), m_ConstantFloat(&number)))
    return success();
  Type type = cast.getResult(0).getType();
  APSInt cut(type.getIntOrFloatBitWidth(), isa<arith::FPToUIOp>(cast));
  bool exact;
  if (number.convertToInteger(cut, APFloat::rmTowardZero, &exact) !=
      APFloat::opInvalidOp)
    return success();
  SmallString<32> text;
  number.toString(text);
  InFlightDiagnostic diagnostic =
      op->emitOpError() << "expected the " << word
                        << " region to cast a number that " << type
                        << (cut.isUnsigned() ? " without sign" : "")
                        << " holds, got " << text << " [" << label << "]";
  diagnostic.attachNote(cast.getLoc()) << "the op is here";
  return diagnostic;
}

/// What arith leaves undefined where the number is written: a division by 0, a
/// shift by all bits or more. A divisor below 0 goes with them, because a
/// run-time one hides its pair (mask_s3).
static LogicalResult verifyNumbers(Operation *op, Region &region,
                                   StringRef word, StringRef label) {
  for (Operation &inner : region.front().without_terminator()) {
    bool divides = isa<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp,
                       arith::CeilDivSIOp, arith::CeilDivUIOp, arith::RemSIOp,
                       arith::RemUIOp>(inner);
    bool shifts = isa<arith::ShLIOp, arith::ShRSIOp, arith::ShRUIOp>(inner);
    if (isa<arith::FPToSIOp, arith::FPToUIOp>(inner) &&
        failed(verifyCast(op, inner, word, label)))
      return failure();
    if (!divides && !shifts)
      continue;
    Type type = inner.getOperand(1).getType();
    APInt number;
    bool isBit = type.isInteger(1);
    if (!isBit && !matchPattern(inner.getOperand(1), m_ConstantInt(&number)))
      continue;
    // mask_c8, modifier_c6
    unsigned bits = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
    bool withoutSign =
        bits < 64 &&
        isa<arith::DivUIOp, arith::CeilDivUIOp, arith::RemUIOp>(inner);
    if (!isBit && (shifts        ? number.ult(bits)
                   : withoutSign ? !number.isZero()
                                 : number.isStrictlyPositive()))
      continue;
    InFlightDiagnostic diagnostic = op->emitOpError()
                                    << "expected the " << word << " region ";
    if (isBit)
      diagnostic << "to divide and shift integers of 2 bits or more, got i1";
    else if (divides)
      diagnostic << "to divide by a number of 1 or more, got "
                 << number.getSExtValue();
    else
      diagnostic << "to shift by less than " << bits << " bits, got "
                 << number.getSExtValue();
    diagnostic << " [" << label << "]";
    diagnostic.attachNote(inner.getLoc()) << "the op is here";
    return diagnostic;
  }
  return success();
}

/// One block, with an f32 before the coordinates if it `takesValue`.
static LogicalResult verifySignature(Operation *op, Region &region,
                                     StringRef word, StringRef label,
                                     bool takesValue) {
  MLIRContext *context = op->getContext();
  SmallVector<Type> types;
  if (takesValue)
    types.push_back(Float32Type::get(context));
  types.append(4, IndexType::get(context));
  if (!region.hasOneBlock() ||
      !llvm::equal(region.front().getArgumentTypes(), types))
    return op->emitOpError()
           << "expected the " << word << " region to be one block with the "
           << "arguments "
           << (takesValue ? "(f32, index, index, index, index)"
                          : "(index, index, index, index)")
           << " [" << label << "]";
  return success();
}

static LogicalResult verifyModifierRegion(Operation *op, Region &region,
                                          StringRef word) {
  if (region.empty())
    return success();
  if (failed(verifySignature(op, region, word, "modifier_c1", true)))
    return failure();
  // modifier_c2
  if (region.front().empty() || !isa<YieldOp>(region.front().back()))
    return op->emitOpError() << "expected the " << word
                             << " region to end in attn.yield [modifier_c2]";
  if (failed(verifyBody(op, region, word, "modifier_c3", "modifier_c4")))
    return failure();
  return verifyNumbers(op, region, word, "modifier_c6");
}

static LogicalResult verifyAttentionRegions(AttentionOpInterface op) {
  Region &mask = op.getMaskRegion();
  if (!mask.empty()) {
    // mask_c1
    if (failed(verifySignature(op, mask, "mask", "mask_c1", false)))
      return failure();
    // mask_c2
    if (mask.front().empty() || !isa<sel::YieldOp>(mask.front().back()))
      return op->emitOpError(
          "expected the mask region to end in sel.yield [mask_c2]");
    if (failed(verifyBody(op, mask, "mask", "mask_c3", "mask_c4")) ||
        failed(verifyNumbers(op, mask, "mask", "mask_c8")))
      return failure();
  }
  return success(
      succeeded(verifyModifierRegion(op, op.getScoreRegion(), "score")) &&
      succeeded(verifyModifierRegion(op, op.getProbRegion(), "prob")));
}

LogicalResult AttentionOp::verifyRegions() {
  return verifyAttentionRegions(cast<AttentionOpInterface>(getOperation()));
}

LogicalResult PartialOp::verifyRegions() {
  return verifyAttentionRegions(cast<AttentionOpInterface>(getOperation()));
}
