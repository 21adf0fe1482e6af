// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops of kv and sel that are stages of their own: encode, pool, score,
// normalize, choose, assign; and the level map taken from a tensor.
#include "passes/attn_to_tile/MaskFunctions.h"

#include <cmath>

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

/// A grid stage over (b, h, rows) named after its launch.
static StageOp openGrid(ProgramBuilder &p, Operation *op, StringRef base,
                        const Extents &view, int64_t heads, int64_t rows) {
  std::string launch = p.launchName(base);
  Extents grid(view.begin(), view.begin() + 3);
  return p.openStage(op->getLoc(), launch, launch, Space::Grid,
                     p.plainRows(heads), p.gridSchedule(rows), &grid);
}

static SmallVector<Value> itemAt(StageOp stage) {
  Block &body = stage.getBody().front();
  return {body.getArgument(kBatch), body.getArgument(kHead),
          body.getArgument(kRow)};
}

LogicalResult fovea::convertEncode(ProgramBuilder &p, kv::EncodeOp op) {
  Value input = p.view(op.getInput());
  Extents extents = p.extents(input);
  auto type = cast<RankedTensorType>(op.getOutput().getType());
  Value output = p.resultView(op.getOutput(), "encoded", extents,
                              type.getElementType(), type.getEncoding());
  p.setTokens(output, p.tokens(input));
  int64_t rows = 64;
  StageOp stage = openGrid(p, op, "encode", extents, type.getDimSize(1), rows);
  SmallVector<Value> at = itemAt(stage);
  Value tile = p.b.create<LoadOp>(op.getLoc(), p.coded(input, rows), input, at);
  p.b.create<StoreOp>(op.getLoc(), tile, output, at, Value());
  p.closeStage();
  return success();
}

/// The view of the lengths that all attention over a pyramid has; null without
/// them. Its rows are means of what lies below.
static FailureOr<Value> lengthsOf(ProgramBuilder &p, sel::PoolOp op) {
  Value lengths;
  bool first = true;
  for (Operation *user : op.getOutput().getUsers()) {
    auto attention = dyn_cast<attn::AttentionOpInterface>(user);
    if (!attention)
      continue;
    if (!first && attention.getLengths() != lengths)
      return attention->emitOpError(
          "attention of other lengths over a pyramid is not supported by this "
          "compiler: pool the keys once more");
    lengths = attention.getLengths();
    first = false;
  }
  return lengths ? p.view(lengths) : Value();
}

LogicalResult fovea::convertPool(ProgramBuilder &p, sel::PoolOp op) {
  FailureOr<Value> found = lengthsOf(p, op);
  if (failed(found))
    return failure();
  Value lengths = *found;
  PyramidViews &pyramid = p.pyramids[op.getOutput()];
  Value inputs[2] = {p.view(op.getKey()), p.view(op.getValue())};
  for (int64_t level : op.getLevels()) {
    pyramid.levels.push_back(level);
    for (auto [i, input] : llvm::enumerate(inputs)) {
      auto &side = i ? pyramid.values : pyramid.keys;
      if (level == 1) {
        side.push_back(input);
        continue;
      }
      Extents extents = p.extents(input);
      extents[2] = p.ceilDiv(extents[2], level);
      auto type = cast<ViewType>(input.getType());
      Value pooled =
          p.buffer(("pool." + Twine(i ? "v" : "k") + Twine(level)).str(),
                   extents, type.getElementType());
      int64_t rows = 16;
      StageOp stage = openGrid(p, op, i ? "pool_v" : "pool_k", extents,
                               type.getShape()[1], rows);
      SmallVector<Value> at = itemAt(stage);
      OpBuilder &b = p.b;
      Value tile = b.create<LoadOp>(op.getLoc(), p.coded(input, rows * level),
                                    input, at);
      Value mean =
          b.create<tile::PoolOp>(op.getLoc(), p.coded(pooled, rows), tile,
                                 lengths, level, Reduction::Mean);
      b.create<StoreOp>(op.getLoc(), mean, pooled, at, Value());
      p.closeStage();
      side.push_back(pooled);
    }
  }
  return success();
}

/// A stage over rows of scores: a grid over (b, h, rows), or for the pages of a
/// cache and token-major rows the items of a stream without packing.
static StageOp openRows(ProgramBuilder &p, Operation *op, StringRef base,
                        const Extents &view, int64_t kvGroup, int64_t rows) {
  int64_t heads = view[1].getMul();
  if (view.size() == 4)
    return openGrid(p, op, base, view, heads, rows);
  std::string launch = p.launchName(base);
  Extents batch{p.batch(Value())};
  auto schedule = ScheduleAttr::get(p.b.getContext(), base, /*lanes=*/0,
                                    /*reg=*/1, /*keys=*/1, rows,
                                    /*maxRows=*/-1, /*prefetch=*/0);
  return p.openStage(op->getLoc(), launch, launch, Space::Stream,
                     RowsAttr::get(p.b.getContext(), 1, kvGroup, heads),
                     schedule, &batch);
}

