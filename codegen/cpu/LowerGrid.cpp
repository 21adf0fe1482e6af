// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The stages around attention: fills the builders' parameters from the roles.
#include "codegen/cpu/MapLowering.h"
#include "codegen/cpu/SmallStages.h"
#include "codegen/cpu/StageLowering.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::cpu;

/// What every grid stage starts from.
template <typename Params>
static Params gridParams(StageContext &stage) {
  Params p;
  p.name = stage.symbol;
  p.isa = stage.isa();
  p.rows = stage.info.stage.getSchedule().getRows();
  return p;
}

static int64_t lastDim(Value view) {
  return cast<tile::ViewType>(view.getType()).getShape().back();
}

/// Whether the launch that a combine stage merges is over a cache.
static bool isOverCache(tile::StageOp combine) {
  auto program = combine->getParentOfType<tile::ProgramOp>();
  for (auto stage : program.getBody().front().getOps<tile::StageOp>())
    if (combine.getOf() && stage.getLaunch() == *combine.getOf())
      for (auto runs : stage.getBody().front().getOps<tile::RunsOp>())
        if (runs.getSegment())
          return true;
  return false;
}

FailureOr<uint64_t> cpu::lowerCombine(StageContext &stage) {
  StageInfo &info = stage.info;
  CombineParams p;
  p.name = stage.symbol;
  p.isa = stage.isa();
  p.valueDim = info.restore.getState().getType().getChan();
  p.rows = info.stage.getSchedule().getRows();
  p.group = info.stage.getRows().getGroup();
  p.o = StageContext::elemOf(info.output.o);
  p.wsO = stage.layout.view(info.restore.getO());
  p.wsM = stage.layout.view(info.restore.getM());
  p.wsL = stage.layout.view(info.restore.getL());
  p.oSlot = stage.layout.view(info.output.o);
  p.lseSlot = stage.slotOr(info.output.lse);
  p.mSlot = stage.slotOr(info.output.m);
  p.lSlot = stage.slotOr(info.output.l);
  if (tile::SinkOp sink = info.output.sink)
    p.sinkSlot = stage.slotOr(sink.getLogits());
  if (tile::FinishOp finish = info.output.finish)
    p.outFactor = static_cast<float>(finish.getFactor().convertToDouble());
  p.querySymbol = stage.layout.symbol(info.restore.getQueriesDim());
  p.ragged = isRagged(info.output.o);
  p.rowCounts = isOverCache(info.stage);
  p.order = info.stage.getOrderAttr();
  return stage.builders.combine(stage.module, p).scratchBytes;
}

FailureOr<uint64_t> cpu::lowerMerge(StageContext &stage) {
  StageInfo &info = stage.info;
  auto p = gridParams<MergeParams>(stage);
  p.valueDim = info.parts.front().getState().getType().getChan();
  for (tile::PackOp part : info.parts)
    p.parts.push_back({stage.layout.view(part.getO()),
                       stage.layout.view(part.getM()),
                       stage.layout.view(part.getL())});
  p.o = StageContext::elemOf(info.output.o);
  p.oSlot = stage.layout.view(info.output.o);
  p.lseSlot = stage.slotOr(info.output.lse);
  return stage.builders.merge(stage.module, p).scratchBytes;
}

FailureOr<uint64_t> cpu::lowerScore(StageContext &stage) {
  StageInfo &info = stage.info;
  Value key = info.stream.getSources()[0];
  ScoreParams p;
  p.name = stage.symbol;
  p.isa = stage.isa();
  p.dim = lastDim(key);
  p.queryBlock = info.queryPool.getGroup();
  p.unit = info.keyPool.getGroup();
  p.kvGroup = info.stage.getRows().getKvGroup();
  p.q = StageContext::elemOf(info.query.getView());
  p.k = StageContext::elemOf(key);
  p.scale = static_cast<float>(info.dot.getScale().convertToDouble());
  p.qSlot = stage.layout.view(info.query.getView());
  p.kSlot = stage.layout.view(key);
  p.kScaleSlot = stage.scaleSlot(key);
  p.scoreSlot = stage.layout.view(info.output.o);
  p.querySymbol = stage.layout.symbol(info.runs.getQueriesDim());
  auto mask = stage.maskFunctions();
  if (failed(mask))
    return failure();
  p.classify = mask->classify;
  MapLowering maps(stage.layout);
  if (info.mask)
    p.keep = [&](Emitter &e, const PairLanes &c) {
      return maps.mask(e, info.mask, {c.b, c.h, c.q, c.k},
                       Emitter::lanesOf(c.q));
    };
  uint64_t scratch = stage.builders.score(stage.module, p).scratchBytes;
  if (maps.errorOp)
    return maps.errorOp->emitOpError(maps.error);
  return scratch;
}

