// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From limits to memory. Everything a step can need is monotone in the sizes
// of the step, so it is largest at one of the corners (b, rows / b) of the
// capacity; all of them are tried.
#include "runtime/base/Status.h"
#include "runtime/cuda/Plan.h"
#include "runtime/plan/Plan.h"

#include <new>

using namespace fovea::rt;

namespace {

class Sizer {
public:
  explicit Sizer(fovea_plan &plan)
      : plan(plan), kernel(*plan.kernel.get()), caps(plan.capacity) {}

  fovea_status run() {
    fovea_status st = checkLimits();
    if (!st)
      st = roles();
    if (!st)
      st = names();
    if (!st)
      st = limitsOfSymbols();
    if (!st)
      st = corners();
    if (!st)
      st = allocate();
    return st;
  }

private:
  fovea_status checkLimits();
  fovea_status roles();
  void role(int32_t symbol, Capacity::Role role);
  fovea_status names();
  fovea_status limitsOfSymbols();
  bool needed(uint32_t symbol) const;
  bool countsBoundaries(uint32_t symbol) const;
  fovea_status corners();
  void corner(int64_t batch);
  void growItems(Phase &phase, Extent n);
  void streamItems(Phase &phase);
  void raggedItems(Phase &phase);
  int64_t sequences(const Phase &phase) const;
  void sharing(Phase &phase, int64_t most);
  void fillParts();
  fovea_status allocate();
  void tables(char *base, size_t &bytes);

