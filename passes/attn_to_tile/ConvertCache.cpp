// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Cache arguments -> views of their segments, and the stages that write a
// cache: append, what is kept of pages, moves between segments. What the kernel
// does not do itself the cache manager does, with service stages.
#include "passes/attn_to_tile/ProgramBuilder.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

/// Rows that one item appends.
static constexpr int64_t kAppendRows = 16;

SegmentOp CacheViews::largest() {
  for (SegmentOp segment : segments) {
    kv::SegmentKind kind = segment.getPlan().kind;
    if (kind == kv::SegmentKind::all || kind == kv::SegmentKind::older)
      return segment;
  }
  // Without them: the window, or new rows behind sinks.
  return segments[segments.size() > 1 ? segments.size() - 2 : 0];
}

void ProgramBuilder::mapCache(BlockArgument argument, Value cache) {
  CacheViews entry;
  entry.type = cast<kv::CacheType>(cache.getType());
  entry.cache = cache;
  // Caches may have different lengths.
  auto name =
      kernel.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "attn.name");
  entry.tokens =
      caches.empty()
          ? b.getStringAttr("sk")
          : b.getStringAttr("sk_" +
                            (name ? name.getValue().str()
                                  : std::to_string(argument.getArgNumber())));
  Location loc = argument.getLoc();
  for (auto [i, plan] : llvm::enumerate(entry.type.getSegmentPlans())) {
    SmallVector<ViewType> types = segmentViews(b.getContext(), plan);
    entry.segments.push_back(
        b.create<SegmentOp>(loc, types[0], types[1], types[2], types[3], cache,
                            b.getI64IntegerAttr(static_cast<int64_t>(i))));
    for (Value view :
         {entry.segments.back().getKeys(), entry.segments.back().getValues()})
      setTokens(view, entry.tokens);
  }
  caches.insert({argument, std::move(entry)});
}

CacheViews &ProgramBuilder::cache(Value value) {
  while (auto append = value.getDefiningOp<kv::AppendOp>())
    value = append.getCache();
  return caches.find(value)->second;
}

ExtentAttr ProgramBuilder::batch(Value rows) {
  StringRef name = "b";
  auto arg = dyn_cast_if_present<BlockArgument>(rows);
  if (arg && cast<ViewType>(rows.getType()).getRank() == 4)
    if (auto dims =
            program.getArgAttrOfType<StringAttr>(arg.getArgNumber(), kDimsAttr))
      name = dims.getValue().split(' ').first;
  return ExtentAttr::get(b.getContext(), name, 1, 0, 1, "");
}

StageOp ProgramBuilder::cacheStage(StringRef name, Space space, int64_t rows,
                                   const CacheViews &cache, bool service) {
  std::string launch = launchName(name);
  auto schedule = ScheduleAttr::get(b.getContext(), name, /*lanes=*/0,
                                    /*reg=*/1, /*keys=*/1, rows,
                                    /*maxRows=*/-1, /*prefetch=*/0);
  kv::CacheType type = cache.type;
  return openStage(cache.cache.getLoc(), launch, launch, space,
                   plainRows(type.getHeads()), schedule, nullptr, {}, service);
}

void ProgramBuilder::emitAppend(const CacheViews &cache, Value keys,
                                Value values, bool service) {
  cacheStage("append", Space::Append, kAppendRows, cache, service);
  b.create<AppendOp>(cache.cache.getLoc(), keys, values, cache.cache);
  closeStage();
}

void ProgramBuilder::emitRefresh(const CacheViews &cache, bool service) {
  cacheStage("pages", Space::Pages, 1, cache, service);
  b.create<RefreshOp>(cache.cache.getLoc(), cache.cache);
  closeStage();
}

LogicalResult ProgramBuilder::appendStage(kv::AppendOp op) {
  CacheViews &entry = cache(op.getCache());
  for (Value v : {op.getKey(), op.getValue()})
    if (!isa<BlockArgument>(v))
      return op.emitOpError("expected what is appended to be an argument of "
                            "the kernel");
  entry.appends = true;
  emitAppend(entry, view(op.getKey()), view(op.getValue()),
             /*service=*/false);
  // New rows in their final page change what is kept of it.
  if (!entry.type.getKept().empty() && !entry.type.hasNewSegment()) {
    entry.refreshed = true;
    emitRefresh(entry, /*service=*/false);
  }
  return success();
}

void ProgramBuilder::serviceStages() {
  for (auto &[argument, entry] : caches) {
    Location loc = argument.getLoc();
    if (!entry.appends) {
      auto rows = [&](int64_t dim) {
        return ViewType::get(b.getContext(),
                             {ShapedType::kDynamic, entry.type.getHeads(), dim},
                             entry.type.getNewType(), {});
      };
      auto inputs =
          b.create<InputsOp>(loc, rows(entry.type.getKeyDim()),
                             rows(entry.type.getValueDim()), entry.cache);
      emitAppend(entry, inputs.getKeys(), inputs.getValues(),
                 /*service=*/true);
    }
    if (!entry.type.getKept().empty() && !entry.refreshed)
      emitRefresh(entry, /*service=*/true);
    if (!entry.type.hasNewSegment())
      continue;
    cacheStage("moves", Space::Moves, 1, entry, /*service=*/true);
    b.create<MovesOp>(loc, entry.cache);
    closeStage();
  }
}
