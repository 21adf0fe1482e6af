// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Creation: all memory of a cache is allocated here, pools zeroed, so that a
// served step meets neither the allocator nor a page fault.
#include "runtime/kvcache/Cache.h"
#include "runtime/base/Status.h"
#include "runtime/cuda/Cache.h"

#include <new>

using namespace fovea::rt;

fovea_kv::~fovea_kv() {
  delete gpu; // and the pools
  for (SegmentStore &s : stores)
    ctx().deallocate(s.memory);
  ctx().deallocate(scratch);
  ctx().deallocate(book);
}

namespace {

using LL = long long;

fovea_status checkLimits(const fovea_kernel &kernel, const fovea_kv_limits &l) {
  auto within = [](const char *what, int64_t got, int64_t least, int64_t most) {
    if (got >= least && got <= most)
      return FOVEA_OK;
    return fail(FOVEA_INVALID,
                "expected fovea_kv_limits.%s to be between %lld and %lld, got "
                "%lld",
                what, LL(least), LL(most), LL(got));
  };
  fovea_status st = within("layers", l.layers, 1, 1 << 16);
  if (!st)
    st = within("seqs", l.seqs, 1, 1 << 20);
  if (!st)
    st = within("max_len", l.max_len, 1, int64_t(1) << 40);
  if (!st)
    st = within("pages", l.pages, 0, INT32_MAX);
  if (!st)
    st = within("rows", l.rows, 0, 1 << 28);
  // 0 is the kernel's.
  fovea_device own = FOVEA_CPU;
  if (kernel.gpu)
    own = {kDLCUDA, kernel.gpu->device->id};
  if (!st && l.device.kind &&
      (l.device.kind != own.kind || (kernel.gpu && l.device.id != own.id)))
    st = fail(FOVEA_UNSUPPORTED,
              "expected a device of kind %d and number %d, the kernel's, got "
              "kind %d and number %d",
              own.kind, own.id, l.device.kind, l.device.id);
  return st;
}

/// Hands out pieces of one block; without one it only counts.
struct Carver {
  char *base = nullptr;
  Extent used{};