  fovea_plan &plan;
  fovea_kernel &kernel;
  Capacity &caps;
  bool overflow = false;
};

fovea_status Sizer::checkLimits() {
  const fovea_plan_limits &l = plan.limits;
  if (l.rows < 0 || l.seqs < 0 || l.max_len < 0)
    return fail(FOVEA_INVALID,
                "expected limits of at least 0, got rows %lld, seqs %lld, "
                "max_len %lld",
                (long long)l.rows, (long long)l.seqs, (long long)l.max_len);
  if (l.workers < 0 || l.workers > 65536 || l.concurrent < 0 ||
      l.concurrent > 4096)
    return fail(FOVEA_INVALID,
                "expected limits.workers up to 65536 and limits.concurrent up "
                "to 4096, got %d and %d",
                l.workers, l.concurrent);
  if (l.n_dims < 0 || (l.n_dims && !l.dims))
    return fail(FOVEA_INVALID, "expected limits.dims of n_dims entries, got %d",
                l.n_dims);
  int32_t own = plan.ctx().exec.workers;
  // On a GPU two CTAs to a multiprocessor share the work.
  if (kernel.gpu)
    own = 2 * kernel.gpu->device->multiprocessors;
  plan.workers = l.workers ? l.workers : own;
  plan.scratchCount = kernel.gpu ? 1 : plan.workers > own ? plan.workers : own;
  plan.nLanes = l.concurrent ? l.concurrent : 1;
  caps.rows = l.rows;
  return FOVEA_OK;
}

void Sizer::role(int32_t symbol, Capacity::Role role) {
  if (caps.role[symbol] == Capacity::Other)
    caps.role[symbol] = role;
}

/// What the symbols mean follows from the stream stages; kernels without one
/// go by the usual names.
fovea_status Sizer::roles() {
  bool stream = false;
  for (const fovea_bundle_stage &s : kernel.stages) {
    if (s.space != FOVEA_SPACE_STREAM)
      continue;
    stream = true;
    const fovea_bundle_extent &b = s.grid[0];
    if (b.symbol >= 0) {
      if (b.mul != 1 || b.add != 0 || b.div != 1)
        return fail(FOVEA_UNSUPPORTED,
                    "kernel '%s': expected the batch of a stage to be a plain "
                    "dim",
                    kernel.name());
      role(b.symbol, Capacity::Batch);
    } else if (b.symbol == FOVEA_EXTENT_ONE) {
      caps.fixedBatch = plan.extent(b).value;
    }
    role(s.q_symbol, Capacity::Rows);
    role(s.k_symbol, Capacity::Keys);
  }
  if (plan.nCaches) {
    caps.fixedBatch = plan.limits.seqs;
    return batchRoles(plan);
  }
  for (uint32_t i = 0; i < kernel.symbols.size() && !stream; ++i) {
    const char *name = kernel.symbolName(i);
    if (!strcmp(name, "b"))
      role(int32_t(i), Capacity::Batch);
    else if (!strcmp(name, "sq"))
      role(int32_t(i), Capacity::Rows);
    else if (!strcmp(name, "sk"))
      role(int32_t(i), Capacity::Keys);
  }
  return FOVEA_OK;
}

fovea_status Sizer::names() {
  for (int32_t i = 0; i < plan.limits.n_dims; ++i) {
    const fovea_dim_limit &dim = plan.limits.dims[i];
    bool found = false;
    for (uint32_t s = 0; s < kernel.symbols.size(); ++s) {
      if (!dim.name || strcmp(dim.name, kernel.symbolName(s)))
        continue;
      found = true;
      caps.named[s] = true;
      caps.most[s] = dim.extent;
    }
    if (!found || dim.extent < 0)
      return fail(FOVEA_INVALID,
                  "expected a dim of kernel '%s' with an extent of at least 0, "
                  "got '%s' = %lld",
                  kernel.name(), dim.name ? dim.name : "NULL",
                  (long long)dim.extent);
  }
  return FOVEA_OK;
}

/// Whether some size depends on the symbol.
bool Sizer::needed(uint32_t symbol) const {
  for (const fovea_bundle_buffer &w : kernel.buffers)
    for (uint32_t d = 0; d < w.rank; ++d)
      if (w.extent[d].symbol == int64_t(symbol))
        return true;
  for (const fovea_bundle_stage &s : kernel.stages)
    for (int d = 0; d < 3 && s.space == FOVEA_SPACE_GRID; ++d)
      if (s.grid[d].symbol == int64_t(symbol))
        return true;
  return false;
}

/// Whether the symbol is the number of boundaries of segments, of which a
/// sequence has no more than tokens and one.
bool Sizer::countsBoundaries(uint32_t symbol) const {
  for (const fovea_bundle_table &table : kernel.tables)
    for (const fovea_bundle_arg &a : kernel.args)
      if (table.rule == FOVEA_TABLE_BOUNDARIES && a.kind == FOVEA_ARG_TENSOR &&
          int64_t(a.slot) == table.source &&
          a.symbol[a.rank - 1] == int64_t(symbol))
        return true;
  return false;
}

fovea_status Sizer::limitsOfSymbols() {
  const fovea_plan_limits &l = plan.limits;
  for (uint32_t i = 0; i < kernel.symbols.size(); ++i) {
    caps.batchSymbols += caps.role[i] == Capacity::Batch;
    if (caps.named[i])
      continue;
    switch (caps.role[i]) {
    case Capacity::Batch:
      caps.most[i] = l.seqs;
      break;
    case Capacity::Rows:
      caps.most[i] = l.rows;
      break;
    case Capacity::Keys:
      caps.most[i] = l.max_len;
      break;
    case Capacity::Other:
      if (needed(i))
        return fail(FOVEA_INVALID,
                    "kernel '%s': expected a capacity for dim '%s' in "
                    "limits.dims",
                    kernel.name(), kernel.symbolName(i));
      caps.most[i] = countsBoundaries(i) ? l.max_len + 1 : INT64_MAX;
      break;
    }
  }
  // One symbol may be rows of one stage and keys of another (self attention).
  for (const fovea_bundle_stage &s : kernel.stages)
    if (s.space == FOVEA_SPACE_STREAM && s.q_symbol == s.k_symbol &&
        !caps.named[s.q_symbol] && l.max_len < caps.most[s.q_symbol])
      caps.most[s.q_symbol] = l.max_len;
  return FOVEA_OK;
}

void Sizer::growItems(Phase &phase, Extent n) {
  overflow |= !n.ok || n.value > (int64_t(1) << 30);
  if (n.ok && n.value > phase.maxItems)
    phase.maxItems = n.value;
}

/// Most sequences of a stage.
int64_t Sizer::sequences(const Phase &phase) const {
  if (plan.nCaches)
    return plan.limits.seqs;
  const fovea_bundle_extent &b = phase.stage->grid[0];
  return b.symbol >= 0 ? caps.most[b.symbol] : caps.fixedBatch;
}

/// Items of sequences with different numbers of rows: every one has a last
/// tile that may not be full.
void Sizer::raggedItems(Phase &phase) {
  const fovea_bundle_stage &s = *phase.stage;
  bool stream = s.space == FOVEA_SPACE_STREAM;
  Extent all = Extent{caps.rows} * Extent{stream ? s.group : 1};
  Extent seqs{sequences(phase)}, heads{stream ? s.heads : 1};
  for (const fovea_bundle_variant &v : kernel.variants(s)) {
    if (!kernel.runs(v))
      continue;
    Extent tiles = seqs + Extent{ceilDiv(all.value, v.rows), all.ok};
    growItems(phase, heads * (tiles + Extent{phase.maxTiles}) +
                         Extent{phase.maxSlots});
  }
}

void Sizer::streamItems(Phase &phase) {
  const fovea_bundle_stage &s = *phase.stage;
  if (cacheOf(plan, s))
    return raggedItems(phase);
  Extent batch = plan.extent(s.grid[0]);
  Extent all = Extent{plan.symbols[s.q_symbol]} * Extent{s.group};
  overflow |= !all.ok;
  int64_t before = -1; // the most packed rows of the variants before
  for (const fovea_bundle_variant &v : kernel.variants(s)) {
    if (!kernel.runs(v))
      continue;
    int64_t packed = all.value < v.max_rows ? all.value : v.max_rows;
    if (packed > before)
      growItems(phase,
                batch * Extent{s.heads} * Extent{ceilDiv(packed, v.rows)} +
                    Extent{phase.maxSlots});
    before = v.max_rows;
  }
}

/// Sizes of one step: `batch` sequences of as many rows as fit, of the longest
/// keys.
void Sizer::corner(int64_t batch) {
  for (uint32_t i = 0; i < kernel.symbols.size(); ++i) {
    int64_t value = caps.most[i];
    if (caps.role[i] == Capacity::Batch && caps.batchSymbols == 1)
      value = value < batch ? value : batch;
    if (caps.role[i] == Capacity::Rows && caps.batchSymbols <= 1 &&
        !caps.named[i] && !plan.ragged && batch && caps.rows / batch < value)
      value = caps.rows / batch;
    plan.symbols[i] = value;
  }
  for (uint32_t i = 0; i < plan.nPhases; ++i) {
    Phase &phase = plan.phases[plan.runs[i]];
    const fovea_bundle_stage &s = *phase.stage;
    phase.nSlots = phase.maxSlots;
    if (s.space == FOVEA_SPACE_STREAM) {
      streamItems(phase);
    } else if (s.space == FOVEA_SPACE_COMBINE) {
      growItems(phase, Extent{plan.phases[s.of].maxGroups});
    } else if (s.space == FOVEA_SPACE_APPEND) {
      raggedItems(phase);
    } else if (s.space == FOVEA_SPACE_PAGES) {
      growItems(phase, Extent{caps.rows} + Extent{sequences(phase)});
    } else {
      int64_t rows = kernel.variants(s)[0].rows;
      for (const fovea_bundle_variant &v : kernel.variants(s))
        rows = v.rows < rows ? v.rows : rows;
      Extent last = plan.extent(s.grid[2]);
      growItems(phase, plan.extent(s.grid[0]) * plan.extent(s.grid[1]) *
                           Extent{ceilDiv(last.value, rows), last.ok});
    }
  }
  Extent total = placeBuffers(plan, plan.buffers);
  overflow |= !total.ok || total.value > (int64_t(1) << 46);
  if (total.ok && total.value > plan.workspaceBytes)
    plan.workspaceBytes = total.value;
}

fovea_status Sizer::corners() {
  for (uint32_t i = 0; i < plan.nPhases; ++i) {
    Phase &phase = plan.phases[plan.runs[i]];
    if (!phase.hasCombine || !phase.stage->splittable)
      continue;
    int64_t pieces = slotCapacity(plan, *phase.stage), rows = 1;
    for (const fovea_bundle_variant &v : kernel.variants(*phase.stage))
      rows = int64_t(v.rows) > rows ? v.rows : rows;
    phase.slotRows = int32_t(rows);
    phase.maxSlots = phase.plainSlots = phase.maxSources = pieces;
    phase.maxGroups = pieces / 2; // a split item has two pieces
    if (canShare(plan, phase))
      sharing(phase, rows);
  }
  int64_t most = caps.fixedBatch;
  for (uint32_t i = 0; i < kernel.symbols.size(); ++i)
    if (caps.role[i] == Capacity::Batch)
      most = caps.most[i];
  if (plan.nCaches && plan.limits.seqs > most)
    most = plan.limits.seqs;
  // Beyond one row per sequence nothing but the batch grows.
  int64_t last = most;
  int64_t distinct = most < caps.rows ? most : caps.rows;
  int64_t first = caps.batchSymbols == 1 && !plan.ragged ? 1 : most;
  if (most > (1 << 20))
    return fail(FOVEA_INVALID,
                "expected limits.seqs to be at most 2^20, got "
                "%lld",
                (long long)most);
  for (int64_t b = first; b <= distinct && !overflow; ++b)
    corner(b);
  corner(last);
  for (const fovea_bundle_table &table : kernel.tables) {
    Extent n = tableBytes(plan, table);
    overflow |= !n.ok || n.value > int64_t(1) << 34;
  }
  if (overflow)
    return fail(FOVEA_INVALID,
                "kernel '%s': expected limits that need at most 2^30 items and "
                "2^46 bytes of workspace, got more",
                kernel.name());
  return FOVEA_OK;
}

/// Lays the tables out from `base`; with NULL only counts.
void Sizer::tables(char *base, size_t &bytes) {
  size_t used = 0;
  auto take = [&](auto *&place, int64_t n) {
    using T = std::remove_reference_t<decltype(*place)>;
    place = base ? reinterpret_cast<T *>(base + used) : nullptr;
    used += (size_t(n) * sizeof(T) + 63) / 64 * 64;
  };
  int64_t most = 1, seqs = 1;
  if (overflow)
    return;
  for (uint32_t i = 0; i < plan.nPhases; ++i) {
    Phase &p = plan.phases[plan.runs[i]];
    take(p.parts, p.nParts);
    take(p.active, p.nParts);
    take(p.items, p.maxItems);
    take(p.costs, p.maxItems);
    most = p.maxItems > most ? p.maxItems : most;
    bool stream = p.stage->space == FOVEA_SPACE_STREAM;
    if (!stream && p.stage->space != FOVEA_SPACE_APPEND)
      continue;
    seqs = sequences(p);
    take(p.qOff, seqs);
    take(p.kLen, seqs);
    take(p.rowOff, seqs + 1);
    take(p.partOf, seqs);
    take(p.groups, p.maxGroups);
    take(p.sources, p.maxSources);
    if (!p.maxTiles)
      continue;
    take(p.rows, p.maxLinks * shareRows);
    take(p.tiles, p.maxTiles);
    take(p.links, p.maxLinks);
    take(p.ownBegin, seqs);
    take(p.sorted, seqs);
    take(p.common, seqs);
  }
  take(plan.blocks, most);
  take(plan.order, most);
  take(plan.part, most);
  take(plan.slotOf, most);
  take(plan.piecesOf, most);
  take(plan.load, plan.workers);
  for (uint32_t c = 0; c < plan.nCaches; ++c) {
    CacheStep &cache = plan.caches[c];
    take(cache.length, plan.limits.seqs);
    take(cache.index, plan.limits.seqs);
    take(cache.generation, plan.limits.seqs);
    for (uint32_t s = 0; s < cache.records.segments.size(); ++s) {
      SegmentTables &t = cache.segments[s];
      t.capacity = fovea_kv::tableCapacity(cache.records, s, plan.limits.seqs,
                                           plan.limits.max_len);
      take(t.pages, t.capacity);
      take(t.ranges, plan.limits.seqs);
    }
  }
  if (plan.nCaches)
    take(plan.batchRows, plan.limits.seqs + 1);
  sizeSummaries(plan);
  take(plan.summaryMemory,
       plan.summaryNumbers * (1 + plan.nLanes) + plan.madeSummaryNumbers);
  for (uint32_t i = 0; i < kernel.tables.size(); ++i) {
    TableStep &table = plan.tableSteps[i];
    table.record = &kernel.tables[i];
    take(table.data, tableBytes(plan, *table.record).value);
  }
  take(plan.lanes, plan.nLanes);
  bytes = used;
}

/// Slots and tables for groups of sequences that share keys. A slot then holds
/// few rows: a sequence that joins a group stores as many records as it has
/// heads.
void Sizer::sharing(Phase &phase, int64_t most) {
  const fovea_bundle_stage &s = *phase.stage;
  int64_t least = most, tiles = 1; // tiles: of the rows of one member's head
  for (const fovea_bundle_variant &v : kernel.variants(s)) {
    if (!kernel.runs(v) || v.rows > shareRows)
      continue;
    int64_t rows = v.max_rows < shareRows ? v.max_rows : shareRows;
    int64_t n = ceilDiv(rows, v.rows);
    tiles = n > tiles ? n : tiles;
    least = int64_t(v.rows) < least ? v.rows : least;
  }
  Extent heads = Extent{plan.limits.seqs} * Extent{s.heads};
  Extent records = heads * Extent{tiles};
  // Two positions of each sequence, in a shared record and in one of its own.
  Extent more = heads * Extent{4 * ceilDiv(s.group, least)};
  if (!records.ok || !more.ok || more.value > (1 << 24))
    return; // too many to be worth their memory
  phase.slotRows = int32_t(least);
  phase.plainSlots = phase.plainSlots * ceilDiv(most, least);
  phase.maxSlots = phase.plainSlots + more.value;
  phase.maxGroups += records.value;
  phase.maxSources += records.value * (1 + shareDepth * sharePieces / 4);
  phase.maxTiles = plan.limits.seqs;
  phase.maxLinks = plan.limits.seqs * shareDepth;
}

void Sizer::fillParts() {
  for (uint32_t i = 0; i < plan.nPhases; ++i) {
    Phase &phase = plan.phases[plan.runs[i]];
    int32_t n = 0;
    for (const fovea_bundle_variant &v : kernel.variants(*phase.stage))
      if (kernel.runs(v)) {
        new (&phase.parts[n]) Part;
        phase.parts[n].variant = &v;
        phase.parts[n++].entry = kernel.entry(v);
      }
  }
}

fovea_status Sizer::allocate() {
  size_t bytes = 0;
  tables(nullptr, bytes);
  plan.tables = plan.ctx().allocate(bytes, 64);
  if (!plan.tables) {
    plan.nLanes = 0;
    return noMemory("a plan's tables", bytes);
  }
  tables(static_cast<char *>(plan.tables), bytes);
  plan.tablesBytes = bytes;
  fillParts();
  size_t most = sizeof(fovea_abi_counters);
  for (const fovea_bundle_stage &s : kernel.stages)
    for (const fovea_bundle_variant &v : kernel.variants(s))
      most = v.scratch_bytes > most ? v.scratch_bytes : most;
  // Workers do not share a pair of cache lines.
  plan.scratchBytes = (most + 127) / 128 * 128;
  size_t lane = plan.scratchBytes * size_t(plan.scratchCount);
  plan.scratch = plan.ctx().allocate(lane * size_t(plan.nLanes), 128);
  if (!plan.scratch)
    return noMemory("a plan's scratch memory", lane * size_t(plan.nLanes));
  for (int32_t i = 0; i < plan.nLanes; ++i) {
    new (&plan.lanes[i]) Lane;
    plan.lanes[i].scratch =
        static_cast<char *>(plan.scratch) + lane * size_t(i);
  }
  return FOVEA_OK;
}

} // namespace

