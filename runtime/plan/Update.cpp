// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// fovea_plan_create and fovea_plan_update.
#include "runtime/base/Status.h"
#include "runtime/cuda/Plan.h"
#include "runtime/plan/Plan.h"

#include <ctime>
#include <new>
#include <utility>

using namespace fovea::rt;

static double nowMs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) * 1e3 + double(t.tv_nsec) * 1e-6;
}

fovea_status fovea_plan_create(fovea_kernel *kernel,
                               const fovea_plan_limits *given,
                               fovea_plan **out) {
  if (!kernel || !out)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !kernel ? "kernel" : "place for the plan");
  *out = nullptr;
  fovea_plan_limits limits;
  if (fovea_status st =
          readStruct(given, offsetof(fovea_plan_limits, deterministic), limits,
                     "fovea_plan_limits"))
    return st;
  auto *plan = new (std::nothrow) fovea_plan(kernel);
  if (!plan)
    return noMemory("a plan", sizeof(fovea_plan));
  plan->limits = limits;
  fovea_status st = sizePlan(*plan);
  if (!st && kernel->gpu) {
    plan->gpu = new (std::nothrow) GpuPlan(*plan);
    st = plan->gpu ? plan->gpu->create() : noMemory("a plan", sizeof(GpuPlan));
  }
  if (st) {
    plan->release();
    return st;
  }
  plan->limits.dims = nullptr; // the caller's
  *out = plan;
  return FOVEA_OK;
}

void fovea_plan_destroy(fovea_plan *plan) {
  if (plan)
    plan->release();
}

size_t fovea_plan_workspace(const fovea_plan *plan) {
  return plan ? size_t(plan->workspaceBytes) : 0;
}

/// The name of the argument in a view slot.
static const char *slotName(const fovea_kernel &kernel, int32_t slot) {
  for (uint32_t i = 0; i < kernel.args.size(); ++i)
    if (kernel.args[i].kind == FOVEA_ARG_TENSOR &&
        int64_t(kernel.args[i].slot) == slot)
      return kernel.argName(i);
  return "";
}

/// Lengths and offsets of all sequences of a stream phase.
static fovea_status snapshot(fovea_plan &plan, Phase &phase) {
  const fovea_kernel &kernel = *plan.kernel.get();
  const fovea_bundle_stage &s = *phase.stage;
  auto table = [&](int32_t slot) -> const fovea_abi_view * {
    return slot >= 0 ? &plan.planned.views[slot] : nullptr;
  };
  auto nameOf = [&](int32_t slot) { return slotName(kernel, slot); };
  const fovea_abi_view *lengths = table(s.length_slot);
  const fovea_abi_view *offsets = table(s.offset_slot);
  for (auto [view, slot] :
       {std::pair(lengths, s.length_slot), std::pair(offsets, s.offset_slot)})
    if (view && view->shape[0] < phase.batch)
      return fail(FOVEA_INVALID,
                  "argument '%s': expected %lld entries, one per sequence, got "
                  "%lld",
                  nameOf(slot), (long long)phase.batch,
                  (long long)view->shape[0]);
  for (int64_t b = 0; b < phase.batch; ++b) {
    int64_t len = phase.sk;
    if (lengths) {
      len = static_cast<const int32_t *>(lengths->data)[b * lengths->stride[0]];
      if (len < 0 || len > phase.sk)
        return fail(FOVEA_INVALID,
                    "argument '%s': expected lengths between 0 and %lld (the "
                    "number of keys), got %lld at %lld",
                    nameOf(s.length_slot), (long long)phase.sk, (long long)len,
                    (long long)b);
    }
    int64_t off = s.flags & FOVEA_STAGE_TOP_LEFT ? 0 : len - phase.sq;
    if (offsets) {
      off = static_cast<const int32_t *>(offsets->data)[b * offsets->stride[0]];
      int64_t most = FOVEA_ABI_MAX_TOKENS - phase.sq;
      if (off < -phase.sq || off > most)
        return fail(FOVEA_INVALID,
                    "argument '%s': expected query offsets between %lld and "
                    "%lld, got %lld at %lld",
                    nameOf(s.offset_slot), (long long)-phase.sq,
                    (long long)most, (long long)off, (long long)b);
    }
    // order_c4
    if (s.order_points && (len != phase.sq || len < s.order_points))
      return fail(FOVEA_INVALID,
                  "kernel '%s': expected as many queries as keys, at least the "
                  "%d points of the grid of 'order', got %lld and %lld "
                  "[order_c4]",
                  kernel.name(), s.order_points, (long long)phase.sq,
                  (long long)len);
    phase.kLen[b] = len;
    phase.qOff[b] = off;
  }
  return FOVEA_OK;
}

