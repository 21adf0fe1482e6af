// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The stages that write a KV cache or read what it keeps of its pages: fills
// the builders' parameters from the roles.
#include "codegen/cpu/CacheStages.h"
#include "codegen/cpu/StageLowering.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::cpu;

static const CacheSlots &slotsOf(StageContext &stage) {
  return stage.layout.caches()[stage.layout.cache(stage.info.cache())];
}

/// A segment by its slots: stages that write need no views of it in the IR.
static CacheSource sourceOf(const SegmentSlots &s) {
  auto elem = [&](StringRef name) {
    Type type = llvm::find_if(s.parts, [&](const kv::PartPlan &p) {
                  return p.name == name;
                })->elementType;
    return type.isF16()        ? Elem::F16
           : type.isBF16()     ? Elem::BF16
           : type.isInteger(8) ? Elem::I8
                               : Elem::F32;
  };
  CacheSource source;
  source.k = s.part("k");
  source.v = s.part("v");
  source.kScale = s.part("k.scale");
  source.vScale = s.part("v.scale");
  source.kElem = elem("k");
  source.vElem = elem("v");
  source.pages = s.pages();
  source.ranges = s.ranges();
  source.pageTokens = s.plan.pageTokens;
  source.ring = s.plan.ring;
  return source;
}

template <typename Params>
static Params paramsOf(StageContext &stage) {
  Params p;
  p.name = stage.symbol;
  p.isa = stage.isa();
  return p;
}

static FailureOr<uint64_t> lowerAppend(StageContext &stage) {
  auto op = cast<tile::AppendOp>(stage.info.op);
  auto type = cast<kv::CacheType>(op.getCache().getType());
  auto p = paramsOf<AppendParams>(stage);
  p.heads = type.getHeads();
  p.keyDim = type.getKeyDim();
  p.valueDim = type.getValueDim();
  p.k = StageContext::elemOf(op.getKeys());
  p.v = StageContext::elemOf(op.getValues());
  p.kSlot = stage.layout.view(op.getKeys());
  p.vSlot = stage.layout.view(op.getValues());
  p.ragged = isRagged(op.getKeys());
  p.target = sourceOf(slotsOf(stage).segments.back());
  return stage.builders.append(stage.module, p).scratchBytes;
}

static KeptPart keptPart(const SegmentSlots &segment, StringRef name,
                         kv::KeptKind kind) {
  return {kind == kv::KeptKind::minmax ? KeptPart::MinMax : KeptPart::Mean,
          static_cast<unsigned>(segment.part(name))};
}

/// The segment that something is kept of.
static const SegmentSlots &keptSegment(const CacheSlots &slots) {
  return *llvm::find_if(slots.segments, [](const SegmentSlots &s) {
    return !s.plan.kept.empty();
  });
}

static FailureOr<uint64_t> lowerRefresh(StageContext &stage) {
  auto type = cast<kv::CacheType>(stage.info.cache().getType());
  const SegmentSlots &segment = keptSegment(slotsOf(stage));
  auto p = paramsOf<PagesParams>(stage);
  p.heads = type.getHeads();
  p.keyDim = type.getKeyDim();
  p.source = sourceOf(segment);
  for (const kv::CacheKept &kept : segment.plan.kept)
    p.parts.push_back(keptPart(segment, kept.name.getValue(), kept.kind));
  return stage.builders.pages(stage.module, p).scratchBytes;
}

static FailureOr<uint64_t> lowerMoves(StageContext &stage) {
  auto type = cast<kv::CacheType>(stage.info.cache().getType());
  auto p = paramsOf<MovesParams>(stage);
  p.heads = type.getHeads();
  p.keyDim = type.getKeyDim();
  p.valueDim = type.getValueDim();
  for (const SegmentSlots &segment : slotsOf(stage).segments)
    p.segments.push_back(sourceOf(segment));
  return stage.builders.moves(stage.module, p).scratchBytes;
}

static FailureOr<uint64_t> lowerPageScore(StageContext &stage) {
  auto op = cast<tile::PageScoreOp>(stage.info.op);
  auto kept = op.getKept().getDefiningOp<tile::KeptOp>();
  auto segment = op.getRanges().getDefiningOp<tile::SegmentOp>();
  if (!kept || !segment)
    return op.emitOpError("expected what a cache keeps and the ranges of its "
                          "segment");
  auto p = paramsOf<KeptScoreParams>(stage);
  p.rows = stage.info.stage.getSchedule().getRows();
  p.dim = op.getQuery().getType().getShape().back();
  p.kvGroup = stage.info.stage.getRows().getKvGroup();
  p.q = StageContext::elemOf(op.getQuery());
  p.scale = static_cast<float>(op.getScale().convertToDouble());
  p.ragged = isRagged(op.getQuery());
  p.qSlot = stage.layout.view(op.getQuery());
  p.scoreSlot = stage.layout.view(op.getScores());
  p.kept.kind =
      op.getKept().getType().getRank() == 4 ? KeptPart::MinMax : KeptPart::Mean;
  p.kept.slot = stage.layout.view(op.getKept());
  p.source = stage.cacheSource(segment);
  return stage.builders.keptScore(stage.module, p).scratchBytes;
}

FailureOr<uint64_t> cpu::lowerCache(StageContext &stage) {
  switch (stage.info.role) {
  case StageRole::Append:
    return lowerAppend(stage);
  case StageRole::Refresh:
    return lowerRefresh(stage);
  case StageRole::Moves:
    return lowerMoves(stage);
  case StageRole::PageScore:
    return lowerPageScore(stage);
  default:
    return stage.info.stage.emitOpError("expected a stage of a cache");
  }
}
