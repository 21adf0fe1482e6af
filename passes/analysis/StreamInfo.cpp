// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads the roles of a stage and verifies the normal form of its stream.
#include "passes/analysis/StreamInfo.h"

#include "mlir/IR/OperationSupport.h"
#include "llvm/ADT/TypeSwitch.h"

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
  auto sink = only<SinkOp>(block);
  if (failed(save) || failed(finish) || failed(unpack) || failed(sink))
    return failure();
  out.sink = *sink;
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
  Value state = out.finish ? out.finish.getState() : out.unpack.getState();
  if (out.sink && (out.sink.getResult() != state ||
                   (out.save && out.save.getState() != out.sink.getState())))
    return out.sink.emitOpError(
        "expected it between the whole state and its finish or unpack");
  if (out.save && info.inShares())
    return out.save.emitOpError("expected an item that walks its keys twice "
                                "not to be split");
  return success();
}

/// Follows the operands of a part's dot back to the stream's key tile and the
/// query's load, through a pool or a rotation.
static LogicalResult readDot(StreamPart &part, StageInfo &info) {
  Block &body = part.stream.getBody().front();
  auto dot = only<DotOp>(body);
  if (failed(dot))
    return failure();
  part.dot = *dot;
  if (!part.dot)
    return part.stream.emitOpError(
        "expected the normal form dot -> map* -> attend | store, got no dot");
  Value keys = part.dot.getKeys(), rows = part.dot.getRows();
  if (auto pool = keys.getDefiningOp<PoolOp>()) {
    part.keyPool = pool;
    keys = pool.getRows();
  } else if (auto rotate = keys.getDefiningOp<RotateOp>()) {
    part.keyRotation = rotate;
    keys = rotate.getRows();
    if (rotate.getBlock() != body.getArgument(0))
      return rotate.emitOpError("expected it to be at the block of the stream");
  }
  if (auto pool = rows.getDefiningOp<PoolOp>()) {
    info.queryPool = pool;
    rows = pool.getRows();
  } else if (auto rotate = rows.getDefiningOp<RotateOp>()) {
    info.queryRotation = rotate;
    rows = rotate.getRows();
  }
  if (keys != body.getArgument(1))
    return part.dot.emitOpError(
        "expected its keys to be the key tile of the stream");
  info.query = rows.getDefiningOp<LoadOp>();
  if (!info.query)
    return part.dot.emitOpError("expected its rows to be a tile.load");
  RotateOp q = info.queryRotation, k = part.keyRotation;
  if (bool(q) != bool(k) ||
      (q && (q.getTable() != k.getTable() || q.getPairs() != k.getPairs() ||
             q.getPosition() != k.getPosition() || q.getTree() != k.getTree())))
    return part.dot.emitOpError(
        "expected its rows and keys to be rotated alike");
  return success();
}

/// Follows the scores from the dot through the maps; returns the last value.
static FailureOr<Value> readMaps(StreamPart &part) {
  Value scores = part.dot.getScores();
  while (true) {
    MapOp map;
    for (Operation *user : scores.getUsers())
      if ((map = dyn_cast<MapOp>(user)))
        break;
    if (!map)
      return scores;
    if (map.getBlock() != part.stream.getBody().front().getArgument(0))
      return map.emitOpError("expected it to be at the block of the stream");
    if (part.mask)
      return map.emitOpError("expected the mask to be the last map");
    auto yield = cast<YieldOp>(map.getBody().front().getTerminator());
    bool isMask = !yield.getOperand(0).getType().isF32();
    if (isMask != (map.getOn() == On::Partial))
      return map.emitOpError("expected a mask to be on(partial) and a score "
                             "modifier on(all), got on(")
             << stringifyOn(map.getOn()) << ")";
    if (isMask)
      part.mask = map;
    else
      part.scoreMaps.push_back(map);
    scores = map.getResult();
  }
}

/// Whether two maps compute the same.
static bool sameMap(MapOp a, MapOp b) {
  if (bool(a) != bool(b))
    return false;
  return !a ||
         OperationEquivalence::isRegionEquivalentTo(
             &a.getBody(), &b.getBody(), OperationEquivalence::IgnoreLocations);
}

/// Whether two steps change probabilities in the same way.
static bool sameProb(AttendOp a, AttendOp b) {
  return (!a && !b) || (a && b && a.getProb() == b.getProb() &&
                        OperationEquivalence::isRegionEquivalentTo(
                            &a.getBody(), &b.getBody(),
                            OperationEquivalence::IgnoreLocations));
}

/// A back end builds the code of a chain once: its parts may differ only in
/// where the keys lie.
static LogicalResult verifyAlike(StreamPart &first, StreamPart &part) {
  bool same = sameMap(first.mask, part.mask) &&
              sameProb(first.attend, part.attend) &&
              first.scoreMaps.size() == part.scoreMaps.size() &&
              first.dot.getScale() == part.dot.getScale() &&
              first.dot.getRows() == part.dot.getRows() &&
              first.stream.getKeys() == part.stream.getKeys() &&
              bool(first.keyRotation) == bool(part.keyRotation) &&
              first.runs.getMaskAttr() == part.runs.getMaskAttr() &&
              first.runs.getOperands_() == part.runs.getOperands_();
  for (size_t i = 0; same && i < first.scoreMaps.size(); ++i)
    same = sameMap(first.scoreMaps[i], part.scoreMaps[i]);
  if (same)
    return success();
  return part.stream.emitOpError(
      "expected the streams of a chain to have the same dot, maps and mask");
}