/// The variant of each sequence, by its packed rows.
static fovea_status chooseParts(fovea_plan &plan, Phase &phase, bool packs) {
  const fovea_kernel &kernel = *plan.kernel.get();
  int64_t before = -1;
  int32_t part = 0;
  for (int64_t b = 0; b < phase.batch; ++b) {
    int64_t rows = packs ? phase.packed(b) : phase.queries(b);
    if (rows != before)
      part = partFor(phase, rows);
    before = rows;
    if (part < 0)
      return fail(FOVEA_UNSUPPORTED,
                  "kernel '%s': expected a variant of stage '%s' for %lld "
                  "packed rows, got none that takes them",
                  kernel.name(), kernel.view().string(phase.stage->name),
                  (long long)rows);
    phase.partOf[b] = uint8_t(part);
  }
  phase.shown = part;
  return FOVEA_OK;
}

/// Whether the table of rotations has all positions of keys and queries.
static fovea_status checkPositions(const fovea_plan &plan, const Phase &phase,
                                   const CacheStep &cache) {
  int32_t slot = phase.stage->rope_table - 1;
  int64_t has = plan.planned.views[slot].shape[0];
  const fovea_kernel &kernel = *plan.kernel.get();
  bool bySlot = cache.records.cache->rope == FOVEA_ROPE_SLOT;
  const SegmentTables &last = cache.segments[cache.records.segments.size() - 1];
  for (int64_t b = 0; b < phase.batch; ++b) {
    int64_t end = phase.qOff[b] + phase.queries(b);
    end = end > phase.kLen[b] ? end : phase.kLen[b];
    if (phase.stage->flags & FOVEA_STAGE_TREE)
      if (int64_t deepest = treeEnd(plan, cache, b))
        end = deepest; // rows of a tree share positions
    end -= bySlot ? last.ranges[b].shift : 0;
    if (end > has)
      return fail(FOVEA_INVALID,
                  "argument '%s': expected rotations of the %lld positions of "
                  "sequence number %lld, got a table of %lld",
                  slotName(kernel, slot), (long long)end, (long long)b,
                  (long long)has);
  }
  return FOVEA_OK;
}

/// Lengths, offsets and rows of a stage over a cache.
static fovea_status batchSnapshot(fovea_plan &plan, Phase &phase,
                                  const CacheStep &cache) {
  const fovea_bundle_stage &s = *phase.stage;
  const fovea_kernel &kernel = *plan.kernel.get();
  bool appends = false;
  for (const CacheStep &c : plan.caches)
    appends |= c.appends;
  phase.batch = plan.sequences;
  phase.sq = 0;
  phase.sk = cache.longest;
  phase.rowOff[0] = 0;
  for (int64_t b = 0; b < phase.batch; ++b) {
    int64_t first = plan.batchRows[b], end = plan.batchRows[b + 1];
    int64_t rows = end - first;
    if (!plan.ragged && plan.rowsSymbol >= 0 &&
        rows != plan.symbols[plan.rowsSymbol])
      return fail(
          FOVEA_INVALID,
          "kernel '%s': expected a batch of %lld rows per sequence (dim "
          "'%s'), got %lld at %lld",
          kernel.name(), (long long)plan.symbols[plan.rowsSymbol],
          kernel.symbolName(size_t(plan.rowsSymbol)), (long long)rows,
          (long long)b);
    phase.rowOff[b + 1] = end;
    phase.kLen[b] = cache.length[b];
    phase.qOff[b] = s.flags & FOVEA_STAGE_TOP_LEFT ? 0
                    : plan.batch.pos && rows && !appends
                        ? plan.batch.pos[first]
                        : cache.length[b] - rows;
    phase.sq = rows > phase.sq ? rows : phase.sq;
  }
  return s.space == FOVEA_SPACE_STREAM && s.rope_table
             ? checkPositions(plan, phase, cache)
             : FOVEA_OK;
}

