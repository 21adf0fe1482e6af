// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads the roles of a stage and verifies the normal form of its stream.
#include "passes/analysis/StreamInfo.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

/// The only op of type OpTy in `block`; null if there is none.
template <typename OpTy>
static FailureOr<OpTy> only(Block &block) {
  OpTy found;
  for (OpTy op : block.getOps<OpTy>()) {
    if (found)
      return op.emitOpError("expected one per stage, got a second");
    found = op;
  }
  return found;
}

/// The view that `value` is stored to; null if it is not stored.
static Value storedTo(Value value) {
  for (Operation *user : value.getUsers())
    if (auto store = dyn_cast<StoreOp>(user))
      if (store.getTile() == value)
        return store.getView();
  return {};
}

static LogicalResult readOutput(Block &block, StageInfo &info) {
  StageOutput &out = info.output;
  auto save = only<SaveOp>(block);
  auto finish = only<FinishOp>(block);
  auto unpack = only<UnpackOp>(block);
  if (failed(save) || failed(finish) || failed(unpack))
    return failure();
  out.save = *save;
  out.finish = *finish;
  out.unpack = *unpack;
  if (out.finish) {
    out.o = storedTo(out.finish.getO());
    out.lse = storedTo(out.finish.getLse());
  } else if (out.unpack) {
    out.o = storedTo(out.unpack.getO());
    out.m = storedTo(out.unpack.getM());
    out.l = storedTo(out.unpack.getL());
    if (!out.m || !out.l)
      return out.unpack.emitOpError("expected o, m and l to be stored");
  } else {
    return info.stage.emitOpError(
        "expected the state to be finished or unpacked, got neither");
  }
  if (!out.o)
    return info.stage.emitOpError("expected o to be stored");
  return success();
}

/// Follows the keys of a dot back to the stream's key tile, through a pool.
static LogicalResult readDot(StageInfo &info) {
  Block &body = info.stream.getBody().front();
  auto dot = only<DotOp>(body);
  if (failed(dot))
    return failure();
  info.dot = *dot;
  if (!info.dot)
    return info.stream.emitOpError(
        "expected the normal form dot -> map* -> attend | store, got no dot");
  Value keys = info.dot.getKeys(), rows = info.dot.getRows();
  if (auto pool = keys.getDefiningOp<PoolOp>()) {
    info.keyPool = pool;
    keys = pool.getRows();
  }
  if (auto pool = rows.getDefiningOp<PoolOp>()) {
    info.queryPool = pool;
    rows = pool.getRows();
  }
  if (keys != body.getArgument(1))
    return info.dot.emitOpError(
        "expected its keys to be the key tile of the stream");
  info.query = rows.getDefiningOp<LoadOp>();
  if (!info.query)
    return info.dot.emitOpError("expected its rows to be a tile.load");
  return success();
}

/// Follows the scores from the dot through the maps; returns the last value.
static FailureOr<Value> readMaps(StageInfo &info) {
  Value scores = info.dot.getScores();
  while (true) {
    MapOp map;
    for (Operation *user : scores.getUsers())
      if ((map = dyn_cast<MapOp>(user)))
        break;
    if (!map)
      return scores;
    if (map.getBlock() != info.stream.getBody().front().getArgument(0))
      return map.emitOpError("expected it to be at the block of the stream");
    if (info.mask)
      return map.emitOpError("expected the mask to be the last map");
    auto yield = cast<YieldOp>(map.getBody().front().getTerminator());
    bool isMask = yield.getOperand(0).getType().isInteger(1);
    if (isMask != (map.getOn() == On::Partial))
      return map.emitOpError("expected a mask to be on(partial) and a score "
                             "modifier on(all), got on(")
             << stringifyOn(map.getOn()) << ")";
    if (isMask)
      info.mask = map;
    else
      info.scoreMaps.push_back(map);
    scores = map.getResult();
  }
}

static LogicalResult readStream(StageInfo &info) {
  info.runs = info.stream.getRuns().getDefiningOp<RunsOp>();
  if (!info.runs)
    return info.stream.emitOpError("expected its runs to be a tile.runs");
  if (failed(readDot(info)))
    return failure();
  FailureOr<Value> scores = readMaps(info);
  if (failed(scores))
    return failure();
  Block &body = info.stream.getBody().front();
  auto attend = only<AttendOp>(body);
  if (failed(attend))
    return failure();
  info.attend = *attend;
  Block &stage = info.stage.getBody().front();
  if (!info.attend) {
    if (!storedTo(*scores))
      return info.stream.emitOpError("expected the normal form dot -> map* -> "
                                     "attend | store, got neither attend nor "
                                     "store");
    info.role = StageRole::Score;
    info.output.o = storedTo(*scores);
    return success();
  }
  info.role = StageRole::Attend;
  if (info.attend.getScores() != *scores)
    return info.attend.emitOpError("expected the scores of the last map");
  if (body.getNumArguments() != 4 ||
      info.attend.getValues() != body.getArgument(2) ||
      info.attend.getState() != body.getArgument(3) ||
      cast<YieldOp>(body.getTerminator()).getOperand(0) !=
          info.attend.getResult())
    return info.attend.emitOpError(
        "expected it to carry the stream's state and read its value tile");
  return readOutput(stage, info);
}

FailureOr<StageInfo> fovea::analyzeStage(StageOp stage) {
  StageInfo info;
  info.stage = stage;
  Block &body = stage.getBody().front();
  auto stream = only<StreamOp>(body);
  auto restore = only<RestoreOp>(body);
  if (failed(stream) || failed(restore))
    return failure();
  if (*stream) {
    info.stream = *stream;
    if (failed(readStream(info)))
      return failure();
    return info;
  }
  if (*restore) {
    info.restore = *restore;
    info.role = StageRole::Combine;
    if (failed(readOutput(body, info)))
      return failure();
    return info;
  }
  for (PackOp pack : body.getOps<PackOp>())
    info.parts.push_back(pack);
  if (!info.parts.empty()) {
    info.role = StageRole::Merge;
    if (failed(readOutput(body, info)))
      return failure();
    if (!info.output.finish)
      return stage.emitOpError("expected the merged state to be finished");
    return info;
  }
  for (Operation &op : body) {
    if (isa<NormalizeOp, ChooseOp, AssignOp>(op)) {
      info.op = &op;
      info.role = isa<NormalizeOp>(op) ? StageRole::Normalize
                  : isa<ChooseOp>(op)  ? StageRole::Choose
                                       : StageRole::Assign;
      return info;
    }
  }
  auto load = only<LoadOp>(body);
  auto pool = only<PoolOp>(body);
  auto store = only<StoreOp>(body);
  if (failed(load) || failed(pool) || failed(store))
    return failure();
  info.load = *load;
  info.pool = *pool;
  info.store = *store;
  if (info.load && info.store) {
    Value tile = info.pool ? info.pool.getResult() : info.load.getTile();
    if (info.store.getTile() != tile)
      return info.store.emitOpError("expected it to store what was loaded");
    info.role = info.pool ? StageRole::Pool : StageRole::Encode;
    return info;
  }
  return stage.emitOpError("expected a stream, a combine, or one of load -> "
                           "pool -> store, load -> store, normalize, choose, "
                           "assign");
}