/// sel.score over a cache: what it keeps of its pages against every row.
static LogicalResult convertPageScore(ProgramBuilder &p, sel::ScoreOp op) {
  constexpr int64_t rowsPerItem = 16;
  Location loc = op.getLoc();
  OpBuilder &b = p.b;
  CacheViews &cache = p.cache(op.getKey());
  SegmentOp segment = cache.segments[cache.type.getPagedSegment()];
  int64_t pageTokens = segment.getPlan().pageTokens;
  Value query = p.view(op.getQuery());
  Extents extents = p.extents(query);
  int64_t heads = extents[1].getMul();
  extents.back() = p.ceilDiv(
      ExtentAttr::get(b.getContext(), cache.tokens, 1, 0, 1, ""), pageTokens);
  Value scores =
      p.resultView(op.getOutput(), "scores", extents, b.getF32Type());
  p.setTokens(scores, p.tokens(query));
  p.pageSegments[scores] = segment;

  const kv::CacheKept *kept = cache.type.findKept(*op.getKept());
  SmallVector<int64_t> shape{ShapedType::kDynamic, cache.type.getHeads()};
  if (kept->kind == kv::KeptKind::minmax)
    shape.push_back(2);
  shape.push_back(cache.type.getKeyDim());
  Value view = b.create<KeptOp>(
      loc, ViewType::get(b.getContext(), shape, b.getF32Type(), {}),
      cache.cache, *op.getKept());
  std::string launch = p.launchName("page_score");
  auto schedule = ScheduleAttr::get(b.getContext(), "page_score", /*lanes=*/0,
                                    /*reg=*/1, pageTokens, rowsPerItem,
                                    /*maxRows=*/-1, /*prefetch=*/0);
  auto rows =
      RowsAttr::get(b.getContext(), 1, heads / cache.type.getHeads(), heads);
  Extents batch{p.batch(query)};
  StageOp stage =
      p.openStage(loc, launch, launch, Space::Stream, rows, schedule, &batch);
  b.create<PageScoreOp>(
      loc, query, view, scores, segment.getRanges(), segment.getPages(),
      itemAt(stage), b.getF64FloatAttr(op.getScaleOrDefault()),
      b.getI64IntegerAttr(pageTokens), p.tokens(query), cache.tokens);
  p.closeStage();
  return success();
}

LogicalResult fovea::convertScore(ProgramBuilder &p, sel::ScoreOp op) {
  if (op.getCache())
    return convertPageScore(p, op);
  auto type = op.getOutput().getType();
  Value query = p.view(op.getQuery()), key = p.view(op.getKey());
  int64_t qb = type.getQueryBlock(), unit = type.getUnit();
  int64_t heads = cast<ViewType>(query.getType()).getShape()[1];
  int64_t kvHeads = cast<ViewType>(key.getType()).getShape()[1];
  Extents extents = p.extents(query);
  extents[2] = p.ceilDiv(extents[2], qb);
  extents[3] = p.ceilDiv(p.extents(key)[2], unit);
  Value scores =
      p.resultView(op.getOutput(), "scores", extents, p.b.getF32Type());
  p.setTokens(scores, p.tokens(query));

  std::string launch = p.launchName("score");
  SpecMask specMask{op.getMaskAttr(), op.getMaskOperands(), nullptr};
  FailureOr<TileMask> mask =
      buildMask(p, op, (p.program.getSymName() + "_" + launch).str(), specMask,
                OrderAttr());
  if (failed(mask))
    return failure();
  // One item is one query block of one query head.
  auto rows = RowsAttr::get(op.getContext(), 1, heads / kvHeads, heads);
  auto schedule =
      ScheduleAttr::get(op.getContext(), "score", 0, 1, unit, qb, -1, 0);
  StageOp stage =
      p.openStage(op.getLoc(), launch, launch, Space::Stream, rows, schedule);
  Location loc = op.getLoc();
  OpBuilder &b = p.b;
  SmallVector<Value> at = itemAt(stage);
  Block &body = stage.getBody().front();
  auto pooledType = [&](CodedType t) {
    return CodedType::get(op.getContext(), 1, t.getChan(), b.getF32Type(),
                          Attribute());
  };
  CodedType qType = p.coded(query, qb), kType = p.coded(key, unit);
  Value qt = b.create<LoadOp>(loc, qType, query, at);
  Value qp = b.create<tile::PoolOp>(loc, pooledType(qType), qt, Value(), qb,
                                    Reduction::Mean);
  Value offset = op.getOffset() ? p.view(op.getOffset()) : Value();
  Value lengths = op.getLengths() ? p.view(op.getLengths()) : Value();
  Value runs = b.create<RunsOp>(
      loc, RunsType::get(b.getContext()), mask->prefix, mask->operands,
      mask->text, mask->summaries, Value(), Value(), Value(),
      mask->topLeft ? Value() : offset, lengths, Value(),
      body.getArgument(kKey0), body.getArgument(kKey1),
      b.getI64IntegerAttr(unit), b.getI64IntegerAttr(qb), p.tokens(query),
      p.tokens(key), mask->topLeft ? b.getUnitAttr() : UnitAttr());
  auto stream = b.create<StreamOp>(loc, TypeRange{}, runs, ValueRange{key},
                                   Value(), b.getI64IntegerAttr(unit),
                                   b.getDenseI64ArrayAttr({1}), ValueRange{});
  Block *loop = b.createBlock(&stream.getBody());
  loop->addArgument(BlockType::get(b.getContext()), loc);
  Value kt = loop->addArgument(kType, loc);
  Value kp = b.create<tile::PoolOp>(loc, pooledType(kType), kt, Value(), unit,
                                    Reduction::Mean);
  double scale = op.getScale() ? op.getScale()->convertToDouble()
                               : 1.0 / std::sqrt(double(qType.getChan()));
  Value s =
      b.create<DotOp>(loc, p.scores(1, 1), qp, kp, b.getF64FloatAttr(scale));
  b.create<StoreOp>(loc, s, scores, at, Value());
  b.create<tile::YieldOp>(loc, ValueRange{});
  p.closeStage();
  return success();
}

