// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads arguments, buffers, stages and masks of a tile.program.
#include "codegen/jit/ManifestBuilder.h"

#include "passes/analysis/StreamInfo.h"
#include "passes/analysis/TokenOrder.h"

#include "llvm/ADT/StringExtras.h"

#include <limits>

using namespace mlir;
using namespace fovea;
using namespace fovea::tile;

/// The storage code of an element type; tile views hold no other.
static uint32_t dtypeOf(Type type) {
  if (type.isF32())
    return FOVEA_DTYPE_F32;
  if (type.isF16())
    return FOVEA_DTYPE_F16;
  if (type.isBF16())
    return FOVEA_DTYPE_BF16;
  if (type.isF64())
    return FOVEA_DTYPE_F64;
  if (type.isInteger(8))
    return FOVEA_DTYPE_I8;
  if (type.isInteger(32))
    return FOVEA_DTYPE_I32;
  if (type.isInteger(64) || type.isIndex())
    return FOVEA_DTYPE_I64;
  if (type.isInteger(1))
    return FOVEA_DTYPE_BOOL;
  return FOVEA_DTYPE_NONE;
}

namespace {

class ManifestReader {
public:
  ManifestReader(ProgramOp program, const ProgramLayout &layout)
      : program(program), layout(layout) {}

  FailureOr<ProgramManifest> run();

private:
  LogicalResult addArguments();
  void addTensor(BlockArgument arg, StringRef name, ViewType type,
                 ArrayRef<StringRef> dims, bool isResult);
  void addPart(StringRef name, uint32_t dtype, ArrayRef<int64_t> shape,
               ArrayRef<StringRef> dims, unsigned slot, bool isResult);
  void addBuffers();
  LogicalResult addStage(StageOp stage);
  void readStream(StageInfo &info, fovea_bundle_stage &record);
  void readPages(StageInfo &info, fovea_bundle_stage &record);
  void addCaches();
  void addTables();
  void noteCacheStage(StageInfo &info, int32_t index);
  int32_t addMask(RunsOp runs);
  int32_t slotOr(Value view) { return view ? int32_t(layout.view(view)) : -1; }
  fovea_bundle_extent extent(Attribute attr);
  int32_t launchIndex(StringRef launch);

  ProgramOp program;
  const ProgramLayout &layout;
  ProgramManifest out;
  bool hasRows = false; ///< the argument being read has a row per query
  std::vector<CacheManifest> caches; ///< their stages, while these are read
};

} // namespace

void ManifestReader::addPart(StringRef name, uint32_t dtype,
                             ArrayRef<int64_t> shape, ArrayRef<StringRef> dims,
                             unsigned slot, bool isResult) {
  ArgManifest arg;
  arg.name = name.str();
  arg.record.kind = FOVEA_ARG_TENSOR;
  arg.record.dtype = dtype;
  arg.record.rank = shape.size();
  arg.record.slot = slot;
  arg.record.is_result = isResult;
  for (auto [d, size] : llvm::enumerate(shape)) {
    arg.record.shape[d] = ShapedType::isDynamic(size) ? -1 : size;
    // The queries and keys of a stream have a symbol even if they are static,
    // and so have the sequences of a batch; a table for all of them has 1.
    bool counts = (d == 0 && (size != 1 || hasRows)) || d == 2 ||
                  ShapedType::isDynamic(size);
    arg.record.symbol[d] =
        d < dims.size() && counts ? layout.symbol(dims[d]) : -1;
  }
  out.kernel.args.push_back(std::move(arg));
}

void ManifestReader::addTensor(BlockArgument arg, StringRef name, ViewType type,
                               ArrayRef<StringRef> dims, bool isResult) {
  hasRows = llvm::any_of(arg.getUsers(), llvm::IsaPred<LoadOp>);
  if (!type.getFormat()) {
    addPart(name, dtypeOf(type.getElementType()), type.getShape(), dims,
            layout.view(arg), isResult);
    return;
  }
  addPart((name + ".codes").str(), FOVEA_DTYPE_I8, type.getShape(), dims,
          layout.view(arg), isResult);
  addPart((name + ".scale").str(), FOVEA_DTYPE_F32, type.getShape().drop_back(),
          dims, layout.scales(arg), isResult);
}

