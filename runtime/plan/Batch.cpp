// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels with caches: the batch of a step, the caches' lengths and tables as
// the plan keeps them, and the views of a layer.
#include "runtime/base/Status.h"
#include "runtime/cuda/Kernel.h"
#include "runtime/plan/Plan.h"

namespace fovea::rt {

fovea_status findCaches(fovea_plan &plan) {
  const fovea_kernel &kernel = *plan.kernel.get();
  uint32_t n = 0;
  for (const fovea_bundle_arg &a : kernel.args)
    n += a.kind == FOVEA_ARG_CACHE;
  if (!n)
    return FOVEA_OK;
  if (!plan.caches.create(n))
    return noMemory("a plan's caches", n * sizeof(CacheStep));
  for (uint32_t i = 0; i < kernel.args.size(); ++i) {
    const fovea_bundle_arg &a = kernel.args[i];
    if (a.kind != FOVEA_ARG_CACHE)
      continue;
    CacheStep &cache = plan.caches[a.slot];
    cache.arg = i;
    if (fovea_status st = cacheRecords(kernel, int(i), cache.records))
      return st;
    int32_t append = cache.records.cache->append_stage;
    cache.appends = append >= 0 && !(kernel.stages[size_t(append)].flags &
                                     FOVEA_STAGE_SERVICE);
  }
  plan.nCaches = n;
  return FOVEA_OK;
}

/// The argument in a view slot, or NULL.
static const fovea_bundle_arg *argAt(const fovea_kernel &kernel, int64_t slot) {
  for (const fovea_bundle_arg &a : kernel.args)
    if (a.kind == FOVEA_ARG_TENSOR && int64_t(a.slot) == slot)
      return &a;
  return nullptr;
}

fovea_status batchRoles(fovea_plan &plan) {
  const fovea_kernel &kernel = *plan.kernel.get();
  Capacity &caps = plan.capacity;
  auto take = [&](int32_t &place, int32_t symbol) {
    if (place < 0)
      place = symbol;
  };
  for (const fovea_bundle_stage &s : kernel.stages)
    if (s.space == FOVEA_SPACE_STREAM && s.cache >= 0) {
      take(plan.rowsSymbol, s.q_symbol);
      take(plan.batchSymbol, s.grid[0].symbol);
    }
  for (const CacheStep &cache : plan.caches)
    if (cache.appends)
      if (const fovea_bundle_arg *k =
              argAt(kernel, cache.records.cache->key_slot)) {
        take(plan.rowsSymbol, k->symbol[k->rank == 3 ? 0 : 2]);
        if (k->rank == 4)
          take(plan.batchSymbol, k->symbol[0]);
      }
  bool extents[maxSymbols] = {};
  for (const fovea_bundle_arg &a : kernel.args)
    for (uint32_t d = 0; a.kind == FOVEA_ARG_TENSOR && d < a.rank; ++d)
      if (a.symbol[d] >= 0) {
        extents[a.symbol[d]] = true;
        plan.ragged |= d == 0 && a.symbol[d] == plan.rowsSymbol;
      }
  for (int32_t i = 0; i < int32_t(kernel.symbols.size()); ++i) {
    const char *name = kernel.symbolName(size_t(i));
    if (!extents[i] && !strcmp(name, "b"))
      take(plan.batchSymbol, i);
    else if (!extents[i] && !strcmp(name, "rows"))
      take(plan.rowsSymbol, i);
    else if (!extents[i] && !strcmp(name, "sk") &&
             caps.role[i] == Capacity::Other)
      caps.role[i] = Capacity::Keys;
    caps.ofBatch[i] |= caps.role[i] == Capacity::Keys && !extents[i];
  }
  if (plan.rowsSymbol >= 0) {
    caps.role[plan.rowsSymbol] = Capacity::Rows;
    caps.ofBatch[plan.rowsSymbol] = plan.ragged;
  }
  if (plan.batchSymbol >= 0) {
    caps.role[plan.batchSymbol] = Capacity::Batch;
    caps.ofBatch[plan.batchSymbol] = true;
  }
  return FOVEA_OK;
}

const CacheStep *cacheOf(const fovea_plan &plan, const fovea_bundle_stage &s) {
  if (!plan.nCaches)
    return nullptr;
  if (s.cache >= 0)
    return &plan.caches[size_t(s.cache)];
  // Token-major rows without a cache of their own: those of the batch. Other
  // rows may meet plain keys.
  return plan.ragged && s.space == FOVEA_SPACE_STREAM &&
                 s.q_symbol == plan.rowsSymbol
             ? &plan.caches[0]
             : nullptr;
}

namespace {

/// One update's work on the caches.
class BatchBinder {
public:
  BatchBinder(fovea_plan &plan, const fovea_value *args, bool reserved)
      : plan(plan), kernel(*plan.kernel.get()), batch(plan.batch), args(args),
        reserved(reserved) {}

