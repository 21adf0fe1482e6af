// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention and attn.partial -> a stream stage per schedule, and the
// combine stages that merge what the plan splits; attn.merge -> a grid stage.
#include "passes/analysis/TokenOrder.h"
#include "passes/attn_to_tile/MaskFunctions.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

namespace {

/// One attention on its way into stages.
class AttentionConverter {
public:
  AttentionConverter(ProgramBuilder &p, attn::AttentionOpInterface op)
      : p(p), op(op), loc(op.getLoc()), isPartial(isa<attn::PartialOp>(op)) {}

  LogicalResult run();

private:
  LogicalResult readSources();
  LogicalResult chooseSchedules();
  void chooseOrder();
  void dropUnreachable(int64_t packed);
  bool isNarrow(ScheduleAttr schedule);
  /// Whether items walk their keys twice: for m and l, then for o.
  bool inShares() const { return prob.kind == ProbRule::General; }
  void fitQueryBlock();
  void makeResults();
  Value rotate(Value tile, Value block);
  SegmentOp pagedSegment();
  FailureOr<Value> stream(ScheduleAttr schedule, Value qt, ValueRange from,
                          SegmentOp segment, Value init);
  LogicalResult attendStage(ScheduleAttr schedule);
  void combineStage(ScheduleAttr schedule);
  void storeResults(Value state, int64_t rows, ArrayRef<Value> at, Value slot);

  ProgramBuilder &p;
  attn::AttentionOpInterface op;
  Location loc;
  bool isPartial;

  Value query;
  SmallVector<int64_t> levels;
  SmallVector<Value> sources; ///< key, value of each level or segment
  CacheViews *cache = nullptr;
  Value rope, tree; ///< tree: of the batch
  int64_t heads, kvHeads, keyDim, valueDim;
  Value list, count, levelMap, offset, lengths, sink;
  ProbRule prob{ProbRule::None, 1};
  int64_t queryBlock = 0, unit = 0;
  SpecMask specMask;
  TileMask mask;
  std::string launch;
  RowsAttr rows;
  SmallVector<ScheduleAttr> schedules;
  OrderAttr order;            ///< null: rows and keys are tokens
  SmallVector<Value> results; ///< views of the op's results
  Value slotO, slotM, slotL;  ///< partials of split items
};

} // namespace

/// Query blocks from here on run prefill schedules.
static constexpr int64_t kPrefillQueryBlock = 32;

static int64_t lastDim(Value view) {
  return cast<ViewType>(view.getType()).getShape().back();
}

LogicalResult AttentionConverter::readSources() {
  query = p.view(op.getQuery());
  ValueRange source = op.getSource();
  if (op.getCache()) {
    cache = &p.cache(source[0]);
    levels = {1};
    for (SegmentOp segment : cache->segments)
      sources.append({segment.getKeys(), segment.getValues()});
    if (Value table = op.getRope())
      rope = p.view(table);
    if (sel::readsBatchTree(op.getMaskAttr(), &op.getMaskRegion()))
      tree = p.table(loc, TableRule::BatchTree, cache->cache);
  } else if (source.size() == 2) {
    levels = {1};
    sources = {p.view(source[0]), p.view(source[1])};
  } else {
    const PyramidViews &pyramid = p.pyramids[source[0]];
    levels = pyramid.levels;
    for (auto [k, v] : llvm::zip(pyramid.keys, pyramid.values))
      sources.append({k, v});
  }
  heads = cast<ViewType>(query.getType()).getShape()[1];
  kvHeads = cast<ViewType>(sources[0].getType()).getShape()[1];
  keyDim = lastDim(sources[0]);
  valueDim = lastDim(sources[1]);
  if (Value l = op.getList()) {
    auto type = cast<kv::ListType>(l.getType());
    list = p.view(l);
    count = p.counts[l];
    queryBlock = type.getQueryBlock();
    unit = type.countsPages() ? pagedSegment().getPlan().pageTokens
                              : type.getUnit();
  }
  if (Value l = op.getLevels()) {
    auto type = cast<sel::LevelsType>(l.getType());
    levelMap = p.view(l);
    queryBlock = type.getQueryBlock();
    unit = type.getUnit();
    if (unit % levels.back() != 0)
      return op->emitOpError("expected the level map's unit to be a multiple "
                             "of the coarsest level, got ")
             << unit << " and " << levels.back();
  } else if (levels.size() > 1 && !op.maskGivesLevels()) {
    // Without levels everything is read at full resolution.
    levels = {1};
    sources.resize(2);
  }
  if (Value v = op.getOffset())
    offset = p.view(v);
  if (Value v = op.getLengths())
    lengths = p.view(v);
  if (Value v = op.getSinkLogits()) {
    sink = p.view(v);
    if (!isa_and_nonnull<BlockArgument>(sink))
      return op->emitOpError("expected sink_logits to be an argument of the "
                             "kernel");
  }
  prob = classifyProb(op.getProbRegion());
  if (prob.kind == ProbRule::General)
    op->emitRemark("the prob region is not linear in p: every item walks its "
                   "keys twice, first for the sum of the softmax, and is not "
                   "split along the keys");
  return success();
}