  template <typename T>
  void take(T *&place, Extent n) {
    place = base ? reinterpret_cast<T *>(base + used.value) : nullptr;
    used = used + roundUp(n * Extent{int64_t(sizeof(T))}, 64);
  }
  template <typename T>
  void take(T *&place, int64_t n) {
    take(place, Extent{n});
  }
};

/// Pages of a segment's pool.
Extent poolPages(const StoragePlan &plan, uint32_t i,
                 const fovea_kv_limits &l) {
  const SegmentPlan &s = plan.segments[i];
  if (s.kind == FOVEA_SEGMENT_NEW) {
    if (!s.record->page_tokens)
      return Extent{1};
    int64_t open = l.seqs < l.rows ? l.seqs : l.rows;
    return Extent{l.rows / s.pageTokens + open};
  }
  Extent most = Extent{l.seqs} * Extent{s.perSequence};
  // More than all sequences can use would never be taken.
  bool fewer =
      int32_t(i) == plan.grows && l.pages && (!most.ok || l.pages < most.value);
  return fewer ? Extent{l.pages} : most;
}

/// Every table of a cache, in one block.
void carve(fovea_kv &kv, Carver &c) {
  const StoragePlan &plan = kv.storage;
  const fovea_kv_limits &l = kv.limits;
  c.take(kv.views, Extent{l.layers} * Extent{plan.nParts});
  c.take(kv.seqs, l.seqs);
  c.take(kv.freeSeqs, l.seqs);
  c.take(kv.index, int64_t(kv.indexMask) + 1);
  for (uint32_t i = 0; i < plan.n; ++i) {
    SegmentStore &s = kv.stores[i];
    c.take(s.pool.free, s.pool.count);
    c.take(s.pool.refs, s.pool.count);
    c.take(s.tables, Extent{l.seqs} * Extent{plan.segments[i].perSequence});
  }
  c.take(kv.batchIndex, l.seqs);
  c.take(kv.batchRows, l.seqs);
  c.take(kv.order, l.seqs);
  c.take(kv.treeNodes, l.rows);
  c.take(kv.kept, l.rows);
  c.take(kv.consumer, l.rows);
  c.take(kv.moves, 2 * l.rows);
  c.take(kv.items, kv.nItems);
  c.take(kv.ranges, Extent{plan.n} * Extent{l.seqs});
  c.take(kv.rowOff, l.seqs + 1);
  c.take(kv.qOff, l.seqs);
  c.take(kv.lengths, l.seqs);
  c.take(kv.rowBuffer, Extent{kv.rowBytes(0)} * Extent{l.layers});
  const fovea_bundle_kernel &k = *kv.kernel->record;
  c.take(kv.slots, Extent{l.layers} * Extent{int64_t(k.n_views)});
  c.take(kv.stageArgs, l.layers);
  c.take(kv.scalars, int64_t(k.n_scalars) + 1);
  c.take(kv.symbols, int64_t(k.symbols.count) + 1);
}

/// Views of a page's parts in memory of our own.
void setViews(fovea_kv &kv) {
  const int64_t heads = kv.records().cache->heads;
  for (int layer = 0; layer < kv.limits.layers; ++layer)
    for (uint32_t i = 0; i < kv.storage.n; ++i) {
      const SegmentPlan &s = kv.storage.segments[i];
      const SegmentStore &store = kv.stores[i];
      for (uint32_t p = 0; p < s.nParts; ++p) {
        const PartPlan &part = s.parts[p];
        const fovea_bundle_part &r = *part.record;
        const int64_t size = dtypeSize(r.dtype);
        fovea_abi_view &v =
            kv.views[size_t(layer) * kv.storage.nParts + s.firstPart + p];
        v.data = store.memory + layer * store.layerBytes + part.offset;
        const int64_t shape[4] = {
            store.pool.count, heads,
            r.per_page ? r.extent / r.inner : s.pageTokens, r.inner};
        const int64_t stride[4] = {
            s.pageBytes / size, part.headStride / size,
            r.per_page ? r.inner : part.tokenStride / size, 1};
        for (uint32_t d = 0; d < r.rank; ++d) {
          v.shape[d] = shape[d];
          v.stride[d] = stride[d];
        }
        if (r.per_page && r.rank == 3) {
          v.shape[2] = r.inner;
          v.stride[2] = 1;
        }
      }
    }
}

} // namespace