static fovea_status updateStream(fovea_plan &plan, Phase &phase) {
  const fovea_bundle_stage &s = *phase.stage;
  const CacheStep *cache = cacheOf(plan, s);
  Extent batch = plan.extent(s.grid[0]);
  phase.sq = plan.symbols[s.q_symbol];
  phase.sk = plan.symbols[s.k_symbol];
  Extent packed = Extent{phase.sq} * Extent{s.group};
  if (!batch.ok || !packed.ok || packed.value > FOVEA_ABI_MAX_TOKENS ||
      phase.sk > FOVEA_ABI_MAX_TOKENS)
    return fail(FOVEA_UNSUPPORTED,
                "kernel '%s': expected at most %d rows and keys per head, got "
                "%lld and %lld",
                plan.kernel->name(), FOVEA_ABI_MAX_TOKENS,
                (long long)packed.value, (long long)phase.sk);
  if (cache) {
    if (fovea_status st = batchSnapshot(plan, phase, *cache))
      return st;
  } else {
    phase.batch = batch.value;
    for (int64_t b = 0; b <= phase.batch; ++b)
      phase.rowOff[b] = b * phase.sq;
    if (fovea_status st = snapshot(plan, phase))
      return st;
  }
  if (fovea_status st = chooseParts(plan, phase, true))
    return st;
  return planStream(plan, phase);
}

static fovea_status updateAppend(fovea_plan &plan, Phase &phase) {
  const CacheStep &cache = plan.caches[size_t(phase.stage->cache)];
  if (fovea_status st = batchSnapshot(plan, phase, cache))
    return st;
  if (fovea_status st = chooseParts(plan, phase, false))
    return st;
  return planAppend(plan, phase);
}

/// Combine items run the variant for as many rows as their sequence has.
static fovea_status updateCombine(fovea_plan &plan, Phase &phase) {
  const Phase &of = plan.phases[phase.stage->of];
  int64_t before = -1;
  int32_t part = 0;
  for (int64_t i = 0; i < of.nGroups; ++i) {
    int64_t rows = of.packed(of.groups[i].b);
    if (rows != before)
      part = partFor(phase, rows);
    before = rows;
    if (part < 0)
      return fail(FOVEA_UNSUPPORTED,
                  "kernel '%s': expected a variant of stage '%s' for %lld "
                  "packed rows, got none that takes them",
                  plan.kernel->name(),
                  plan.kernel->view().string(phase.stage->name),
                  (long long)rows);
    phase.items[i] = of.groups[i];
    plan.part[i] = uint8_t(part);
    phase.costs[i] = of.groups[i].count;
    plan.order[i] = int32_t(i);
  }
  placeParts(plan, phase, of.nGroups);
  return FOVEA_OK;
}