fovea_plan::~fovea_plan() {
  delete gpu;
  // Lanes are trivially destructible.
  ctx().deallocate(scratch);
  ctx().deallocate(tables);
}

Extent fovea_plan::extent(const fovea_bundle_extent &e) const {
  Extent base{1};
  if (e.symbol >= 0)
    base.value = symbols[e.symbol];
  else if (e.symbol == FOVEA_EXTENT_SLOTS)
    base.value = phases[e.stage].nSlots;
  Extent sum;
  sum.ok = !__builtin_add_overflow(base.value, e.add, &sum.value);
  if (!sum.ok)
    return sum;
  int64_t steps = ceilDiv(sum.value, e.div);
  return Extent{e.mul} * Extent{steps < 0 ? 0 : steps};
}

fovea_status fovea::rt::sizePlan(fovea_plan &plan) {
  fovea_kernel &kernel = *plan.kernel.get();
  Sizer sizer(plan);
  plan.nStages = kernel.stages.size();
  for (uint32_t i = 0; i < plan.nStages; ++i) {
    const fovea_bundle_stage &s = kernel.stages[i];
    Phase &phase = plan.phases[i];
    phase.stage = &s;
    if (s.space != FOVEA_SPACE_MOVES && !(s.flags & FOVEA_STAGE_SERVICE))
      plan.runs[plan.nPhases++] = uint8_t(i);
    for (const fovea_bundle_variant &v : kernel.variants(s))
      phase.nParts += kernel.runs(v);
  }
  findSummaries(plan);
  if (fovea_status st = findCaches(plan))
    return st;
  for (uint32_t i = 0; i < plan.nPhases; ++i) {
    const fovea_bundle_stage &s = kernel.stages[plan.runs[i]];
    if (s.space == FOVEA_SPACE_COMBINE)
      plan.phases[s.of].hasCombine = true;
  }
  for (uint32_t i = 0; i < plan.nPhases; ++i) {
    Phase &phase = plan.phases[plan.runs[i]];
    const fovea_bundle_stage &s = *phase.stage;
    if (s.space != FOVEA_SPACE_STREAM || s.mask < 0)
      continue;
    const fovea_bundle_mask &m = kernel.masks[size_t(s.mask)];
    auto code = [&](uint64_t offset) {
      return reinterpret_cast<uintptr_t>(kernel.planCode(offset));
    };
    if (!code(m.bounds))
      return fail(FOVEA_UNSUPPORTED,
                  "kernel '%s': expected an x86-64 host for its plan code, got "
                  "another",
                  kernel.name());
    phase.mask = {&m, reinterpret_cast<fovea_bounds_fn>(code(m.bounds)),
                  reinterpret_cast<fovea_class_fn>(code(m.classify)),
                  reinterpret_cast<fovea_keep_fn>(code(m.keep))};
  }
  return sizer.run();
}