LogicalResult ManifestReader::addArguments() {
  for (BlockArgument arg : program.getBody().front().getArguments()) {
    unsigned i = arg.getArgNumber();
    StringRef name =
        program.getArgAttrOfType<StringAttr>(i, kNameAttr).getValue();
    bool isResult = program.getArgAttr(i, kResultAttr) != nullptr;
    if (auto type = dyn_cast<ViewType>(arg.getType())) {
      SmallVector<StringRef> dims;
      if (auto text = program.getArgAttrOfType<StringAttr>(i, kDimsAttr))
        llvm::SplitString(text.getValue(), dims);
      for (auto [d, size] : llvm::enumerate(type.getShape()))
        if (ShapedType::isDynamic(size) &&
            (d >= dims.size() || layout.symbol(dims[d]) < 0))
          return program.emitOpError("expected dim ")
                 << d << " of '" << name
                 << "' to be static or a dim of an argument";
      addTensor(arg, name, type, dims, isResult);
      continue;
    }
    if (isa<kv::CacheType>(arg.getType())) {
      ArgManifest cache;
      cache.name = name.str();
      cache.record.kind = FOVEA_ARG_CACHE;
      cache.record.slot = layout.cache(arg);
      out.kernel.args.push_back(std::move(cache));
      continue;
    }
    ArgManifest scalar;
    scalar.name = name.str();
    scalar.record.kind = FOVEA_ARG_SCALAR;
    scalar.record.dtype = dtypeOf(arg.getType());
    scalar.record.slot = layout.scalar(arg);
    out.kernel.args.push_back(std::move(scalar));
  }
  return success();
}

int32_t ManifestReader::launchIndex(StringRef launch) {
  for (auto [i, stage] : llvm::enumerate(out.kernel.stages))
    if (stage.name == launch)
      return i;
  return -1;
}

fovea_bundle_extent ManifestReader::extent(Attribute attr) {
  auto e = cast<ExtentAttr>(attr);
  if (e.getBase().empty())
    return constantExtent(e.getMul());
  if (!e.getLaunch().empty())
    return slotsExtent(launchIndex(e.getLaunch()), e.getMul());
  return symbolExtent(layout.symbol(e.getBase()), e.getMul(), e.getAdd(),
                      e.getDiv());
}

void ManifestReader::addBuffers() {
  for (BufferOp op : program.getBody().front().getOps<BufferOp>()) {
    ViewType type = op.getView().getType();
    BufferManifest codes;
    codes.name = op.getName().str();
    codes.record.dtype = type.getFormat() ? uint32_t(FOVEA_DTYPE_I8)
                                          : dtypeOf(type.getElementType());
    codes.record.rank = type.getRank();
    codes.record.slot = layout.view(op.getView());
    for (auto [d, e] : llvm::enumerate(op.getExtents()))
      codes.record.extent[d] = extent(e);
    if (type.getFormat()) {
      BufferManifest scales = codes;
      scales.name += ".scale";
      scales.record.dtype = FOVEA_DTYPE_F32;
      scales.record.rank -= 1;
      scales.record.slot = layout.scales(op.getView());
      scales.record.extent[scales.record.rank] = {};
      out.kernel.buffers.push_back(std::move(codes));
      out.kernel.buffers.push_back(std::move(scales));
      continue;
    }
    out.kernel.buffers.push_back(std::move(codes));
  }
}

int32_t ManifestReader::addMask(RunsOp runs) {
  if (!runs.getMask())
    return -1;
  std::string prefix = runs.getMask()->str();
  for (auto [i, known] : llvm::enumerate(out.maskPrefixes))
    if (known == prefix)
      return i;
  MaskManifest mask;
  mask.text = runs.getMaskText() ? runs.getMaskText()->str() : prefix;
  mask.record.analysed = 1;
  for (Value operand : runs.getOperands_())
    if (isa<ViewType>(operand.getType()))
      mask.record.reads |= uint64_t(1) << layout.view(operand);
  ArrayRef<int64_t> summaries =
      runs.getSummaries().value_or(ArrayRef<int64_t>());
  for (size_t i = 0; i < summaries.size(); i += 2) {
    Value table = runs.getOperands_()[summaries[i]];
    mask.record.summaries[mask.record.n_summaries++] = {
        layout.view(table), uint32_t(summaries[i + 1])};
  }
  out.kernel.masks.push_back(std::move(mask));
  out.maskPrefixes.push_back(prefix);
  return out.maskPrefixes.size() - 1;
}

/// Whether a map depends on the sequence otherwise than through its keys: rows
/// of several sequences then cannot be packed together.
static bool readsBatch(StageInfo &info) {
  SmallVector<MapOp> maps(info.scoreMaps);
  if (info.mask)
    maps.push_back(info.mask);
  if (info.attend && info.attend.getProb() &&
      !info.attend.getBody().getArgument(kMapBatch).use_empty())
    return true;
  return llvm::any_of(maps, [](MapOp map) {
    return !map.getBody().getArgument(kMapBatch).use_empty();
  });
}