LogicalResult fovea::convertNormalize(ProgramBuilder &p, sel::NormalizeOp op) {
  Value scores = p.view(op.getScores());
  Extents extents = p.extents(scores);
  Value result =
      p.resultView(op.getOutput(), "shares", extents, p.b.getF32Type());
  p.setTokens(result, p.tokens(scores));
  SegmentOp segment = p.pageSegments.lookup(scores);
  p.pageSegments[result] = segment;
  StageOp stage = openRows(p, op, "normalize", extents, 1, 1);
  p.b.create<tile::NormalizeOp>(
      op.getLoc(), scores, result, itemAt(stage),
      segment ? segment.getRanges() : Value(),
      segment ? p.tokens(segment.getKeys()) : StringAttr(), p.tokens(scores));
  p.closeStage();
  return success();
}

LogicalResult fovea::convertChoose(ProgramBuilder &p, sel::ChooseOp op) {
  Value scores = p.view(op.getScores());
  Extents extents = p.extents(scores);
  auto type = op.getScores().getType();
  Value list = p.resultView(op.getOutput(), "list", extents, p.b.getI32Type());
  Extents perBlock(extents.begin(), extents.end() - 1);
  Value count = p.buffer("list.count", perBlock, p.b.getI32Type());
  p.counts[op.getOutput()] = count;
  SegmentOp segment = p.pageSegments.lookup(scores);
  int64_t unit = segment ? segment.getPlan().pageTokens : type.getUnit();
  StageOp stage = openRows(p, op, "choose", extents, 1, 1);
  Value amount = op.getAmount() ? p.view(op.getAmount()) : Value();
  p.b.create<tile::ChooseOp>(
      op.getLoc(), scores, list, count, itemAt(stage), amount,
      segment ? segment.getRanges() : Value(),
      segment ? p.tokens(segment.getKeys()) : StringAttr(), op.getTopKAttr(),
      op.getTopPAttr(), op.isTopK() ? UnitAttr() : p.b.getUnitAttr(),
      op.getScores().getDefiningOp<sel::NormalizeOp>() ? p.b.getUnitAttr()
                                                       : UnitAttr(),
      op.getForceDiagonalAttr(), op.getForceFirstAttr(), op.getForceLastAttr(),
      p.b.getI64IntegerAttr(type.getQueryBlock()), p.b.getI64IntegerAttr(unit),
      p.tokens(scores));
  p.closeStage();
  return success();
}

LogicalResult fovea::convertAssign(ProgramBuilder &p, sel::ChooseLevelsOp op) {
  Value scores = p.view(op.getScores());
  Extents extents = p.extents(scores);
  auto type = op.getScores().getType();
  Value levels =
      p.resultView(op.getOutput(), "levels", extents, p.b.getI8Type());
  StageOp stage = openGrid(p, op, "assign", extents, extents[1].getMul(), 1);
  p.b.create<tile::AssignOp>(
      op.getLoc(), scores, levels, itemAt(stage), op.getLevelsAttr(),
      op.getTopShareAttr(), p.b.getI64IntegerAttr(1), op.getForceDiagonalAttr(),
      op.getForceFirstAttr(), op.getForceLastAttr(),
      p.b.getI64IntegerAttr(type.getQueryBlock()),
      p.b.getI64IntegerAttr(type.getUnit()), p.tokens(scores));
  p.closeStage();
  return success();
}

LogicalResult fovea::convertLevels(ProgramBuilder &p, sel::LevelsOp op) {
  p.map(op.getOutput(), p.view(op.getMap()));
  return success();
}