/// The box of an ordered walk. A grid has more rows than a decode takes.
void AttentionConverter::chooseOrder() {
  attn::OrderAttr wanted = op.getOrderAttr();
  if (!wanted)
    return;
  constexpr int64_t boxPoints = 128; // about a block of keys
  SmallVector<int64_t> box(wanted.getBox());
  if (box.empty())
    box = chooseBox(wanted.getGrid(), boxPoints);
  order = OrderAttr::get(op.getContext(), wanted.getGrid(), box);
}

/// Schedules that walk in the order: blocks of keys are made of boxes.
static SmallVector<ScheduleAttr> orderedSchedules(ArrayRef<ScheduleAttr> table,
                                                  OrderAttr order) {
  SmallVector<ScheduleAttr> fitting;
  for (ScheduleAttr s : table)
    if (s.getKind() == "prefill")
      fitting.push_back(ScheduleAttr::get(
          s.getContext(), s.getKind(), s.getLanes(), s.getReg(),
          orderKeys(order, s.getKeys()), s.getRows(), s.getMaxRows(),
          s.getPrefetch(), s.getTuned(), s.getMatrix()));
  return fitting;
}

/// Of schedules for a known number of packed rows the plan takes the one with
/// the least `maxRows` that holds them: the others are not worth compiling.
void AttentionConverter::dropUnreachable(int64_t packed) {
  ScheduleAttr best;
  for (ScheduleAttr s : schedules) {
    uint64_t most = s.getMaxRows(); // -1: any number
    if (uint64_t(packed) <= most &&
        (!best || most < uint64_t(best.getMaxRows())))
      best = s;
  }
  if (best)
    schedules = {best};
}

/// Whether a wider variant of the same kind is beside this one: the narrow one
/// runs one position per item, and the wide one's combine stage merges for
/// both (it takes as many rows as there are).
bool AttentionConverter::isNarrow(ScheduleAttr schedule) {
  return llvm::any_of(schedules, [&](ScheduleAttr s) {
    return s.getKind() == schedule.getKind() &&
           s.getRows() > schedule.getRows();
  });
}

LogicalResult AttentionConverter::chooseSchedules() {
  // A list of few queries is read row by row: heads that share keys walk over
  // the union of their lists.
  bool byHead =
      mask.byHead || levelMap || (list && queryBlock >= kPrefillQueryBlock);
  int64_t kvGroup = heads / kvHeads, group = byHead ? 1 : kvGroup;
  rows = RowsAttr::get(op.getContext(), group, kvGroup, heads / group);
  auto keyType = cast<ViewType>(
      (cache ? cache->largest().getKeys() : sources[0]).getType());
  // Tables of tokens have summaries, or two indices and more; of one index,
  // those by head say no more than how wide a window is.
  bool modified = op.getScoreAttr() || !op.getScoreRegion().empty() ||
                  prob.kind == ProbRule::Linear ||
                  prob.kind == ProbRule::General;
  auto plain = [](Value view) {
    auto type = cast<ViewType>(view.getType());
    return type.getElementType().isBF16() && !type.getFormat();
  };
  schedules = p.schedules(
      op.getContext(),
      StreamShape{keyDim, valueDim, keyType.getElementType(),
                  keyType.getFormat(), group, cache != nullptr, mask.identity,
                  mask.traits, order != nullptr, queryBlock ? unit : 0,
                  list != nullptr, modified,
                  !cache && plain(query) && llvm::all_of(sources, plain)});
  if (queryBlock)
    fitQueryBlock();
  if (order)
    schedules = orderedSchedules(schedules, order);
  auto queryType = cast<ViewType>(query.getType());
  int64_t queries =
      queryType.getRank() == 4 ? queryType.getShape()[2] : ShapedType::kDynamic;
  if (!ShapedType::isDynamic(queries))
    dropUnreachable(queries * group);
  return success();
}