  fovea_status run();

private:
  const char *name(const CacheStep &c) const { return kernel.argName(c.arg); }
  const char *chainStage() const;
  fovea_status checkRows();
  fovea_status reserve(CacheStep &cache);
  fovea_status there(const CacheStep &cache, bool &append) const;
  fovea_status copy(CacheStep &cache);
  void symbols();

  fovea_plan &plan;
  const fovea_kernel &kernel;
  fovea_batch &batch;
  const fovea_value *args;
  bool reserved, anyAppends = false;
};

/// A stage over a cache that takes rows for chains; NULL if there is none.
const char *BatchBinder::chainStage() const {
  for (const fovea_bundle_stage &s : kernel.stages)
    if (s.space == FOVEA_SPACE_STREAM && s.cache >= 0 &&
        !(s.flags & FOVEA_STAGE_TREE))
      return kernel.view().string(s.name);
  return nullptr;
}

fovea_status BatchBinder::checkRows() {
  const fovea_plan_limits &l = plan.limits;
  if (batch.n < 0 || batch.n > l.seqs)
    return fail(FOVEA_INVALID,
                "kernel '%s': expected a batch of at most %lld sequences (the "
                "plan's capacity), got %d",
                kernel.name(), (long long)l.seqs, batch.n);
  if (!batch.rows || (batch.n && !batch.seq))
    return fail(FOVEA_INVALID,
                "kernel '%s': expected a batch with sequences and row offsets, "
                "got NULL",
                kernel.name());
  if (const char *stage = batch.parent ? chainStage() : nullptr)
    return fail(FOVEA_UNSUPPORTED,
                "kernel '%s': expected a batch without parents, since the mask "
                "of stage '%s' does not say 'tree', got some",
                kernel.name(), stage);
  for (int32_t i = 0; i <= batch.n; ++i) {
    int32_t before = i ? batch.rows[i - 1] : 0;
    if (i ? batch.rows[i] < before : batch.rows[0] != 0)
      return fail(FOVEA_INVALID,
                  "kernel '%s': expected the row offsets of a batch to ascend "
                  "from 0, got %d after %d",
                  kernel.name(), batch.rows[i], before);
    plan.batchRows[i] = batch.rows[i];
  }
  if (plan.batchRows[batch.n] > l.rows)
    return fail(FOVEA_INVALID,
                "kernel '%s': expected at most %lld rows of all sequences (the "
                "plan's capacity), got %lld",
                kernel.name(), (long long)l.rows,
                (long long)plan.batchRows[batch.n]);
  return FOVEA_OK;
}

/// Whether the rows of an appending kernel are new, or rows that an earlier
/// update of this step reserved: positions tell.
fovea_status BatchBinder::there(const CacheStep &cache, bool &append) const {
  append = !reserved;
  if (cache.kv->borrowed || !batch.pos || reserved)
    return FOVEA_OK;
  int32_t fresh = 0, old = 0;
  for (int32_t i = 0; i < batch.n; ++i) {
    int64_t first = plan.batchRows[i], rows = plan.batchRows[i + 1] - first;
    int32_t at = cache.kv->find(batch.seq[i]);
    if (!rows || at < 0)
      continue; // the cache refuses an unknown one
    int64_t length = cache.kv->length(at);
    fresh += batch.pos[first] == length;
    bool is =
        batch.pos[first] + rows == length && rows <= cache.kv->uncommitted(at);
    old += is;
    if (!is && batch.pos[first] != length)
      return fail(FOVEA_INVALID,
                  "argument '%s': expected the positions of sequence %llu to "
                  "follow its %lld tokens, or to be its last uncommitted ones, "
                  "got %lld",
                  name(cache), (unsigned long long)batch.seq[i],
                  (long long)length, (long long)batch.pos[first]);
  }
  if (fresh && old)
    return fail(FOVEA_INVALID,
                "argument '%s': expected the positions of all sequences to be "
                "new ones or of all to be reserved ones, got both",
                name(cache));
  append = !old;
  return FOVEA_OK;
}

fovea_status BatchBinder::reserve(CacheStep &cache) {
  const fovea_value &value = args[cache.arg];
  fovea_kv *kv = value.u.kv;
  if (value.kind != FOVEA_CACHE || !kv)
    return fail(FOVEA_INVALID, "argument '%s': expected a cache, got %s",
                name(cache), value.kind == FOVEA_CACHE ? "NULL" : "another");
  for (const CacheStep &other : plan.caches)
    if (&other < &cache && other.kv == kv && (other.appends || cache.appends))
      return fail(FOVEA_INVALID,
                  "argument '%s': expected a cache of its own, since it is "
                  "written, got that of argument '%s'",
                  name(cache), name(other));
  const GpuKernel *here = plan.kernel->gpu, *its = kv->kernel->gpu;
  if (!here != !its || (here && here->device != its->device))
    return fail(FOVEA_INVALID,
                "argument '%s': expected a cache on the kernel's device, got "
                "one on another",
                name(cache));
  if (!sameStorage(cache.records, kv->records()))
    return fail(FOVEA_INVALID, "argument '%s': %s", name(cache), message());
  cache.kv = kv;
  bool append = false;
  if (cache.appends)
    if (fovea_status st = there(cache, append))
      return st;
  fovea_batch own = batch;
  if (anyAppends && (!cache.appends || !append))
    own.pos = nullptr;
  fovea_status st = kv->reserve(own, append);
  if (st)
    return fail(st, "argument '%s': %s", name(cache), message());
  cache.reserved = append;
  return FOVEA_OK;
}

/// Lengths, generations, ranges and pages.
fovea_status BatchBinder::copy(CacheStep &cache) {
  const fovea_kv &kv = *cache.kv;
  cache.longest = 0;
  for (int32_t i = 0; i < batch.n; ++i) {
    int32_t at = kv.find(batch.seq[i]);
    int64_t rows = plan.batchRows[i + 1] - plan.batchRows[i];
    cache.index[i] = at;
    cache.length[i] = kv.length(at);
    cache.generation[i] = kv.generation(at);
    if (cache.length[i] > plan.limits.max_len)
      return fail(FOVEA_INVALID,
                  "argument '%s': expected at most %lld keys per sequence (the "
                  "plan's capacity), got %lld of sequence %llu",
                  name(cache), (long long)plan.limits.max_len,
                  (long long)cache.length[i], (unsigned long long)batch.seq[i]);
    if (cache.appends && !kv.borrowed && rows > kv.uncommitted(at))
      return fail(FOVEA_INVALID,
                  "argument '%s': expected %lld uncommitted rows of sequence "
                  "%llu, got %lld",
                  name(cache), (long long)rows,
                  (unsigned long long)batch.seq[i],
                  (long long)kv.uncommitted(at));
    if (const char *stage = kv.treeRows(at) ? chainStage() : nullptr)
      return fail(FOVEA_UNSUPPORTED,
                  "argument '%s': expected the uncommitted rows of sequence "
                  "%llu to be a chain, since the mask of stage '%s' does not "
                  "say 'tree', got a tree",
                  name(cache), (unsigned long long)batch.seq[i], stage);
    cache.longest =
        cache.length[i] > cache.longest ? cache.length[i] : cache.longest;
  }
  for (uint32_t s = 0; s < cache.records.segments.size(); ++s) {
    SegmentTables &t = cache.segments[s];
    if (fovea_status st =
            kv.snapshot(batch, s, t.ranges, t.pages, t.capacity, &t.used))
      return fail(st, "argument '%s': %s", name(cache), message());
  }
  return FOVEA_OK;
}

void BatchBinder::symbols() {
  for (const fovea_bundle_stage &s : kernel.stages)
    if (s.space == FOVEA_SPACE_STREAM && s.k_symbol >= 0 &&
        plan.capacity.ofBatch[s.k_symbol])
      plan.symbols[s.k_symbol] = 0;
  int64_t longest = 0;
  for (const CacheStep &cache : plan.caches)
    longest = cache.longest > longest ? cache.longest : longest;
  for (uint32_t i = 0; i < kernel.symbols.size(); ++i)
    if (plan.capacity.ofBatch[i] && plan.capacity.role[i] == Capacity::Keys)
      plan.symbols[i] = longest;
  // A stage's own cache says what its symbol is, if that has a name of its own.
  for (const fovea_bundle_stage &s : kernel.stages)
    if (s.space == FOVEA_SPACE_STREAM && s.cache >= 0 &&
        plan.capacity.ofBatch[s.k_symbol]) {
      bool only = true;
      for (const fovea_bundle_stage &o : kernel.stages)
        only &= o.space != FOVEA_SPACE_STREAM || o.cache < 0 ||
                o.cache == s.cache || o.k_symbol != s.k_symbol;
      if (only)
        plan.symbols[s.k_symbol] = plan.caches[size_t(s.cache)].longest;
    }
  if (plan.rowsSymbol >= 0)
    plan.symbols[plan.rowsSymbol] = plan.batchRows[batch.n];
  if (plan.batchSymbol >= 0)
    plan.symbols[plan.batchSymbol] = batch.n;
}

fovea_status BatchBinder::run() {
  if (fovea_status st = checkRows())
    return st;
  for (CacheStep &cache : plan.caches) {
    cache.kv = nullptr;
    cache.reserved = false;
    anyAppends |= cache.appends;
  }
  fovea_status st = FOVEA_OK;
  for (size_t c = 0; c < plan.caches.size() && !st; ++c)
    st = reserve(plan.caches[c]);
  for (size_t c = 0; c < plan.caches.size() && !st; ++c)
    st = copy(plan.caches[c]);
  if (st)
    releaseBatch(plan);
  else
    symbols();
  return st;
}

} // namespace

fovea_status bindBatch(fovea_plan &plan, const fovea_batch *batch,
                       const fovea_value *args, bool reserved) {
  const fovea_kernel &kernel = *plan.kernel.get();
  if (!plan.nCaches) {
    if (batch)
      return fail(FOVEA_UNSUPPORTED,
                  "kernel '%s': expected no batch, since it has no cache "
                  "argument, got one of %d sequences",
                  kernel.name(), batch->n);
    return FOVEA_OK;
  }
  if (!batch)
    return fail(FOVEA_INVALID,
                "kernel '%s': expected a batch, since argument '%s' is a "
                "cache, got NULL",
                kernel.name(), kernel.argName(plan.caches[0].arg));
  if (fovea_status st = readStruct(batch, offsetof(fovea_batch, pos),
                                   plan.batch, "fovea_batch"))
    return st;
  return BatchBinder(plan, args, reserved).run();
}

void releaseBatch(fovea_plan &plan) {
  for (CacheStep &cache : plan.caches) {
    if (cache.reserved)
      cache.kv->rollback(plan.batch);
    cache.reserved = false;
  }
}

fovea_status bindCache(const fovea_plan &plan, uint32_t arg,
                       const fovea_value &value, int layer, Bound &out) {
  const fovea_kernel &kernel = *plan.kernel.get();
  const CacheStep &cache = plan.caches[kernel.args[arg].slot];
  const char *name = kernel.argName(arg);
  if (value.u.kv != cache.kv)
    return fail(FOVEA_STALE,
                "argument '%s': expected the cache of the update, got %s; "
                "update the plan",
                name, value.u.kv ? "another" : "NULL");
  const fovea_kv &kv = *cache.kv;
  if (layer >= kv.layers())
    return fail(FOVEA_INVALID,
                "argument '%s': expected a layer below %d, got %d", name,
                kv.layers(), layer);
  for (int64_t i = 0; i < plan.sequences; ++i)
    if (kv.generation(cache.index[i]) != cache.generation[i])
      return fail(FOVEA_STALE,
                  "argument '%s': expected the sequences of the update, but "
                  "number %lld was trimmed, freed or committed since; update "
                  "the plan",
                  name, (long long)i);
  kv.bindParts(cache.records, layer, out.views);
  for (uint32_t s = 0; s < cache.records.segments.size(); ++s) {
    const fovea_bundle_segment &segment = cache.records.segments[s];
    const SegmentTables &t = cache.segments[s];
    fovea_abi_view &pages = out.views[segment.pages_slot];
    pages.data = t.pages;
    pages.shape[0] = t.used;
    pages.stride[0] = 1;
    fovea_abi_view &ranges = out.views[segment.ranges_slot];
    ranges.data = t.ranges;
    ranges.shape[0] = plan.sequences;
    ranges.shape[1] = 8;
    ranges.stride[0] = 8;
    ranges.stride[1] = 1;
  }
  return FOVEA_OK;
}

} // namespace fovea::rt
