// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fills the parameters of a stream from its roles: see StreamRoles.h.
#include "codegen/cpu/StreamRoles.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::cpu;

float cpu::scaleOf(StageInfo &info) {
  return static_cast<float>(info.dot.getScale().convertToDouble());
}

float cpu::outFactorOf(StageInfo &info) {
  tile::FinishOp finish = info.output.finish;
  return finish ? static_cast<float>(finish.getFactor().convertToDouble()) : 1;
}

FailureOr<StreamParams> cpu::streamParams(StageContext &stage, StreamMaps &maps,
                                          bool searching) {
  StageInfo &info = stage.info;
  tile::RowsAttr rows = info.stage.getRows();
  tile::RunsOp chosen = info.selection();
  auto sources = info.stream.getSources();
  StreamParams p;
  p.name = stage.symbol;
  p.keyDim = info.query.getTile().getType().getChan();
  p.valueDim = info.attend.getState().getType().getChan();
  p.group = rows.getGroup();
  p.kvGroup = rows.getKvGroup();
  p.scale = scaleOf(info);
  p.query = stage.layout.view(info.query.getView());
  p.queryElem = StageContext::elemOf(info.query.getView());
  p.out = stage.layout.view(info.output.o);
  p.outElem = StageContext::elemOf(info.output.o);
  if (info.output.lse)
    p.lse = stage.layout.view(info.output.lse);
  if (info.output.unpack)
    p.partial = std::pair(stage.layout.view(info.output.m),
                          stage.layout.view(info.output.l));
  if (tile::SaveOp save = info.output.save)
    p.split = PartialViews{stage.layout.view(save.getO()),
                           stage.layout.view(save.getM()),
                           stage.layout.view(save.getL())};
  p.maskLevels = info.maskGivesLevels();
  p.twice = info.inShares();
  p.outFactor = outFactorOf(info);
  if (tile::SinkOp sink = info.output.sink)
    p.sink = stage.layout.view(sink.getLogits());
  p.segments = stage.cacheSources();
  p.ragged = isRagged(info.query.getView());
  p.order = info.stage.getOrderAttr();
  p.rope = stage.rope();
  for (size_t i = 0; p.segments.empty() && i + 1 < sources.size(); i += 2) {
    StreamSource source;
    source.keys = stage.layout.view(sources[i]);
    source.values = stage.layout.view(sources[i + 1]);
    source.keyElem = StageContext::elemOf(sources[i]);
    source.valueElem = StageContext::elemOf(sources[i + 1]);
    if (int scale = stage.scaleSlot(sources[i]); scale >= 0)
      source.keyScales = scale;
    if (int scale = stage.scaleSlot(sources[i + 1]); scale >= 0)
      source.valueScales = scale;
    source.tokensPerKey = info.stream.getLevels()[i / 2];
    p.sources.push_back(source);
  }
  p.querySymbol = stage.layout.symbol(info.runs.getQueriesDim());
  if (chosen.getList() || chosen.getLevels()) {
    Selection selection;
    if (chosen.getLevels())
      selection.levels = stage.layout.view(chosen.getLevels());
    if (chosen.getList()) {
      selection.list = stage.layout.view(chosen.getList());
      selection.count = stage.layout.view(chosen.getCount());
    }
    selection.unit = chosen.getUnit();
    selection.queries = std::max<int64_t>(1, chosen.getQueryBlock());
    p.selection = selection;
  }
  auto point = [](const ElementContext &c) {
    return MapPoint{c.b, c.head ? c.head : c.h, c.q, c.k, c.outside};
  };
  if (maps.hasMask())
    p.keep = [&maps, point](Emitter &e,
                            const ElementContext &c) -> FailureOr<Value> {
      return maps.keep(e, point(c), Emitter::lanesOf(c.q));
    };
  if (maps.hasScore())
    p.score = [&maps, point](Emitter &e, Value s,
                             const ElementContext &c) -> FailureOr<Value> {
      return maps.score(e, s, point(c), Emitter::lanesOf(c.q));
    };
  if (maps.hasProb())
    p.prob = [&maps, point](Emitter &e, Value weights,
                            const ElementContext &c) -> FailureOr<Value> {
      return maps.prob(e, weights, point(c), Emitter::lanesOf(c.q));
    };
  auto mask = stage.maskFunctions(searching);
  if (failed(mask))
    return failure();
  p.bounds = mask->bounds;
  p.classify = mask->classify;
  return p;
}
