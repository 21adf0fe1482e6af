// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dispatch by role, and what the roles share: storage codes, slots, masks.
#include "codegen/cpu/StageLowering.h"

#include "codegen/abi/MaskLink.h"

#include "dialects/kv/KV.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::cpu;

Elem StageContext::elemOf(Value view) {
  auto type = cast<tile::ViewType>(view.getType());
  Type elem = type.getElementType();
  if (auto format = dyn_cast_or_null<kv::FormatAttrInterface>(type.getFormat()))
    elem = format.getCodeType();
  if (elem.isF16())
    return Elem::F16;
  if (elem.isBF16())
    return Elem::BF16;
  if (elem.isInteger(8))
    return Elem::I8;
  return Elem::F32;
}

int StageContext::scaleSlot(Value view) const {
  bool coded = cast<tile::ViewType>(view.getType()).getFormat() != nullptr;
  return coded ? int(layout.scales(view)) : -1;
}

int StageContext::slotOr(Value view) const {
  return view ? int(layout.view(view)) : -1;
}

CacheSource StageContext::cacheSource(tile::SegmentOp segment) const {
  kv::SegmentPlan plan = segment.getPlan();
  const SegmentSlots &slots = layout.caches()[layout.cache(segment.getCache())]
                                  .segments[segment.getIndex()];
  CacheSource source;
  source.k = layout.view(segment.getKeys());
  source.v = layout.view(segment.getValues());
  source.kScale = slots.part("k.scale");
  source.vScale = slots.part("v.scale");
  source.kElem = elemOf(segment.getKeys());
  source.vElem = elemOf(segment.getValues());
  source.pages = slots.pages();
  source.ranges = slots.ranges();
  source.pageTokens = plan.pageTokens;
  source.ring = plan.ring;
  return source;
}

std::vector<CacheSource> StageContext::cacheSources() {
  std::vector<CacheSource> sources;
  for (StreamPart &part : info.streams) {
    if (!part.segment)
      continue;
    sources.push_back(cacheSource(part.segment));
    sources.back().listed = bool(part.runs.getList());
  }
  return sources;
}

RopeParams StageContext::rope() {
  RopeParams params;
  tile::RotateOp rotate = info.queryRotation;
  if (!rotate)
    return params;
  params.rule = rotate.getPosition() == tile::Position::Slot
                    ? RopeParams::Slot
                    : RopeParams::Before;
  params.halves = rotate.getPairs() == tile::Pairs::Halves;
  params.table = layout.view(rotate.getTable());
  params.tree = slotOr(rotate.getTree());
  return params;
}

FailureOr<StageContext::MaskFunctions>
StageContext::maskFunctions(bool searching) {
  MaskFunctions result;
  tile::RunsOp runs = info.runs;
  if (!runs || !runs.getMask())
    return result;
  auto link = [&](StringRef suffix) {
    return cabi::linkMaskFunction(module, runs, suffix, layout);
  };
  FailureOr<func::FuncOp> bounds = link("_bounds");
  StringRef kind = info.maskGivesLevels() ? "_levels" : "_class";
  auto from = runs->getParentOfType<ModuleOp>();
  if (!searching && from.lookupSymbol((*runs.getMask() + "_tile").str()))
    kind = "_tile";
  FailureOr<func::FuncOp> classify = link(kind);
  if (failed(bounds) || failed(classify))
    return failure();
  bounds->setPrivate();
  classify->setPrivate();
  result.bounds = *bounds;
  result.classify = *classify;
  return result;
}

static LogicalResult
lowerUnit(tile::ProgramOp program, tile::StageOp stage,
          const ProgramLayout &layout, const TargetInfo &target,
          std::vector<StageUnit> &units,
          llvm::function_ref<FailureOr<uint64_t>(StageContext &)> lower) {
  FailureOr<StageInfo> info = analyzeStage(stage);
  if (failed(info))
    return failure();
  StageUnit unit;
  unit.kernel = program.getSymName().str();
  unit.stage = stage.getSymName().str();
  unit.symbol = unit.kernel + "." + unit.stage;
  unit.module = ModuleOp::create(stage.getLoc(), unit.symbol);
  StageContext context{*info, layout, target, unit.symbol, *unit.module};
  FailureOr<uint64_t> scratch = lower(context);
  if (failed(scratch))
    return failure();
  unit.scratchBytes = *scratch;
  units.push_back(std::move(unit));
  return success();
}

LogicalResult cpu::forEachStage(
    ModuleOp module, const TargetInfo &target, std::vector<StageUnit> &units,
    llvm::function_ref<FailureOr<uint64_t>(StageContext &)> lower) {
  for (auto program : module.getOps<tile::ProgramOp>()) {
    ProgramLayout layout(program);
    for (auto stage : program.getBody().front().getOps<tile::StageOp>())
      if (failed(lowerUnit(program, stage, layout, target, units, lower)))
        return failure();
  }
  return success();
}

FailureOr<uint64_t> cpu::lowerStage(StageContext &stage) {
  switch (stage.info.role) {
  case StageRole::Attend:
    return lowerAttend(stage);
  case StageRole::Score:
    return lowerScore(stage);
  case StageRole::Combine:
    return lowerCombine(stage);
  case StageRole::Merge:
    return lowerMerge(stage);
  case StageRole::PageScore:
  case StageRole::Append:
  case StageRole::Refresh:
  case StageRole::Moves:
    return lowerCache(stage);
  case StageRole::Pool:
  case StageRole::Encode:
  case StageRole::Normalize:
  case StageRole::Choose:
  case StageRole::Assign:
    return lowerGrid(stage);
  }
  llvm_unreachable("covered switch");
}
