// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verification of sel's ops, and the checks that attn's ops share with them.
// Labels: docs/spec.md.
#include "dialects/kv/KVInterfaces.h"
#include "dialects/kv/KVOps.h"
#include "dialects/sel/SelOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace fovea;
using namespace fovea::sel;

/// The greatest key and value dim.
static constexpr int64_t maxDim = 576;

bool sel::extentsDiffer(int64_t a, int64_t b) {
  return !ShapedType::isDynamic(a) && !ShapedType::isDynamic(b) && a != b;
}

LogicalResult sel::verifyRows(Operation *op, StringRef what, Type type,
                              bool mayBeCoded, StringRef label) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  bool coded = tensor && kv::getFormat(tensor);
  if (!tensor || tensor.getRank() != 4 ||
      !isa<Float32Type, Float16Type, BFloat16Type>(tensor.getElementType()) ||
      (tensor.getEncoding() && !(coded && mayBeCoded)))
    return op->emitOpError()
           << "expected " << what << " to be a tensor [b, heads, tokens, dim] "
           << "of f32, f16 or bf16" << (mayBeCoded ? ", plain or coded" : "")
           << ", got " << type << " [" << label << "]";
  // attention_c4
  if (tensor.isDynamicDim(1) || tensor.isDynamicDim(3))
    return op->emitOpError()
           << "expected heads and dim of " << what << " to be static, got "
           << type << " [attention_c4]";
  // attention_c8
  int64_t dim = tensor.getDimSize(3);
  if (dim < 1 || dim > maxDim)
    return op->emitOpError()
           << "expected the dim of " << what << " to be from 1 to " << maxDim
           << ", got " << dim << " [attention_c8]";
  // attention_c10
  for (auto [extent, name] :
       llvm::zip(tensor.getShape(),
                 ArrayRef<StringRef>{"batch", "heads", "tokens", "dim"}))
    if (extent == 0)
      return op->emitOpError() << "expected the " << name << " of " << what
                               << " to be at least 1, got 0 [attention_c10]";
  return success();
}

LogicalResult sel::verifyQueryAndKey(Operation *op, Type queryType,
                                     Type keyType) {
  // attention_c1, attention_c3
  if (failed(verifyRows(op, "query", queryType, false, "attention_c1")) ||
      failed(verifyRows(op, "key", keyType, true, "attention_c3")))
    return failure();
  auto query = cast<RankedTensorType>(queryType);
  auto key = cast<RankedTensorType>(keyType);
  // attention_c5
  if (query.getDimSize(1) % key.getDimSize(1) != 0)
    return op->emitOpError()
           << "expected query heads to be a multiple of KV heads, got "
           << query.getDimSize(1) << " and " << key.getDimSize(1)
           << " [attention_c5]";
  // attention_c6
  if (query.getDimSize(3) != key.getDimSize(3))
    return op->emitOpError()
           << "expected key dim to equal query dim, got " << key.getDimSize(3)
           << " and " << query.getDimSize(3) << " [attention_c6]";
  // attention_c9
  if (extentsDiffer(query.getDimSize(0), key.getDimSize(0)))
    return op->emitOpError() << "expected key batch to equal query batch, got "
                             << key.getDimSize(0) << " and "
                             << query.getDimSize(0) << " [attention_c9]";
  return success();
}

LogicalResult sel::verifyQueryOverCache(Operation *op, Value query,
                                        Value source) {
  auto cache = cast<kv::CacheType>(source.getType());
  auto type = dyn_cast<RankedTensorType>(query.getType());
  // Token-major rows are checked as those of one sequence.
  Type rows = query.getType();
  bool ragged = type && type.getRank() == 3;
  if (ragged)
    rows = RankedTensorType::get(
        {1, type.getDimSize(1), type.getDimSize(0), type.getDimSize(2)},
        type.getElementType(), type.getEncoding());
  if (failed(verifyQueryAndKey(op, rows, cache.getKeyTensorType())))
    return failure();
  // attention_c22
  auto append = source.getDefiningOp<kv::AppendOp>();
  if (append && append.getKey().getType().getRank() != type.getRank())
    return op->emitOpError()
           << "expected the query's rows to be like those appended to the "
              "cache, got "
           << type << " and " << append.getKey().getType()
           << " [attention_c22]";
  return success();
}