void ManifestReader::readStream(StageInfo &info, fovea_bundle_stage &record) {
  RunsOp runs = info.runs;
  record.mask = addMask(runs);
  record.q_symbol = layout.symbol(runs.getQueriesDim());
  record.k_symbol = layout.symbol(runs.getKeysDim());
  record.offset_slot = slotOr(runs.getOffsets());
  record.length_slot = slotOr(runs.getLengths());
  RunsOp chosen = info.selection(); // of a chain one part has the list
  record.list_slot = slotOr(chosen.getList());
  record.list_unit = chosen.getUnit();
  record.list_queries = chosen.getQueryBlock();
  record.flags |= runs.getTopLeft() ? FOVEA_STAGE_TOP_LEFT : 0;
  // A list's keys are known only on the device, what has levels is not split,
  // and neither are keys that are walked twice; scores are stored where they
  // are computed.
  record.splittable = info.role == StageRole::Attend && !chosen.getList() &&
                      !chosen.getLevels() && !info.inShares() &&
                      !info.maskGivesLevels();
  record.key_dim = cast<CodedType>(info.query.getTile().getType()).getChan();
  if (info.attend)
    record.value_dim = info.attend.getState().getType().getChan();
  if (OrderAttr order = info.stage.getOrderAttr())
    record.order_points = int32_t(orderPoints(order));
  if (readsBatch(info))
    record.flags |= FOVEA_STAGE_READS_B;
  for (Value operand : runs.getOperands_())
    if (auto table = operand.getDefiningOp<TableOp>())
      if (table.getRule() == TableRule::BatchTree)
        record.flags |= FOVEA_STAGE_TREE;
  info.stage->walk([&](RotateOp op) {
    record.rope_table = int32_t(layout.view(op.getTable())) + 1;
  });
  if (info.segment)
    return; // the batch counts sequences, and the stage's grid says so
  // Sequences: the batch dim of the query.
  auto query = cast<ViewType>(info.query.getView().getType());
  if (ShapedType::isDynamic(query.getShape()[0])) {
    auto arg = cast<BlockArgument>(info.query.getView());
    SmallVector<StringRef> dims;
    llvm::SplitString(
        program.getArgAttrOfType<StringAttr>(arg.getArgNumber(), kDimsAttr)
            .getValue(),
        dims);
    record.grid[0] = symbolExtent(layout.symbol(dims[0]));
  } else {
    record.grid[0] = constantExtent(query.getShape()[0]);
  }
}

/// Stages over the pages of a cache: their items are those of a stream.
void ManifestReader::readPages(StageInfo &info, fovea_bundle_stage &record) {
  auto dims = [&](auto op) {
    record.q_symbol = layout.symbol(op.getQueriesDim());
    if (op.getKeysDim())
      record.k_symbol = layout.symbol(*op.getKeysDim());
  };
  if (auto op = dyn_cast<PageScoreOp>(info.op)) {
    record.q_symbol = layout.symbol(op.getQueriesDim());
    record.k_symbol = layout.symbol(op.getKeysDim());
    record.key_dim = op.getQuery().getType().getShape().back();
  } else if (auto op = dyn_cast<NormalizeOp>(info.op)) {
    dims(op);
  } else if (auto op = dyn_cast<ChooseOp>(info.op)) {
    dims(op);
  }
}

/// The stages that write a cache are part of its record.
void ManifestReader::noteCacheStage(StageInfo &info, int32_t index) {
  int32_t cache = layout.cache(info.cache());
  if (cache < 0)
    return;
  fovea_bundle_cache &record = caches[cache].record;
  switch (info.role) {
  case StageRole::Append: {
    auto op = cast<AppendOp>(info.op);
    record.append_stage = index;
    record.key_slot = layout.view(op.getKeys());
    record.value_slot = layout.view(op.getValues());
    return;
  }
  case StageRole::Refresh:
    record.pages_stage = index;
    return;
  case StageRole::Moves:
    record.moves_stage = index;
    return;
  default:
    return;
  }
}

static PartManifest describePart(const kv::PartPlan &plan, unsigned slot) {
  PartManifest part;
  part.name = plan.name;
  part.record.dtype = dtypeOf(plan.elementType);
  part.record.slot = slot;
  part.record.per_page = plan.perPage;
  part.record.rank = plan.shape.size();
  ArrayRef<int64_t> rest =
      ArrayRef<int64_t>(plan.shape).drop_front(plan.perPage ? 2 : 3);
  part.record.extent = part.record.inner = 1;
  for (int64_t dim : rest)
    part.record.extent *= dim;
  if (!rest.empty())
    part.record.inner = rest.back();
  return part;
}

void ManifestReader::addTables() {
  for (TableOp op : program.getBody().front().getOps<TableOp>()) {
    bool tree = op.getRule() == TableRule::BatchTree;
    out.kernel.tables.push_back(
        {static_cast<uint32_t>(op.getRule()), layout.view(op.getView()),
         tree ? -1 : int32_t(layout.view(op.getSource())),
         tree ? layout.cache(op.getSource()) : -1});
  }
}