static FailureOr<uint64_t> lowerEncode(StageContext &stage) {
  StageInfo &info = stage.info;
  Value input = info.load.getView(), output = info.store.getView();
  if (stage.scaleSlot(output) < 0)
    return info.store.emitOpError("expected a view with a format");
  auto p = gridParams<EncodeParams>(stage);
  p.dim = lastDim(input);
  p.x = StageContext::elemOf(input);
  p.xSlot = stage.layout.view(input);
  p.codeSlot = stage.layout.view(output);
  p.scaleSlot = stage.scaleSlot(output);
  return stage.builders.encode(stage.module, p).scratchBytes;
}

static FailureOr<uint64_t> lowerPool(StageContext &stage) {
  StageInfo &info = stage.info;
  Value input = info.load.getView(), output = info.store.getView();
  auto p = gridParams<PoolParams>(stage);
  p.dim = lastDim(input);
  p.level = info.pool.getGroup();
  p.lengthSlot = stage.slotOr(info.pool.getLengths());
  p.x = StageContext::elemOf(input);
  p.out = StageContext::elemOf(output);
  p.xSlot = stage.layout.view(input);
  p.outSlot = stage.layout.view(output);
  return stage.builders.pool(stage.module, p).scratchBytes;
}

/// choose and assign force the same kinds of units.
template <typename OpTy>
static ForcedUnits forcedUnits(StageContext &stage, OpTy op) {
  ForcedUnits forced;
  forced.diagonal = op.getForceDiagonal();
  forced.first = op.getForceFirst();
  forced.last = op.getForceLast();
  forced.queryBlock = op.getQueryBlock();
  forced.unit = op.getUnit();
  forced.querySymbol = stage.layout.symbol(op.getQueriesDim());
  return forced;
}

static FailureOr<uint64_t> lowerChoose(StageContext &stage) {
  auto op = cast<tile::ChooseOp>(stage.info.op);
  auto p = gridParams<ChooseParams>(stage);
  p.scoreSlot = stage.layout.view(op.getScores());
  p.listSlot = stage.layout.view(op.getList());
  p.countSlot = stage.layout.view(op.getCount());
  p.byMass = op.getByMass();
  p.shares = op.getShares();
  p.forced = forcedUnits(stage, op);
  p.ragged = isRagged(op.getScores());
  p.forced.rangesSlot = stage.slotOr(op.getSegment());
  Value amount = op.getAmount();
  if (!amount) {
    p.amount.literal = op.getByMass() ? op.getTopP()->convertToDouble()
                                      : double(*op.getTopK());
  } else if (auto view = dyn_cast<tile::ViewType>(amount.getType())) {
    p.amount.kind = view.getElementType().isF32()         ? Amount::ViewF32
                    : view.getElementType().isInteger(64) ? Amount::ViewI64
                                                          : Amount::ViewI32;
    p.amount.slot = stage.layout.view(amount);
  } else {
    p.amount.kind =
        amount.getType().isF32() ? Amount::ScalarFloat : Amount::ScalarInt;
    p.amount.slot = stage.layout.scalar(amount);
  }
  return stage.builders.choose(stage.module, p).scratchBytes;
}

static FailureOr<uint64_t> lowerAssign(StageContext &stage) {
  auto op = cast<tile::AssignOp>(stage.info.op);
  auto p = gridParams<AssignParams>(stage);
  p.scoreSlot = stage.layout.view(op.getScores());
  p.levelSlot = stage.layout.view(op.getLevelsView());
  p.levels.assign(op.getLevels().begin(), op.getLevels().end());
  p.bounds.assign(op.getShares().begin(), op.getShares().end());
  p.forcedLevel = op.getForceLevel();
  p.forced = forcedUnits(stage, op);
  return stage.builders.assign(stage.module, p).scratchBytes;
}

FailureOr<uint64_t> cpu::lowerGrid(StageContext &stage) {
  switch (stage.info.role) {
  case StageRole::Encode:
    return lowerEncode(stage);
  case StageRole::Pool:
    return lowerPool(stage);
  case StageRole::Normalize: {
    auto op = cast<tile::NormalizeOp>(stage.info.op);
    auto p = gridParams<NormalizeParams>(stage);
    p.scoreSlot = stage.layout.view(op.getScores());
    p.resultSlot = stage.layout.view(op.getResult());
    p.ragged = isRagged(op.getScores());
    return stage.builders.normalize(stage.module, p).scratchBytes;
  }
  case StageRole::Choose:
    return lowerChoose(stage);
  case StageRole::Assign:
    return lowerAssign(stage);
  default:
    return stage.info.stage.emitOpError("expected a grid stage");
  }
}
