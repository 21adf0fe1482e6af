// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Slots and symbols of a program, in textual order.
#include "codegen/abi/ProgramLayout.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

void ProgramLayout::addSymbol(StringRef name) {
  if (symbol(name) < 0)
    names.push_back(name.str());
}

void ProgramLayout::addView(Value v) {
  views[v] = nViews;
  nViews += cast<ViewType>(v.getType()).getFormat() ? 2 : 1;
}

int SegmentSlots::part(StringRef name) const {
  for (auto [i, p] : llvm::enumerate(parts))
    if (p.name == name)
      return first + i;
  return -1;
}

int32_t ProgramLayout::cache(Value v) const {
  for (auto [i, c] : llvm::enumerate(cacheSlots))
    if (c.cache == v)
      return i;
  return -1;
}

void ProgramLayout::addCache(BlockArgument cache) {
  CacheSlots slots{cache, {}};
  for (kv::SegmentPlan &plan :
       cast<kv::CacheType>(cache.getType()).getSegmentPlans()) {
    auto parts = plan.getParts();
    unsigned first = nViews;
    nViews += parts.size() + 2;
    slots.segments.push_back({std::move(plan), std::move(parts), first});
  }
  cacheSlots.push_back(std::move(slots));
}

/// Views of a cache stand for the slots of its argument.
void ProgramLayout::mapCacheViews(Block &body) {
  for (SegmentOp op : body.getOps<SegmentOp>()) {
    const SegmentSlots &s =
        cacheSlots[cache(op.getCache())].segments[op.getIndex()];
    views[op.getKeys()] = s.part("k");
    views[op.getValues()] = s.part("v");
    views[op.getPages()] = s.pages();
    views[op.getRanges()] = s.ranges();
  }
  for (KeptOp op : body.getOps<KeptOp>())
    for (const SegmentSlots &s : cacheSlots[cache(op.getCache())].segments)
      if (int slot = s.part(op.getName()); slot >= 0)
        views[op.getView()] = slot;
  for (InputsOp op : body.getOps<InputsOp>()) {
    addView(op.getKeys());
    addView(op.getValues());
  }
}

int32_t ProgramLayout::symbol(StringRef name) const {
  auto it = llvm::find(names, name);
  return it == names.end() ? -1 : it - names.begin();
}

ProgramLayout::ProgramLayout(ProgramOp program) {
  Block &body = program.getBody().front();
  for (BlockArgument arg : body.getArguments()) {
    if (isa<kv::CacheType>(arg.getType())) {
      addCache(arg);
      continue;
    }
    auto type = dyn_cast<ViewType>(arg.getType());
    if (!type) {
      scalars[arg] = nScalars++;
      continue;
    }
    addView(arg);
    auto dims =
        program.getArgAttrOfType<StringAttr>(arg.getArgNumber(), kDimsAttr);
    if (!dims)
      continue;
    SmallVector<StringRef> dimNames;
    llvm::SplitString(dims.getValue(), dimNames);
    for (auto [name, size] : llvm::zip(dimNames, type.getShape()))
      if (ShapedType::isDynamic(size))
        addSymbol(name);
  }
  mapCacheViews(body);
  for (TableOp table : body.getOps<TableOp>())
    addView(table.getView());
  for (BufferOp buffer : body.getOps<BufferOp>())
    addView(buffer.getView());
  // The sequences of a batch, which no argument may count.
  for (StageOp stage : body.getOps<StageOp>()) {
    if (!stage.getGrid())
      continue;
    for (auto extent : stage.getGrid()->getAsRange<ExtentAttr>())
      if (!extent.getBase().empty() && extent.getLaunch().empty())
        addSymbol(extent.getBase());
  }
  program.walk([&](RunsOp runs) {
    addSymbol(runs.getQueriesDim());
    addSymbol(runs.getKeysDim());
  });
  program.walk([&](PageScoreOp op) {
    addSymbol(op.getQueriesDim());
    addSymbol(op.getKeysDim());
  });
  auto addDims = [&](auto op) {
    addSymbol(op.getQueriesDim());
    if (op.getKeysDim())
      addSymbol(*op.getKeysDim());
  };
  program.walk([&](NormalizeOp op) { addDims(op); });
  program.walk([&](ChooseOp op) { addDims(op); });
  program.walk([&](AssignOp op) { addSymbol(op.getQueriesDim()); });
}
