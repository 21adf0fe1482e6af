// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reading the stages beside attention.
#include "tools/fovea/StageFacts.h"

#include "dialects/kv/KV.h"

using namespace mlir;

namespace fovea::cli {

static int64_t bytesOf(Type type) {
  return type.isIndex() ? 8 : (type.getIntOrFloatBitWidth() + 7) / 8;
}

static std::string argumentName(Value value) {
  auto arg = dyn_cast_or_null<BlockArgument>(value);
  if (!arg)
    return "";
  auto program = cast<tile::ProgramOp>(arg.getOwner()->getParentOp());
  auto name =
      program.getArgAttrOfType<StringAttr>(arg.getArgNumber(), tile::kNameAttr);
  return name ? name.str() : "";
}

static ViewFacts viewFacts(Value view) {
  ViewFacts facts;
  auto type = cast<tile::ViewType>(view.getType());
  // Rows of codes have an f32 scale each.
  facts.elementBytes = type.getFormat() ? 1 : bytesOf(type.getElementType());
  facts.rowBytes = type.getFormat() ? 4 : 0;
  facts.argument = argumentName(view);
  if (auto buffer = view.getDefiningOp<tile::BufferOp>())
    for (Attribute attr : buffer.getExtents()) {
      auto e = cast<tile::ExtentAttr>(attr);
      facts.extents.push_back(
          {e.getBase().str(), e.getMul(), e.getAdd(), e.getDiv()});
    }
  return facts;
}

/// The segment of a cache that has pages with metadata.
static void readSegment(kv::CacheType cache, StageFacts &facts) {
  kv::SegmentPlan plan = cache.getSegmentPlans()[cache.getPagedSegment()];
  facts.segment = plan.name;
  facts.pageTokens = plan.pageTokens;
  facts.keyDim = plan.keyDim;
  facts.heads = plan.heads;
  for (const kv::PartPlan &part : plan.getParts()) {
    if (part.name == "k")
      facts.keyBytes += plan.keyDim * bytesOf(part.elementType);
    else if (part.name == "k.scale")
      facts.keyBytes += bytesOf(part.elementType);
  }
}

static void noteKept(kv::KeptKind kind, StageFacts &facts) {
  ++(kind == kv::KeptKind::minmax ? facts.bounds : facts.means);
}

StageFacts stageFacts(StageInfo &info) {
  StageFacts facts;
  facts.role = info.role;
  facts.kvGroup = info.stage.getRows().getKvGroup();
  switch (info.role) {
  case StageRole::Pool:
    facts.unit = info.pool.getGroup();
    facts.lengths = argumentName(info.pool.getLengths());
    [[fallthrough]];
  case StageRole::Encode:
    facts.in = viewFacts(info.load.getView());
    facts.out = viewFacts(info.store.getView());
    break;
  case StageRole::Score:
    facts.in = viewFacts(info.query.getView());
    facts.keys = viewFacts(info.stream.getSources()[0]);
    facts.out = viewFacts(info.output.o);
    facts.unit = info.keyPool.getGroup();
    facts.queryBlock = info.queryPool.getGroup();
    break;
  case StageRole::Normalize: {
    auto op = cast<tile::NormalizeOp>(info.op);
    facts.in = viewFacts(op.getScores());
    facts.out = viewFacts(op.getResult());
    break;
  }
  case StageRole::Choose: {
    auto op = cast<tile::ChooseOp>(info.op);
    facts.in = viewFacts(op.getScores());
    facts.out = viewFacts(op.getList());
    if (!op.getByMass()) {
      if (op.getTopK())
        facts.topK = *op.getTopK();
      facts.amount = argumentName(op.getAmount());
    }
    break;
  }
  case StageRole::Assign: {
    auto op = cast<tile::AssignOp>(info.op);
    facts.in = viewFacts(op.getScores());
    facts.out = viewFacts(op.getLevelsView());
    break;
  }
  case StageRole::PageScore: {
    auto op = cast<tile::PageScoreOp>(info.op);
    facts.in = viewFacts(op.getQuery());
    facts.out = viewFacts(op.getScores());
    auto kept = op.getKept().getDefiningOp<tile::KeptOp>();
    auto cache = cast<kv::CacheType>(kept.getCache().getType());
    facts.cache = argumentName(kept.getCache());
    readSegment(cache, facts);
    noteKept(cache.findKept(kept.getName())->kind, facts);
    break;
  }
  case StageRole::Refresh: {
    auto cache = cast<kv::CacheType>(info.cache().getType());
    facts.cache = argumentName(info.cache());
    readSegment(cache, facts);
    for (const kv::CacheKept &kept :
         cache.getSegmentPlans()[cache.getPagedSegment()].kept)
      noteKept(kept.kind, facts);
    break;
  }
  case StageRole::Append: {
    auto op = cast<tile::AppendOp>(info.op);
    facts.in = viewFacts(op.getKeys());
    facts.keys = viewFacts(op.getValues());
    facts.cache = argumentName(op.getCache());
    break;
  }
  case StageRole::Attend:
  case StageRole::Combine:
  case StageRole::Merge:
  case StageRole::Moves:
    break;
  }
  return facts;
}

} // namespace fovea::cli