/// A stream over a segment reads its pages, and its runs its ranges.
static LogicalResult readSegment(StreamPart &part) {
  Value pages = part.stream.getPages(), ranges = part.runs.getSegment();
  if (!pages && !ranges)
    return success();
  SegmentOp segment = pages ? pages.getDefiningOp<SegmentOp>() : SegmentOp();
  auto sources = part.stream.getSources();
  if (!segment || pages != segment.getPages() ||
      ranges != segment.getRanges() || sources.empty() ||
      sources[0] != segment.getKeys() || sources.size() > 2 ||
      (sources.size() == 2 && sources[1] != segment.getValues()))
    return part.stream.emitOpError("expected sources, pages and the ranges of "
                                   "its runs to be those of one segment");
  part.segment = segment;
  return success();
}

static LogicalResult readStream(StreamPart &part, StageInfo &info) {
  part.runs = part.stream.getRuns().getDefiningOp<RunsOp>();
  if (!part.runs)
    return part.stream.emitOpError("expected its runs to be a tile.runs");
  if (failed(readSegment(part)) || failed(readDot(part, info)))
    return failure();
  FailureOr<Value> scores = readMaps(part);
  if (failed(scores))
    return failure();
  Block &body = part.stream.getBody().front();
  auto attend = only<AttendOp>(body);
  if (failed(attend))
    return failure();
  part.attend = *attend;
  if (!part.attend) {
    if (!storedTo(*scores))
      return part.stream.emitOpError("expected the normal form dot -> map* -> "
                                     "attend | store, got neither attend nor "
                                     "store");
    info.role = StageRole::Score;
    info.output.o = storedTo(*scores);
    return success();
  }
  info.role = StageRole::Attend;
  if (part.attend.getScores() != *scores)
    return part.attend.emitOpError("expected the scores of the last map");
  if (body.getNumArguments() != 4 ||
      part.attend.getValues() != body.getArgument(2) ||
      part.attend.getState() != body.getArgument(3) ||
      cast<YieldOp>(body.getTerminator()).getOperand(0) !=
          part.attend.getResult())
    return part.attend.emitOpError(
        "expected it to carry the stream's state and read its value tile");
  return success();
}

/// The streams of a stage: one, or a chain over the segments of a cache.
static LogicalResult readStreams(StageInfo &info) {
  Block &block = info.stage.getBody().front();
  for (StreamOp stream : block.getOps<StreamOp>()) {
    StreamPart part;
    part.stream = stream;
    if (failed(readStream(part, info)))
      return failure();
    if (!info.streams.empty()) {
      StreamPart &before = info.streams.back();
      if (!part.segment || !before.segment || !part.attend || !before.attend)
        return stream.emitOpError("expected one per stage, got a second");
      if (part.segment.getCache() != before.segment.getCache() ||
          part.segment.getIndex() <= before.segment.getIndex())
        return stream.emitOpError(
            "expected a chain over the segments of one cache, in order");
      if (stream.getInits()[0] != before.stream.getResult(0))
        return stream.emitOpError(
            "expected it to start from the state of the stream before");
      if (failed(verifyAlike(info.streams.front(), part)))
        return failure();
    }
    info.streams.push_back(part);
  }
  static_cast<StreamPart &>(info) = info.streams.front();
  return info.role == StageRole::Attend ? readOutput(block, info) : success();
}

/// The cache that the ranges of a segment belong to; null for null.
static Value cacheOf(Value ranges) {
  auto s = ranges ? ranges.getDefiningOp<SegmentOp>() : SegmentOp();
  return s ? s.getCache() : Value();
}

RunsOp StageInfo::selection() {
  for (StreamPart &part : streams)
    if (part.runs.getList() || part.runs.getLevels())
      return part.runs;
  return runs;
}

bool StreamPart::maskGivesLevels() {
  return mask && cast<YieldOp>(mask.getBody().front().getTerminator())
                     .getOperand(0)
                     .getType()
                     .isInteger(32);
}

bool StageInfo::inShares() {
  return attend && attend.getProb() == Prob::Shares;
}

Value StageInfo::cache() {
  if (segment)
    return segment.getCache();
  if (!op)
    return {};
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<AppendOp, RefreshOp, MovesOp>([](auto o) { return o.getCache(); })
      .Case([](PageScoreOp o) { return cacheOf(o.getRanges()); })
      .Case<NormalizeOp, ChooseOp>(
          [](auto o) { return cacheOf(o.getSegment()); })
      .Default(Value());
}

FailureOr<StageInfo> fovea::analyzeStage(StageOp stage) {
  StageInfo info;
  info.stage = stage;
  Block &body = stage.getBody().front();
  auto restore = only<RestoreOp>(body);
  if (failed(restore))
    return failure();
  if (!body.getOps<StreamOp>().empty()) {
    if (failed(readStreams(info)))
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
    auto role = llvm::TypeSwitch<Operation *, std::optional<StageRole>>(&op)
                    .Case([](NormalizeOp) { return StageRole::Normalize; })
                    .Case([](ChooseOp) { return StageRole::Choose; })
                    .Case([](AssignOp) { return StageRole::Assign; })
                    .Case([](PageScoreOp) { return StageRole::PageScore; })
                    .Case([](AppendOp) { return StageRole::Append; })
                    .Case([](RefreshOp) { return StageRole::Refresh; })
                    .Case([](MovesOp) { return StageRole::Moves; })
                    .Default([](Operation *) { return std::nullopt; });
    if (!role)
      continue;
    info.op = &op;
    info.role = *role;
    return info;
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
                           "assign, page_score, append, refresh, moves");
}