/// Chosen blocks and levels are read per query block: an item lies inside one.
/// Prefill wants whole vectors of queries.
void AttentionConverter::fitQueryBlock() {
  auto resized = [&](ScheduleAttr s, int64_t tile, int64_t most) {
    return ScheduleAttr::get(op.getContext(), s.getKind(), s.getLanes(),
                             s.getReg(), s.getKeys(), tile, most,
                             s.getPrefetch(), s.getTuned(), s.getMatrix());
  };
  SmallVector<ScheduleAttr> fitting;
  int64_t group = rows.getGroup();
  for (ScheduleAttr s : schedules) {
    int64_t tile = s.getRows() < group
                       ? s.getRows()
                       : group * std::gcd(s.getRows() / group, queryBlock);
    if (s.getKind() == "prefill" &&
        (queryBlock < kPrefillQueryBlock || tile % s.getLanes()))
      continue;
    // Small blocks make variants of one kind the same.
    if (!fitting.empty() && fitting.back().getKind() == s.getKind() &&
        fitting.back().getRows() == tile)
      fitting.pop_back();
    fitting.push_back(resized(s, tile, s.getMaxRows()));
  }
  // The last one takes any number of rows.
  fitting.back() = resized(fitting.back(), fitting.back().getRows(), -1);
  schedules = fitting;
}

void AttentionConverter::makeResults() {
  Extents q = p.extents(query), o = q;
  o.back() = p.fixed(valueDim);
  Extents perRow(q.begin(), q.end() - 1);
  static constexpr StringLiteral names[2][3] = {{"o", "lse", ""},
                                                {"o", "m", "l"}};
  for (auto [i, result] : llvm::enumerate(op->getResults())) {
    auto type = cast<RankedTensorType>(result.getType());
    results.push_back(p.resultView(result,
                                   (launch + "." + names[isPartial][i]).str(),
                                   i == 0 ? o : perRow, type.getElementType()));
  }
  if (inShares())
    return; // never split
  int64_t most = 0;
  for (ScheduleAttr s : schedules)
    most = std::max(most, s.getRows());
  Type f32 = p.b.getF32Type();
  Extents record{p.slots(launch), p.fixed(most)};
  slotM = p.buffer(launch + ".slot.m", record, f32);
  slotL = p.buffer(launch + ".slot.l", record, f32);
  record.push_back(p.fixed(valueDim));
  slotO = p.buffer(launch + ".slot.o", record, f32);
}

void AttentionConverter::storeResults(Value state, int64_t tileRows,
                                      ArrayRef<Value> at, Value slot) {
  OpBuilder &b = p.b;
  auto tensor = [&](Value view, bool wide) {
    SmallVector<int64_t> shape{tileRows};
    if (wide)
      shape.push_back(valueDim);
    return RankedTensorType::get(
        shape, cast<ViewType>(view.getType()).getElementType());
  };
  auto perRow = RankedTensorType::get({tileRows}, b.getF32Type());
  if (sink)
    state = b.create<SinkOp>(loc, state.getType(), state, sink);
  SmallVector<Value> tensors;
  if (isPartial) {
    auto unpack = b.create<UnpackOp>(loc, tensor(results[0], true), perRow,
                                     perRow, state);
    tensors.assign(unpack->result_begin(), unpack->result_end());
  } else {
    auto finish = b.create<FinishOp>(loc, tensor(results[0], true), perRow,
                                     state, b.getF64FloatAttr(prob.factor));
    tensors.assign(finish->result_begin(), finish->result_end());
  }
  for (auto [view, value] : llvm::zip(results, tensors))
    b.create<StoreOp>(loc, value, view, at, slot);
}

Value AttentionConverter::rotate(Value tile, Value block) {
  if (!rope)
    return tile;
  auto type = cast<CodedType>(tile.getType());
  auto rotated = CodedType::get(p.b.getContext(), type.getRows(),
                                type.getChan(), p.b.getF32Type(), Attribute());
  bool slot = cache->type.getRope() == kv::CacheRope::slot;
  bool halves = *op.getRopePairs() == attn::RopePairs::halves;
  return p.b.create<RotateOp>(
      loc, rotated, tile, rope, slot ? Position::Slot : Position::Token,
      halves ? Pairs::Halves : Pairs::Adjacent, block, tree);
}