void ManifestReader::addCaches() {
  for (auto [slots, cache] : llvm::zip(layout.caches(), caches)) {
    auto type = cast<kv::CacheType>(slots.cache.getType());
    unsigned arg = slots.cache.getArgNumber();
    cache.name = program.getArgAttrOfType<StringAttr>(arg, kNameAttr).str();
    llvm::raw_string_ostream(cache.type) << type;
    // A coded argument before it takes two records.
    for (auto [i, record] : llvm::enumerate(out.kernel.args))
      if (record.name == cache.name)
        cache.record.arg = i;
    cache.record.heads = type.getHeads();
    cache.record.key_dim = type.getKeyDim();
    cache.record.value_dim = type.getValueDim();
    cache.record.input_dtype = dtypeOf(type.getNewType());
    cache.record.rope = static_cast<uint32_t>(type.getRope());
    for (const SegmentSlots &s : slots.segments) {
      SegmentManifest segment;
      segment.name = s.plan.name;
      segment.record.kind = static_cast<uint32_t>(s.plan.kind);
      segment.record.token_major = s.plan.tokenMajor;
      segment.record.pages_slot = s.pages();
      segment.record.ranges_slot = s.ranges();
      segment.record.tokens = s.plan.tokens;
      segment.record.page_tokens = s.plan.pageTokens;
      segment.record.ring = s.plan.ring;
      for (auto [i, part] : llvm::enumerate(s.parts))
        segment.parts.push_back(describePart(part, s.first + i));
      cache.segments.push_back(std::move(segment));
    }
    out.kernel.caches.push_back(std::move(cache));
  }
}

static std::string describe(ScheduleAttr s) {
  std::string text;
  llvm::raw_string_ostream(text) << s;
  return text;
}

LogicalResult ManifestReader::addStage(StageOp op) {
  FailureOr<StageInfo> info = analyzeStage(op);
  if (failed(info))
    return failure();
  int32_t index = launchIndex(op.getLaunch());
  if (index < 0) {
    index = out.kernel.stages.size();
    StageManifest stage;
    stage.name = op.getLaunch().str();
    fovea_bundle_stage &record = stage.record;
    record.space = static_cast<uint32_t>(op.getSpace());
    record.grid[0] = record.grid[1] = record.grid[2] = constantExtent(1);
    record.group = op.getRows().getGroup();
    record.kv_group = op.getRows().getKvGroup();
    record.heads = op.getRows().getHeads();
    if (op.getGrid())
      for (auto [d, e] : llvm::enumerate(*op.getGrid()))
        record.grid[d] = extent(e);
    if (op.getOf())
      record.of = launchIndex(*op.getOf());
    record.cache = layout.cache(info->cache());
    if (op.getService())
      record.flags |= FOVEA_STAGE_SERVICE;
    if (info->stream)
      readStream(*info, record);
    if (info->op && op.getSpace() == Space::Stream)
      readPages(*info, record);
    noteCacheStage(*info, index);
    out.kernel.stages.push_back(std::move(stage));
    out.stageSymbols.emplace_back();
  }
  ScheduleAttr schedule = op.getSchedule();
  VariantManifest variant;
  // Streams are called <launch>_<variant>.
  StringRef name = op.getSymName();
  if (!info->stream || !name.consume_front(op.getLaunch()) ||
      !name.consume_front("_"))
    name = schedule.getKind();
  variant.name = name.str();
  variant.schedule = describe(schedule);
  variant.record.rows = schedule.getRows();
  variant.record.keys = schedule.getKeys();
  // Prefill has queries in lanes and asks for a block's class once per panel.
  if (schedule.getKind() == "prefill")
    variant.record.class_rows = schedule.getLanes();
  variant.record.max_rows = schedule.getMaxRows() < 0
                                ? std::numeric_limits<int64_t>::max()
                                : schedule.getMaxRows();
  out.kernel.stages[index].variants.push_back(std::move(variant));
  out.stageSymbols[index].push_back(op.getSymName().str());
  return success();
}

FailureOr<ProgramManifest> ManifestReader::run() {
  out.kernel.name = program.getSymName().str();
  if (layout.viewCount() > FOVEA_ABI_MAX_VIEWS)
    return program.emitOpError("expected at most ")
           << FOVEA_ABI_MAX_VIEWS << " views, got " << layout.viewCount();
  out.kernel.symbols = layout.symbols();
  caches.resize(layout.caches().size());
  if (failed(addArguments()))
    return failure();
  for (StageOp stage : program.getBody().front().getOps<StageOp>())
    if (failed(addStage(stage)))
      return failure();
  addBuffers(); // extents may count the slots of any stage
  addCaches();  // they name stages
  addTables();
  return std::move(out);
}

FailureOr<ProgramManifest> fovea::buildManifest(ProgramOp program,
                                                const ProgramLayout &layout) {
  return ManifestReader(program, layout).run();
}