fovea_status fovea_kv::create(const fovea_kv_limits &given) {
  limits = given;
  if (fovea_status st = checkLimits(*kernel.get(), limits))
    return st;
  if (!limits.rows)
    limits.rows = limits.seqs;
  CacheRecords from = storage.records;
  if (fovea_status st = storage.create(from, limits.max_len, limits.rows))
    return st;
  indexMask = 1;
  while (indexMask < 2 * uint64_t(limits.seqs))
    indexMask *= 2;
  --indexMask;
  nItems = limits.rows + 2 * limits.seqs + 64;
  Extent total{};
  for (uint32_t i = 0; i < storage.n; ++i) {
    Extent pages = poolPages(storage, i, limits);
    Extent bytes = pages * Extent{storage.segments[i].pageBytes};
    total = total + bytes * Extent{limits.layers};
    if (!pages.ok || pages.value > INT32_MAX)
      return fail(FOVEA_INVALID,
                  "expected limits of at most 2^31 - 1 pages in segment '%s', "
                  "got more",
                  storage.segments[i].name);
    stores[i].pool.count = pages.value;
    stores[i].layerBytes = bytes.value;
  }
  Carver count;
  carve(*this, count);
  if (!total.ok || !count.used.ok || total.value > int64_t(1) << 46 ||
      count.used.value > int64_t(1) << 46)
    return fail(FOVEA_INVALID,
                "expected limits that need at most 2^46 bytes, got more");
  book = ctx().allocate(size_t(count.used.value), 64);
  if (!book)
    return noMemory("a cache's tables", size_t(count.used.value));
  Carver place{static_cast<char *>(book)};
  carve(*this, place);
  if (kernel->gpu) {
    gpu = new (std::nothrow) GpuCache(*this);
    if (!gpu)
      return noMemory("a cache", sizeof(GpuCache));
  }
  for (uint32_t i = 0; i < storage.n; ++i) {
    SegmentStore &s = stores[i];
    size_t bytes = size_t(s.layerBytes) * size_t(limits.layers);
    size_t align = bytes >= 2 * hugePage ? size_t(hugePage) : 4096;
    if (gpu) {
      if (fovea_status st = gpu->allocatePool(bytes, s.memory))
        return st;
    } else {
      s.memory = static_cast<char *>(ctx().allocate(bytes, align));
      if (!s.memory)
        return noMemory("a cache's pages", bytes);
    }
    s.pool.nFree = s.pool.count;
    for (int64_t p = 0; p < s.pool.count; ++p) // low ids first
      s.pool.free[p] = int32_t(s.pool.count - 1 - p);
  }
  size_t perWorker = findServices();
  size_t bytes = perWorker * size_t(ctx().exec.workers);
  scratch = static_cast<char *>(ctx().allocate(bytes, 128));
  if (!scratch)
    return noMemory("a cache's scratch memory", bytes);
  scratchBytes = perWorker;
  if (gpu)
    if (fovea_status st = gpu->create(size_t(count.used.value)))
      return st;
  for (int64_t i = 0; i < limits.seqs; ++i) {
    new (&seqs[i]) Sequence;
    freeSeqs[i] = int32_t(limits.seqs - 1 - i);
  }
  nFreeSeqs = limits.seqs;
  for (int64_t i = 0; i < limits.rows; ++i)
    treeNodes[i] = {-1, i + 1 < limits.rows ? int32_t(i + 1) : -1};
  treeFree = 0;
  setViews(*this);
  setSlots();
  return FOVEA_OK;
}

fovea_status fovea_kv::managed() const {
  if (borrowed)
    return fail(FOVEA_INVALID,
                "expected a cache that fovea_kv_create made, got a borrowed "
                "one: its host manages it");
  return FOVEA_OK;
}

fovea_status fovea_kv::idle() const {
  if (fovea_status st = managed())
    return st;
  if (evicting)
    return fail(FOVEA_INVALID,
                "expected no call that takes pages inside the eviction "
                "callback, got one");
  return FOVEA_OK;
}

fovea_status fovea_kv::known(uint64_t seq, int32_t &i) const {
  i = find(seq);
  if (i < 0)
    return fail(FOVEA_INVALID, "expected a sequence of the cache, got %llu",
                static_cast<unsigned long long>(seq));
  return FOVEA_OK;
}

fovea_status fovea_kv_create(fovea_kernel *kernel, int arg,
                             const fovea_kv_limits *given, fovea_kv **out) {
  if (!kernel || !out)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !kernel ? "kernel" : "place for the cache");
  *out = nullptr;
  fovea_kv_limits limits{};
  if (fovea_status st = readStruct(given, offsetof(fovea_kv_limits, rows),
                                   limits, "fovea_kv_limits"))
    return st;
  CacheRecords records;
  if (fovea_status st = cacheRecords(*kernel, arg, records))
    return st;
  auto *kv = new (std::nothrow) fovea_kv(kernel);
  if (!kv)
    return noMemory("a cache", sizeof(fovea_kv));
  kv->storage.records = records;
  if (fovea_status st = kv->create(limits)) {
    delete kv;
    return st;
  }
  *out = kv;
  return FOVEA_OK;
}

void fovea_kv_destroy(fovea_kv *kv) { delete kv; }