/// One stream over `from`, a key and a value per level, or those of `segment`;
/// from the state `init`, or from nothing.
FailureOr<Value> AttentionConverter::stream(ScheduleAttr schedule, Value qt,
                                            ValueRange from, SegmentOp segment,
                                            Value init) {
  OpBuilder &b = p.b;
  Block &body = *b.getInsertionBlock();
  int64_t tileRows = schedule.getRows(), keys = schedule.getKeys();
  // A list names pages of one segment: the others are seen whole.
  bool listed = list && (!segment || segment == pagedSegment());
  Value runs = b.create<RunsOp>(
      loc, RunsType::get(b.getContext()), mask.prefix, mask.operands, mask.text,
      mask.summaries, listed ? list : Value(), listed ? count : Value(),
      levelMap, mask.topLeft ? Value() : offset, lengths,
      segment ? segment.getRanges() : Value(), body.getArgument(kKey0),
      body.getArgument(kKey1),
      b.getI64IntegerAttr(listed || levelMap ? unit : 0),
      b.getI64IntegerAttr(listed || levelMap ? queryBlock : 0), p.tokens(query),
      p.tokens(from[0]), mask.topLeft ? b.getUnitAttr() : UnitAttr());
  if (!init)
    init = b.create<InitOp>(loc,
                            StateType::get(b.getContext(), tileRows, valueDim));
  auto loopOp = b.create<StreamOp>(
      loc, TypeRange{init.getType()}, runs, from,
      segment ? segment.getPages() : Value(), b.getI64IntegerAttr(keys),
      b.getDenseI64ArrayAttr(levels), ValueRange{init});
  Block *loop = b.createBlock(&loopOp.getBody());
  Value block = loop->addArgument(BlockType::get(b.getContext()), loc);
  Value kt = loop->addArgument(p.coded(from[0], keys), loc);
  Value vt = loop->addArgument(p.coded(from[1], keys), loc);
  Value state = loop->addArgument(init.getType(), loc);
  double scale = op.getScaleOrDefault();
  kt = rotate(kt, block);
  Value s = b.create<DotOp>(loc, p.scores(tileRows, keys), qt, kt,
                            b.getF64FloatAttr(scale));
  FailureOr<Value> modified = emitScoreMaps(p, op, s, block);
  if (failed(modified))
    return failure();
  s = *modified;
  if (specMask.present())
    s = emitMask(p, op, specMask, s, block);
  auto next = b.create<AttendOp>(loc, state, s, vt);
  if ((inShares() || prob.kind == ProbRule::Linear) &&
      failed(emitProb(p, op, next, inShares() ? Prob::Shares : Prob::Weights)))
    return failure();
  b.create<YieldOp>(loc, next.getResult());
  b.setInsertionPointToEnd(&body);
  return loopOp.getResult(0);
}

SegmentOp AttentionConverter::pagedSegment() {
  int64_t index = cache->type.getPagedSegment();
  return index < 0 ? SegmentOp() : cache->segments[index];
}

LogicalResult AttentionConverter::attendStage(ScheduleAttr schedule) {
  OpBuilder &b = p.b;
  std::string symbol =
      (launch + "_" + schedule.getKind() + (isNarrow(schedule) ? "1" : ""))
          .str();
  // Sequences of the batch: dim 0 of the query, or a number of their own.
  Extents batch;
  if (cache)
    batch.push_back(p.batch(query));
  StageOp stage = p.openStage(loc, symbol, launch, Space::Stream, rows,
                              schedule, cache ? &batch : nullptr);
  stage.setOrderAttr(order);
  Block &body = stage.getBody().front();
  SmallVector<Value> at{body.getArgument(kBatch), body.getArgument(kHead),
                        body.getArgument(kRow)};
  Value slot = body.getArgument(kSlot);
  int64_t tileRows = schedule.getRows();
  Value qt = b.create<LoadOp>(loc, p.coded(query, tileRows), query, at);
  qt = rotate(qt, Value());
  FailureOr<Value> last = Value();
  if (!cache)
    last = stream(schedule, qt, sources, SegmentOp(), *last);
  else
    for (SegmentOp segment : cache->segments) {
      last = stream(schedule, qt, {segment.getKeys(), segment.getValues()},
                    segment, *last);
      if (failed(last))
        return failure();
    }
  if (failed(last))
    return failure();
  if (!inShares())
    b.create<SaveOp>(loc, *last, slotO, slotM, slotL, slot);
  storeResults(*last, tileRows, at, slot);
  p.closeStage();
  return success();
}