static fovea_status updateGrid(fovea_plan &plan, Phase &phase) {
  Extent n0 = plan.extent(phase.stage->grid[0]);
  Extent n1 = plan.extent(phase.stage->grid[1]);
  Extent n2 = plan.extent(phase.stage->grid[2]);
  if (!n0.ok || !n1.ok || !n2.ok || n0.value > FOVEA_ABI_MAX_TOKENS ||
      n1.value > FOVEA_ABI_MAX_TOKENS || n2.value > FOVEA_ABI_MAX_TOKENS)
    return fail(FOVEA_UNSUPPORTED,
                "kernel '%s': expected a grid of at most %d per axis, got more",
                plan.kernel->name(), FOVEA_ABI_MAX_TOKENS);
  int32_t part = partFor(phase, n2.value);
  if (part < 0)
    return fail(FOVEA_UNSUPPORTED,
                "kernel '%s': expected a variant of stage '%s' for %lld rows, "
                "got none that takes them",
                plan.kernel->name(),
                plan.kernel->view().string(phase.stage->name),
                (long long)n2.value);
  phase.shown = part;
  int64_t rows = phase.parts[part].variant->rows, n = 0;
  Extent all = n0 * n1 * Extent{ceilDiv(n2.value, rows)};
  if (!all.ok || all.value > phase.maxItems)
    return fail(FOVEA_INVALID,
                "kernel '%s': expected at most %lld items of stage '%s' (the "
                "plan's capacity), got %lld",
                plan.kernel->name(), (long long)phase.maxItems,
                plan.kernel->view().string(phase.stage->name),
                (long long)all.value);
  for (int64_t i = 0; i < n0.value; ++i)
    for (int64_t j = 0; j < n1.value; ++j)
      for (int64_t r = 0; r < n2.value; r += rows) {
        fovea_abi_item &item = phase.items[n++];
        item = {};
        item.b = int32_t(i);
        item.head = int32_t(j);
        item.row = int32_t(r);
        item.slot = -1;
        item.k1 = n2.value;
      }
  phase.nItems = n;
  for (int32_t p = 0; p < phase.nParts; ++p)
    phase.parts[p].count = 0;
  phase.parts[part].first = 0;
  phase.parts[part].count = n;
  phase.active[0] = uint8_t(part);
  phase.nActive = n ? 1 : 0;
  phase.costTotal = double(n0.value) * double(n1.value) * double(n2.value);
  phase.costLongest = n ? double(rows < n2.value ? rows : n2.value) : 0;
  return FOVEA_OK;
}

/// Elements from slot to slot of a buffer of records; 0: row-major. A record
/// may cover several slots.
static int64_t slotStride(const fovea_plan &plan, const fovea_bundle_buffer &w,
                          const int64_t *shape) {
  const fovea_bundle_extent &e = w.extent[0];
  if (w.rank < 2 || e.symbol != FOVEA_EXTENT_SLOTS || e.mul != 1 || e.add ||
      e.div != 1)
    return 0;
  int64_t rows = plan.phases[e.stage].slotRows;
  if (!rows || rows >= shape[1])
    return 0;
  for (uint32_t d = 2; d < w.rank; ++d)
    rows *= shape[d];
  return rows;
}

Extent fovea::rt::placeBuffers(const fovea_plan &plan, Placed *buffers) {
  const fovea_kernel &kernel = *plan.kernel.get();
  Extent total{0};
  for (uint32_t i = 0; i < kernel.buffers.size(); ++i) {
    const fovea_bundle_buffer &w = kernel.buffers[i];
    Placed &placed = buffers[i];
    Extent elements{1}, inner{1};
    for (uint32_t d = 0; d < w.rank; ++d) {
      Extent e = plan.extent(w.extent[d]);
      placed.shape[d] = e.value;
      elements = elements * e;
      inner = d ? inner * e : inner;
    }
    placed.slotStride = elements.ok ? slotStride(plan, w, placed.shape) : 0;
    if (placed.slotStride && placed.shape[0])
      elements =
          Extent{placed.shape[0] - 1} * Extent{placed.slotStride} + inner;
    Extent bytes = elements * Extent{dtypeSize(w.dtype)};
    placed.offset = total.value;
    placed.bytes = bytes.value;
    total = total + roundUp(bytes, 64);
  }
  return total;
}