LogicalResult sel::verifyOneRowEach(Operation *op, RankedTensorType query,
                                    StringRef label) {
  if (query.getRank() == 3 || query.getDimSize(2) == 1)
    return success();
  return op->emitOpError() << "expected pages to be chosen for token-major "
                              "rows or for one row per sequence, got "
                           << query << " [" << label << "]";
}

LogicalResult sel::verifyPerBatch(Operation *op, StringRef what, Value value,
                                  int64_t batch, StringRef label) {
  if (!value)
    return success();
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() != 1 || type.getEncoding() ||
      !type.getElementType().isInteger(32) ||
      extentsDiffer(type.getDimSize(0), batch))
    return op->emitOpError() << "expected " << what
                             << " to be a tensor<?xi32> over the batch, got "
                             << value.getType() << " [" << label << "]";
  return success();
}

LogicalResult sel::verifyArguments(Operation *op, Attribute sugar,
                                   ValueRange operands, StringRef label) {
  SmallVector<ArgAttr> arguments;
  if (sugar)
    arguments = runtimeArguments(sugar);
  bool inOrder = arguments.size() == operands.size();
  for (auto [place, argument] : llvm::enumerate(arguments))
    inOrder &= argument.getIndex() == place;
  if (!inOrder)
    return op->emitOpError()
           << "expected the run-time numbers of the sugar to be its operands "
              "in order, got "
           << arguments.size() << " numbers and " << operands.size()
           << " operands [" << label << "]";
  return success();
}

LogicalResult sel::verifyMaskSugar(Operation *op, MaskAttrInterface mask,
                                   ValueRange operands, int64_t queryHeads) {
  auto emitError = [&] { return op->emitOpError(); };
  if (mask &&
      failed(mask.verifyMask(emitError, operands.getTypes(), queryHeads)))
    return failure();
  // mask_c6
  return verifyArguments(op, mask, operands, "mask_c6");
}