void AttentionConverter::combineStage(ScheduleAttr schedule) {
  OpBuilder &b = p.b;
  std::string name = launch + "_combine";
  auto own =
      ScheduleAttr::get(b.getContext(), "combine", schedule.getLanes(), 1, 1,
                        schedule.getRows(), schedule.getMaxRows(), 0);
  StageOp stage = p.openStage(loc, (name + "_" + schedule.getKind()).str(),
                              name, Space::Combine, rows, own, nullptr, launch);
  stage.setOrderAttr(order);
  Block &body = stage.getBody().front();
  Value state = b.create<RestoreOp>(
      loc, StateType::get(b.getContext(), schedule.getRows(), valueDim), slotO,
      slotM, slotL, body.getArgument(kSlot), p.tokens(query));
  storeResults(state, schedule.getRows(),
               {body.getArgument(kBatch), body.getArgument(kHead),
                body.getArgument(kRow)},
               Value());
  p.closeStage();
}

LogicalResult AttentionConverter::run() {
  specMask = {op.getMaskAttr(), op.getMaskOperands(), &op.getMaskRegion()};
  launch = p.launchName(isPartial ? "partial" : "attend");
  if (failed(readSources()))
    return failure();
  chooseOrder();
  std::string prefix = (p.program.getSymName() + "_" + launch).str();
  FailureOr<TileMask> built = buildMask(p, op, prefix, specMask, order);
  if (failed(built))
    return failure();
  mask = *built;
  if (failed(chooseSchedules()))
    return failure();
  makeResults();
  for (ScheduleAttr s : schedules)
    if (failed(attendStage(s)))
      return failure();
  for (ScheduleAttr s : schedules)
    if (!isNarrow(s) && !inShares())
      combineStage(s);
  return success();
}

LogicalResult fovea::convertAttention(ProgramBuilder &p, attn::AttentionOp op) {
  return AttentionConverter(p, cast<attn::AttentionOpInterface>(*op)).run();
}

LogicalResult fovea::convertPartial(ProgramBuilder &p, attn::PartialOp op) {
  return AttentionConverter(p, cast<attn::AttentionOpInterface>(*op)).run();
}

LogicalResult fovea::convertMerge(ProgramBuilder &p, attn::MergeOp op) {
  Location loc = op.getLoc();
  OpBuilder &b = p.b;
  Extents extents = p.extents(p.view(op.getPartOutput(0)));
  if (extents.size() != 4)
    return op.emitOpError("merging token-major rows is not supported by this "
                          "compiler: use rows [b, h, sq, d]");
  int64_t dim = extents.back().getMul(), rows = 16;
  Value o = p.resultView(
      op.getOutput(), "merged", extents,
      cast<RankedTensorType>(op.getOutput().getType()).getElementType());
  Extents grid(extents.begin(), extents.begin() + 3);
  Value lse;
  if (op.getLse())
    lse = p.resultView(op.getLse(), "merged.lse", grid, b.getF32Type());
  std::string launch = p.launchName("merge");
  StageOp stage =
      p.openStage(loc, launch, launch, Space::Grid,
                  p.plainRows(grid[1].getMul()), p.gridSchedule(rows), &grid);
  Block &body = stage.getBody().front();
  SmallVector<Value> at{body.getArgument(kBatch), body.getArgument(kHead),
                        body.getArgument(kRow)};
  auto stateType = StateType::get(op.getContext(), rows, dim);
  Value state;
  for (unsigned i = 0; i != op.getNumParts(); ++i) {
    Value part = b.create<PackOp>(loc, stateType, p.view(op.getPartOutput(i)),
                                  p.view(op.getPartMax(i)),
                                  p.view(op.getPartSum(i)), at);
    state = state ? b.create<MergeOp>(loc, stateType, state, part).getResult()
                  : part;
  }
  auto finish = b.create<FinishOp>(
      loc,
      RankedTensorType::get({rows, dim},
                            cast<ViewType>(o.getType()).getElementType()),
      RankedTensorType::get({rows}, b.getF32Type()), state,
      b.getF64FloatAttr(1));
  b.create<StoreOp>(loc, finish.getO(), o, at, Value());
  if (lse)
    b.create<StoreOp>(loc, finish.getLse(), lse, at, Value());
  p.closeStage();
  return success();
}