static fovea_status checkWorkspace(fovea_plan &plan) {
  Extent total = placeBuffers(plan, plan.buffers);
  if (!total.ok || total.value > plan.workspaceBytes)
    return fail(FOVEA_INVALID,
                "kernel '%s': expected a step that needs at most %lld bytes of "
                "workspace (the plan's capacity), got %lld",
                plan.kernel->name(), (long long)plan.workspaceBytes,
                (long long)total.value);
  return FOVEA_OK;
}

static fovea_status planStages(fovea_plan &plan) {
  plan.boundsCalls = 0;
  const Phase *tables = nullptr; // lengths for stages that have none
  for (uint32_t i = 0; i < plan.nPhases; ++i) {
    Phase &phase = plan.phases[plan.runs[i]];
    fovea_status st = FOVEA_OK;
    switch (phase.stage->space) {
    case FOVEA_SPACE_STREAM:
      st = updateStream(plan, phase);
      tables = tables ? tables : &phase;
      break;
    case FOVEA_SPACE_COMBINE:
      st = updateCombine(plan, phase);
      break;
    case FOVEA_SPACE_APPEND:
      st = updateAppend(plan, phase);
      break;
    case FOVEA_SPACE_PAGES:
      st = planPages(plan, phase);
      break;
    default:
      st = updateGrid(plan, phase);
      break;
    }
    if (st)
      return st;
  }
  for (uint32_t i = 0; i < plan.nPhases; ++i) {
    Phase &phase = plan.phases[plan.runs[i]];
    uint32_t space = phase.stage->space;
    const Phase *of =
        space == FOVEA_SPACE_STREAM || space == FOVEA_SPACE_APPEND ? &phase
        : space == FOVEA_SPACE_COMBINE ? &plan.phases[phase.stage->of]
                                       : tables;
    phase.abi = {};
    phase.abi.size = sizeof phase.abi;
    phase.abi.items = phase.items;
    phase.abi.n_items = phase.nItems;
    phase.abi.symbols = plan.symbols;
    phase.abi.q_off = of ? of->qOff : nullptr;
    phase.abi.k_len = of ? of->kLen : nullptr;
    phase.abi.row_off = of ? of->rowOff : nullptr;
    phase.abi.sources = of ? of->sources : nullptr;
    phase.abi.rows = of ? of->rows : nullptr;
  }
  return checkWorkspace(plan);
}

static fovea_status update(fovea_plan &plan, const fovea_batch *batch,
                           const fovea_value *args, int n, bool reserved) {
  if (fovea_status st = checkKinds(plan, args, n))
    return st;
  if (fovea_status st = bindBatch(plan, batch, args, reserved))
    return st;
  plan.sequences = plan.nCaches ? plan.batch.n : 0;
  fovea_status st = bindUpdate(plan, args, n);
  if (!st)
    st = fillTables(plan);
  if (!st) {
    makeSummaries(plan, 0, plan.planned, nullptr);
    st = planStages(plan);
  }
  if (st)
    releaseBatch(plan);
  plan.batch = {}; // the caller's memory
  return st;
}

fovea_status fovea::rt::updatePlan(fovea_plan &plan, const fovea_batch *batch,
                                   const fovea_value *args, int n,
                                   bool reserved) {
  for (int32_t i = 0; i < plan.nLanes; ++i)
    if (plan.lanes[i].busy.load(std::memory_order_acquire))
      return fail(FOVEA_INVALID,
                  "expected no run of the plan in flight during its update");
  double start = nowMs();
  plan.ready = false;
  if (plan.gpu) {
    if (fovea_status st = plan.gpu->earlierError())
      return st;
    plan.gpu->invalidate();
  }
  if (fovea_status st = update(plan, batch, args, n, reserved))
    return st;
  plan.ready = true;
  plan.updateMs = nowMs() - start;
  return FOVEA_OK;
}

fovea_status fovea_plan_update(fovea_plan *plan, const fovea_batch *batch,
                               const fovea_value *args, int n) {
  if (!plan)
    return fail(FOVEA_INVALID, "expected a plan, got NULL");
  return updatePlan(*plan, batch, args, n, false);
}
