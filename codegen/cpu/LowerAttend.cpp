// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attend stages: fills the parameters of the prefill and decode builders from
// the roles of the stream.
#include "codegen/cpu/DecodeStream.h"
#include "codegen/cpu/StreamRoles.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::cpu;

static FailureOr<uint64_t> lowerPrefill(StageContext &stage) {
  StageInfo &info = stage.info;
  StreamMaps maps(stage);
  FailureOr<StreamParams> params =
      streamParams(stage, maps, /*searching=*/false);
  if (failed(params))
    return failure();
  tile::ScheduleAttr schedule = info.stage.getSchedule();
  params->isa = stage.isa();
  params->schedule.regRows = schedule.getReg();
  params->schedule.lanes = schedule.getLanes();
  params->schedule.keys = schedule.getKeys();
  params->schedule.rows = schedule.getRows();
  params->schedule.convert = schedule.getPrefetch() == 0;
  params->schedule.matrix = schedule.getMatrix();
  OpBuilder b = OpBuilder::atBlockEnd(stage.module.getBody());
  std::string reason;
  FailureOr<int64_t> scratch =
      buildPrefillStream(b, stage.loc(), *params, reason);
  if (failed(maps.verify()))
    return failure();
  if (failed(scratch))
    return info.stage.emitOpError(reason);
  return static_cast<uint64_t>(*scratch);
}

static FailureOr<uint64_t> lowerDecode(StageContext &stage) {
  StageInfo &info = stage.info;
  if (info.stage.getOrderAttr())
    return info.stage.emitOpError(
        "expected a schedule of kind prefill with an order, got decode");
  tile::ScheduleAttr schedule = info.stage.getSchedule();
  tile::RowsAttr rows = info.stage.getRows();
  tile::RunsOp chosen = info.selection();
  auto sources = info.stream.getSources();
  DecodeParams p;
  p.name = stage.symbol;
  p.isa = stage.isa();
  p.vnni = StringRef(stage.target.features).contains("+avx512vnni");
  p.keyDim = info.query.getTile().getType().getChan();
  p.valueDim = info.attend.getState().getType().getChan();
  p.q = StageContext::elemOf(info.query.getView());
  p.k = StageContext::elemOf(sources[0]);
  p.v = StageContext::elemOf(sources[1]);
  p.o = StageContext::elemOf(info.output.o);
  p.scale = scaleOf(info);
  p.group = rows.getGroup();
  p.kvGroup = rows.getKvGroup();
  p.qSlot = stage.layout.view(info.query.getView());
  p.oSlot = stage.layout.view(info.output.o);
  p.lseSlot = stage.slotOr(info.output.lse);
  if (info.output.unpack) {
    p.mSlot = stage.slotOr(info.output.m);
    p.lSlot = stage.slotOr(info.output.l);
  }
  if (tile::SaveOp save = info.output.save) {
    p.wsO = stage.layout.view(save.getO());
    p.wsM = stage.layout.view(save.getM());
    p.wsL = stage.layout.view(save.getL());
  }
  p.maskLevels = info.maskGivesLevels();
  p.twice = info.inShares();
  p.outFactor = outFactorOf(info);
  if (tile::SinkOp sink = info.output.sink)
    p.sinkSlot = stage.slotOr(sink.getLogits());
  p.querySymbol = stage.layout.symbol(info.runs.getQueriesDim());
  p.segments = stage.cacheSources();
  p.ragged = isRagged(info.query.getView());
  p.rope = stage.rope();
  for (size_t i = 0; p.segments.empty() && i + 1 < sources.size(); i += 2)
    p.sources.push_back(
        {info.stream.getLevels()[i / 2], stage.layout.view(sources[i]),
         stage.layout.view(sources[i + 1]), stage.scaleSlot(sources[i]),
         stage.scaleSlot(sources[i + 1])});
  p.listSlot = stage.slotOr(chosen.getList());
  p.listCountSlot = stage.slotOr(chosen.getCount());
  p.levelSlot = stage.slotOr(chosen.getLevels());
  p.listUnit = chosen.getUnit();
  p.listQueries = std::max<int64_t>(1, chosen.getQueryBlock());
  p.rows = schedule.getRows();
  p.keys = schedule.getKeys();
  p.prefetchV = schedule.getPrefetch() & 1;
  p.prefetchNext = schedule.getPrefetch() & 2;
  p.prefetchFar = schedule.getPrefetch() & 4;
  // Integer dots round the queries: near enough for a 16-bit o, not for what is
  // handed out in f32.
  p.integerDot =
      p.k == Elem::I8 && p.o != Elem::F32 && p.lseSlot < 0 && p.mSlot < 0;
  StreamMaps maps(stage);
  auto point = [](const PairLanes &c) {
    return MapPoint{c.b, c.head ? c.head : c.h, c.q, c.k};
  };
  if (maps.hasMask())
    p.keep = [&](Emitter &e, const PairLanes &c) {
      return maps.keep(e, point(c), Emitter::lanesOf(c.q));
    };
  if (maps.hasScore())
    p.score = [&](Emitter &e, Value s, const PairLanes &c) {
      return maps.score(e, s, point(c), Emitter::lanesOf(c.q));
    };
  if (maps.hasProb())
    p.prob = [&](Emitter &e, Value weights, const PairLanes &c) {
      return maps.prob(e, weights, point(c), Emitter::lanesOf(c.q));
    };
  auto mask = stage.maskFunctions();
  if (failed(mask))
    return failure();
  p.bounds = mask->bounds;
  p.classify = mask->classify;
  BuiltStage built = buildDecodeStream(stage.module, p);
  if (failed(maps.verify()))
    return failure();
  return built.scratchBytes;
}

FailureOr<uint64_t> cpu::lowerAttend(StageContext &stage) {
  StringRef kind = stage.info.stage.getSchedule().getKind();
  if (kind == "prefill")
    return lowerPrefill(stage);
  if (kind == "decode")
    return lowerDecode(stage);
  return stage.info.stage.emitOpError(
             "expected a schedule of kind prefill or decode, got ")
         << kind;
}