bool sel::readsBatchTree(MaskAttrInterface mask, Region *region) {
  bool reads = false;
  if (mask)
    Attribute(mask).walk([&](TreeAttr tree) { reads |= !tree.getParents(); });
  if (region)
    region->walk([&](AncestorOp op) { reads |= !op.getParents(); });
  return reads;
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

// tree_c1
LogicalResult AncestorOp::verify() {
  if (!getParents())
    return success();
  Type type = getParents().getType();
  if (!isTokenTable(type) ||
      getIndices().size() != size_t(cast<ShapedType>(type).getRank()) + 1)
    return emitOpError() << "expected parents of tensor<?xi32> at a key and a "
                            "query, or of tensor<?x?xi32> at a batch, a key "
                            "and a query, got "
                         << type << " at " << getIndices().size()
                         << " indices [tree_c1]";
  return success();
}

LogicalResult CoordinatesOp::verify() {
  // coordinates_c1
  size_t axes = getStaticSizes().size();
  size_t runTime = llvm::count_if(getStaticSizes(), ShapedType::isDynamic);
  if (axes < 2 || axes > 3 || getPlaces().size() != axes ||
      getSizes().size() != runTime)
    return emitOpError() << "expected a grid of two or three sizes and as many "
                            "results, got "
                         << axes << " and " << getPlaces().size()
                         << " [coordinates_c1]";
  // coordinates_c2
  for (int64_t size : getStaticSizes())
    if (!ShapedType::isDynamic(size) && (size < 1 || size > INT32_MAX))
      return emitOpError() << "expected the sizes of a grid to be from 1 to "
                              "2147483647, got "
                           << size << " [coordinates_c2]";
  return success();
}

// segment_c1
LogicalResult SegmentOp::verify() {
  auto type = cast<RankedTensorType>(getBoundaries().getType());
  if (!isTokenTable(type) || (type.getRank() == 2) != bool(getRow()))
    return emitOpError() << "expected boundaries of tensor<?xi32>, or of "
                            "tensor<?x?xi32> at a row, got "
                         << type << (getRow() ? " at" : " without")
                         << " a row [segment_c1]";
  return success();
}

LogicalResult PoolOp::verify() {
  kv::PyramidType output = getOutput().getType();
  // pool_c1
  if (getLevels() != output.getLevels())
    return emitOpError() << "expected levels to be those of the result, got ["
                         << getLevels() << "] and [" << output.getLevels()
                         << "] [pool_c1]";
  // pool_c2
  if (getKey().getType() != output.getKey() ||
      getValue().getType() != output.getValue())
    return emitOpError() << "expected the result to be of the types of key and "
                            "value, got "
                         << output << " [pool_c2]";
  return success();
}

double ScoreOp::getScaleOrDefault() {
  if (getScale())
    return getScale()->convertToDouble();
  return 1 / std::sqrt(double(getQuery().getType().getShape().back()));
}

/// What a score over a cache demands.
static LogicalResult verifyScoreOverCache(ScoreOp op, kv::CacheType cache) {
  // score_c1
  if (failed(verifyQueryOverCache(op, op.getQuery(), op.getKey())))
    return failure();
  // score_c4
  StringRef name = op.getKept().value_or("");
  const kv::CacheKept *kept = cache.findKept(name);
  kv::KeptKind kind = op.getBound() ? kv::KeptKind::minmax : kv::KeptKind::mean;
  if (!kept || kept->kind != kind)
    return op.emitOpError()
           << "expected '" << (op.getBound() ? "bound" : "pooled")
           << "' to name a " << kv::stringifyKeptKind(kind)
           << " that the cache keeps, got '" << name << "' [score_c4]";
  // score_c6
  if (op.getMaskAttr() || op.getOffset() || op.getLengths())
    return op.emitOpError("expected no mask, offset or lengths over a cache "
                          "[score_c6]");
  if (failed(verifyOneRowEach(op, op.getQuery().getType(), "score_c6")))
    return failure();
  // score_c3
  if (op.getScale() && !op.getScale()->isFinite())
    return op.emitOpError("expected scale to be finite [score_c3]");
  return success();
}

LogicalResult ScoreOp::verify() {
  // score_c5
  kv::CacheType cache = getCache();
  if (getOutput().getType().countsPages() != static_cast<bool>(cache))
    return emitOpError() << "expected units of pages over a cache and of keys "
                            "otherwise, got "
                         << getOutput().getType() << " [score_c5]";
  if (cache)
    return verifyScoreOverCache(*this, cache);
  // tree_c2
  if (readsBatchTree(getMaskAttr(), nullptr))
    return emitOpError("expected 'tree' without a table of parents only over a "
                       "cache, whose batch has the tree [tree_c2]");
  // score_c4
  if (getBound() || getKept())
    return emitOpError("expected metadata to be named only over a cache "
                       "[score_c4]");
  // score_c1
  Type query = getQuery().getType();
  if (failed(verifyQueryAndKey(*this, query, getKey().getType())))
    return failure();
  auto shape = cast<RankedTensorType>(query).getShape();
  // score_c2
  if (failed(
          verifyPerBatch(*this, "offset", getOffset(), shape[0], "score_c2")) ||
      failed(
          verifyPerBatch(*this, "lengths", getLengths(), shape[0], "score_c2")))
    return failure();
  // score_c3
  if (getScale() && !getScale()->isFinite())
    return emitOpError("expected scale to be finite [score_c3]");
  return verifyMaskSugar(*this, getMaskAttr(), getMaskOperands(), shape[1]);
}

/// Whether scores are shares of attention mass.
static bool isNormalized(Value scores) {
  return scores.getDefiningOp<NormalizeOp>() != nullptr;
}

LogicalResult ChooseOp::verify() {
  // choose_c1
  unsigned rules = (getTopKAttr() != nullptr) + (getTopPAttr() != nullptr) +
                   (getAmount() != nullptr);
  if (rules != 1)
    return emitOpError() << "expected exactly one of top_k, top_p and a "
                            "run-time number, got "
                         << rules << " [choose_c1]";
  // choose_c2
  if (getTopK() && static_cast<int64_t>(*getTopK()) < 1)
    return emitOpError() << "expected top_k to be at least 1, got "
                         << static_cast<int64_t>(*getTopK()) << " [choose_c2]";
  if (getTopP()) {
    double share = getTopP()->convertToDouble();
    if (!(share > 0 && share <= 1))
      return emitOpError() << "expected top_p to be in (0, 1], got " << share
                           << " [choose_c2]";
  }
  // choose_c5
  if (Value amount = getAmount()) {
    Type type = amount.getType(), element = getElementTypeOrSelf(type);
    auto table = dyn_cast<RankedTensorType>(type);
    bool good = element.isF32() || element.isInteger(32) ||
                element.isInteger(64) || type.isIndex();
    good &= table ? table.getRank() == 1 && !table.getEncoding() &&
                        !table.isDynamicDim(0)
                  : !isa<ShapedType>(type);
    if (!good)
      return emitOpError() << "expected a run-time number of choose to be "
                              "index, i32, i64, f32 or a tensor of these with "
                              "one entry per query head, got "
                           << type << " [choose_c5]";
  }
  // choose_c3
  if (!isTopK() && !isNormalized(getScores()))
    return emitOpError("expected top_p to have a sel.normalize upstream "
                       "[choose_c3]");
  // choose_c4
  ScoresType scores = getScores().getType();
  kv::ListType output = getOutput().getType();
  if (scores.getQueryBlock() != output.getQueryBlock() ||
      scores.getUnit() != output.getUnit())
    return emitOpError() << "expected the list to have the blocks of the "
                            "scores, got "
                         << output << " and " << scores << " [choose_c4]";
  return success();
}

LogicalResult ChooseLevelsOp::verify() {
  // assign_c1
  if (failed(kv::verifyLevels([&] { return emitOpError(); }, getLevels())))
    return failure();
  // assign_c2
  ArrayRef<double> bounds = getTopShare();
  bool good = bounds.size() == getLevels().size();
  for (size_t i = 0; i < bounds.size(); ++i)
    good &= bounds[i] > 0 && bounds[i] <= 1 &&
            (i == 0 || bounds[i - 1] <= bounds[i]);
  if (!good)
    return emitOpError() << "expected top_share to have an ascending bound in "
                            "(0, 1] for each of the "
                         << getLevels().size() << " levels, got [" << bounds
                         << "] [assign_c2]";
  // assign_c3
  if (!isNormalized(getScores()))
    return emitOpError("expected top_share to have a sel.normalize upstream "
                       "[assign_c3]");
  // assign_c4
  ScoresType scores = getScores().getType();
  LevelsType output = getOutput().getType();
  if (scores.getQueryBlock() != output.getQueryBlock() ||
      scores.getUnit() != output.getUnit())
    return emitOpError() << "expected the level map to have the blocks of the "
                            "scores, got "
                         << output << " and " << scores << " [assign_c4]";
  return success();
}

LogicalResult LevelsOp::verify() {
  // levels_c2
  RankedTensorType map = getMap().getType();
  if (map.getRank() != 4 || map.getEncoding() ||
      !map.getElementType().isInteger(8))
    return emitOpError() << "expected the map to be an i8 tensor [b, query "
                            "heads, query blocks, units], got "
                         << map << " [levels_c2]";
  return success();
}
