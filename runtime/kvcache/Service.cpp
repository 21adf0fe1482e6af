// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The bundle's own stages over the pools: append, moves, pages. Small work is
// done by the caller; large work goes to the executor, one layer per piece,
// since the moves of a layer depend on each other.
#include "runtime/base/Status.h"
#include "runtime/cuda/Cache.h"
#include "runtime/kvcache/Cache.h"
#include "runtime/loader/StageError.h"

using namespace fovea::rt;

using LL = long long;
using ULL = unsigned long long;

/// Bytes moved from which on the executor is worth its call.
static constexpr int64_t parallelBytes = int64_t(1) << 20;

void fovea_kv::findService(int32_t stage, Service &out) {
  out.stage = stage;
  if (stage < 0)
    return;
  for (const fovea_bundle_variant &v :
       kernel->variants(kernel->stages[size_t(stage)])) {
    scratchBytes =
        v.scratch_bytes > scratchBytes ? v.scratch_bytes : scratchBytes;
    out.step = v.rows < out.step ? v.rows : out.step;
    if (!kernel->codeOf(v))
      continue;
    out.mostRows[out.variants] = v.max_rows;
    out.records[out.variants] = &v;
    out.entries[out.variants++] = kernel->entry(v);
  }
}

size_t fovea_kv::findServices() {
  const fovea_bundle_cache &cache = *records().cache;
  scratchBytes = sizeof(fovea_abi_counters);
  findService(cache.append_stage, appendService);
  findService(cache.moves_stage, movesService);
  findService(cache.pages_stage, pagesService);
  for (const fovea_bundle_arg &a : kernel->args)
    if (a.kind == FOVEA_ARG_TENSOR && int64_t(a.slot) == cache.key_slot)
      keyRank = a.rank;
  return (scratchBytes + 127) / 128 * 128; // no shared pair of cache lines
}

/// Everything of the stages' arguments that stays: pools, tables, ranges.
void fovea_kv::setSlots() {
  const fovea_bundle_kernel &k = *kernel->record;
  for (int layer = 0; layer < limits.layers; ++layer) {
    fovea_abi_view *mine = slots + size_t(layer) * k.n_views;
    bindParts(records(), layer, mine);
    for (uint32_t i = 0; i < storage.n; ++i) {
      const fovea_bundle_segment &r = *storage.segments[i].record;
      fovea_abi_view &pages = mine[r.pages_slot];
      // Tables of a sequence are at its index: nothing is copied.
      pages.data = stores[i].tables;
      pages.shape[0] = limits.seqs * storage.segments[i].perSequence;
      pages.stride[0] = 1;
      fovea_abi_view &range = mine[r.ranges_slot];
      range.data = ranges + int64_t(i) * limits.seqs;
      range.shape[0] = limits.seqs;
      range.shape[1] = range.stride[0] = sizeof(fovea_abi_range) / 8;
      range.stride[1] = 1;
    }
    fovea_abi_args &args = stageArgs[layer];
    args.size = sizeof args;
    args.n_views = k.n_views;
    args.views = mine;
    args.scalars = scalars;
    args.summaries = nullptr;
    args.device = kernel->device;
  }
}

fovea_status fovea_kv::canRun() const {
  if (kernel->target < 0)
    return kernel->refuseToRun();
  return gpu ? gpu->status() : FOVEA_OK;
}

namespace {

struct Launch {
  const fovea_kv &kv;
  fovea_stage_fn entry;
  const fovea_abi_plan &plan;
  int layer; // -1: all, and pieces are layers instead of items
  StageError error{};

  void run(int64_t begin, int64_t end, int worker) {
    char *scratch = kv.scratch + kv.scratchBytes * size_t(worker);
    if (layer >= 0)
      return note(entry(&kv.stageArgs[layer], &plan, begin, end, scratch));
    for (int64_t l = begin; l < end; ++l)
      note(entry(&kv.stageArgs[l], &plan, 0, plan.n_items, scratch));
  }
  void note(int32_t code) { error.note(*kv.kernel.get(), code, 0); }
};

} // namespace

fovea_status fovea_kv::launch(const Service &service, fovea_abi_plan &plan,
                              int64_t n, int layer, int64_t bytes) {
  if (!n)
    return FOVEA_OK;
  if (fovea_status st = canRun())
    return st;
  if (!service.variants)
    return fail(FOVEA_UNSUPPORTED,
                "kernel '%s': expected the stages that manage a cache of type "
                "%s, got a bundle without",
                kernel->name(), records().type());
  uint32_t chosen = 0;
  while (chosen + 1 < service.variants && service.mostRows[chosen] < n)
    ++chosen;
  fovea_stage_fn entry = service.entries[chosen];
  plan.size = sizeof plan;
  plan.n_items = n;
  plan.symbols = symbols;
  Launch work{*this, entry, plan, layer};
  const fovea_executor &exec = ctx().exec;
  const int64_t pieces = layer < 0 ? limits.layers : n;
  if (gpu) {
    return gpu->launch(*service.records[chosen], plan, layer);
  } else if (exec.workers > 1 && pieces > 1 &&
             bytes * (layer < 0 ? limits.layers : 1) >= parallelBytes) {
    exec.parallel_for(
        exec.user, pieces,
        [](int64_t begin, int64_t end, int worker, void *arg) {
          static_cast<Launch *>(arg)->run(begin, end, worker);
        },
        &work);
  } else {
    work.run(0, pieces, 0);
  }
  int32_t code = work.error.code.load();
  if (!code)
    return FOVEA_OK;
  const fovea_bundle_stage &stage = kernel->stages[size_t(service.stage)];
  if (fovea_status st = work.error.ofDevice(*kernel.get(), stage))
    return st;
  return fail(FOVEA_INVALID,
              "kernel '%s': stage '%s' refused its tables (error %d)",
              kernel->name(), kernel->view().string(stage.name), code);
}

fovea_status fovea_kv::runMoves(int64_t n) {
  fovea_abi_plan plan{};
  plan.moves = moves;
  return launch(movesService, plan, n, -1, n * rowBytes(storage.n - 1));
}

fovea_status fovea_kv::runPages(int64_t n, int layer) {
  fovea_abi_plan plan{};
  plan.items = items;
  return launch(pagesService, plan, n, layer,
                n * storage.segments[storage.grows].pageBytes);
}

fovea_status fovea_kv::refresh(uint32_t segment, int32_t i, int64_t begin,
                               int64_t end) {
  const SegmentPlan &s = storage.segments[segment];
  const int64_t base = tokens(segment, i).base;
  const int64_t tokens = end - base;
  int64_t count = 0;
  for (int64_t p = (begin - base) / s.pageTokens;
       begin < end && p * s.pageTokens < tokens; ++p) {
    fovea_abi_item &item = items[count++];
    item = {};
    item.head = int32_t(segment);
    item.row = table(segment, i)[p];
    item.k1 = tokens - p * s.pageTokens;
    item.k1 = item.k1 < s.pageTokens ? item.k1 : s.pageTokens;
    item.count = 1;
    item.slot = -1;
    if (count < nItems)
      continue;
    if (fovea_status st = runPages(count))
      return st;
    count = 0;
  }
  return runPages(count);
}

static bool isDtype(DLDataType t, uint32_t dtype) {
  int code = kDLInt;
  switch (dtype) {
  case FOVEA_DTYPE_F32:
  case FOVEA_DTYPE_F16:
  case FOVEA_DTYPE_F64:
    code = kDLFloat;
    break;
  case FOVEA_DTYPE_BF16:
    code = kDLBfloat;
    break;
  case FOVEA_DTYPE_U8:
    code = kDLUInt;
    break;
  case FOVEA_DTYPE_BOOL:
    code = FOVEA_DL_BOOL;
    break;
  }
  return t.lanes == 1 && t.code == code && t.bits == 8 * dtypeSize(dtype);
}

fovea_status fovea::rt::checkPart(const fovea_tensor *t, const char *what,
                                  uint32_t dtype, uint32_t rank,
                                  const int64_t *extents, fovea_abi_view &out,
                                  int device) {
  if (!t || (rank && !t->shape))
    return fail(FOVEA_INVALID, "%s: expected a tensor, got NULL", what);
  if (int(t->device.device_type) != device)
    return fail(FOVEA_INVALID,
                "%s: expected memory of the %s (device type %d), got device "
                "type %d",
                what, device == kDLCPU ? "CPU" : "GPU", device,
                t->device.device_type);
  if (!isDtype(t->dtype, dtype))
    return fail(FOVEA_INVALID,
                "%s: expected elements of %s, got code %d, %d bits, %d lanes",
                what, dtypeName(dtype), t->dtype.code, t->dtype.bits,
                t->dtype.lanes);
  if (t->ndim != int(rank))
    return fail(FOVEA_INVALID, "%s: expected rank %u, got %d", what, rank,
                t->ndim);
  bool empty = false;
  int64_t dense = 1;
  for (uint32_t d = rank; d-- > 0;) {
    const int64_t extent = t->shape[d];
    if (extent < 0 || (extents[d] >= 0 && extent != extents[d]))
      return fail(FOVEA_INVALID, "%s: expected dim %u to be %lld, got %lld",
                  what, d, LL(extents[d] < 0 ? 0 : extents[d]), LL(extent));
    out.shape[d] = extent;
    out.stride[d] = t->strides ? t->strides[d] : dense;
    if (extent <= 1 && d + 1 == rank)
      out.stride[d] = 1;
    if (extent > 1 && (d + 1 == rank ? out.stride[d] != 1 : out.stride[d] < 0))
      return fail(FOVEA_INVALID,
                  "%s: expected the stride of dim %u to be %s, got %lld", what,
                  d, d + 1 == rank ? "1" : "at least 0", LL(out.stride[d]));
    empty |= extent == 0;
    if (__builtin_mul_overflow(dense, extent ? extent : 1, &dense))
      return fail(FOVEA_INVALID, "%s: expected extents below 2^63 elements",
                  what);
  }
  out.data = t->data ? static_cast<char *>(t->data) + t->byte_offset : nullptr;
  if (!out.data && !empty)
    return fail(FOVEA_INVALID, "%s: expected data, got NULL", what);
  if (reinterpret_cast<uintptr_t>(out.data) % dtypeSize(dtype))
    return fail(FOVEA_INVALID, "%s: expected data aligned to %u bytes, got %p",
                what, dtypeSize(dtype), out.data);
  return FOVEA_OK;
}

/// Rows of the sequences [first, last) of the batch, whose k and v are in the
/// slots.
fovea_status fovea_kv::appendRows(const fovea_batch &b, int first, int last,
                                  int layer) {
  fovea_abi_plan plan{};
  const int64_t step = appendService.step;
  plan.items = items;
  plan.row_off = rowOff;
  plan.q_off = qOff;
  plan.k_len = lengths;
  int64_t count = 0;
  for (int i = first; i < last; ++i) {
    const int32_t rows = b.rows[i + 1] - b.rows[i];
    for (int64_t row = 0; row < rows; row += step) {
      fovea_abi_item &item = items[count++];
      item = {};
      item.b = i - first;
      item.row = int32_t(row);
      item.k0 = qOff[i - first] + row;
      item.count = int32_t(rows - row < step ? rows - row : step);
      item.k1 = item.k0 + item.count;
      item.slot = -1;
    }
  }
  const int64_t rows = last > first ? b.rows[last] - b.rows[first] : 0;
  return launch(appendService, plan, count, layer,
                rows * rowBytes(storage.n - 1));
}

fovea_status fovea_kv::write(const fovea_batch &b, int layer,
                             const fovea_tensor *k, const fovea_tensor *v) {
  if (layer < 0 || layer >= limits.layers)
    return fail(FOVEA_INVALID, "expected a layer below %d, got %d",
                limits.layers, layer);
  if (b.n < 0 || b.n > limits.seqs || (b.n && (!b.seq || !b.rows)))
    return fail(FOVEA_INVALID, "expected the batch of the last reservation, "
                               "got another");
  if (fovea_status st = canRun())
    return st;
  // Nobody says which stream has made k and v.
  if (gpu)
    if (fovea_status st = gpu->waitForAll())
      return st;
  const uint32_t g = storage.n - 1; // new rows enter the last segment
  const bool contiguous = storage.fresh >= 0 && !pagedNew();
  for (int i = 0; i < b.n; ++i) {
    const int32_t at = find(b.seq[i]);
    const int64_t rows = int64_t(b.rows[i + 1]) - b.rows[i];
    if (b.rows[0] || at < 0 || seqs[at].batch != reservation ||
        seqs[at].reserved != rows)
      return fail(FOVEA_INVALID,
                  "expected the batch of the last reservation, got one with "
                  "%lld rows of sequence %llu",
                  LL(rows), ULL(b.seq[i]));
    batchIndex[i] = at;
    lengths[i] = seqs[at].length();
    qOff[i] = lengths[i] - rows;
    rowOff[i] = b.rows[i];
    const TokenRange range = tokens(g, at);
    fovea_abi_range &r = ranges[int64_t(g) * limits.seqs + i];
    r = {};
    r.begin = range.begin;
    r.end = range.end;
    r.base = contiguous ? range.base - seqs[at].newRow : range.base;
    r.table = at * storage.segments[g].perSequence;
  }
  const int64_t rows = b.n ? b.rows[b.n] : 0;
  rowOff[b.n] = rows;
  const fovea_bundle_cache &cache = *records().cache;
  fovea_abi_view *mine = slots + size_t(layer) * kernel->record->n_views;
  // In place where that is what the stage reads: a copy of what was just
  // written would wait until the stores of the layer before are through.
  fovea_abi_view ragged[2] = {};
  fovea_abi_view &key = keyRank == 3 ? mine[cache.key_slot] : ragged[0];
  fovea_abi_view &value = keyRank == 3 ? mine[cache.value_slot] : ragged[1];
  const int64_t keyShape[] = {rows, cache.heads, cache.key_dim};
  const int64_t valueShape[] = {rows, cache.heads, cache.value_dim};
  fovea_status st = checkPart(k, "k", cache.input_dtype, 3, keyShape, key,
                              gpu ? kDLCUDA : kDLCPU);
  if (!st)
    st = checkPart(v, "v", cache.input_dtype, 3, valueShape, value,
                   gpu ? kDLCUDA : kDLCPU);
  if (st)
    return st;
  if (keyRank == 3)
    st = appendRows(b, 0, b.n, layer);
  // [b, head, rows, dim]: a ragged batch is no such tensor, its sequences are.
  for (int i = 0; keyRank == 4 && i < b.n && !st; ++i) {
    auto slice = [&](const fovea_abi_view &from, int64_t size) {
      fovea_abi_view to{};
      to.data =
          static_cast<char *>(from.data) + b.rows[i] * from.stride[0] * size;
      const int64_t shape[] = {1, from.shape[1], rowOff[1], from.shape[2]};
      const int64_t stride[] = {0, from.stride[1], from.stride[0], 1};
      for (int d = 0; d < 4; ++d) {
        to.shape[d] = shape[d];
        to.stride[d] = stride[d];
      }
      return to;
    };
    const int64_t size = dtypeSize(cache.input_dtype);
    rowOff[0] = 0;
    rowOff[1] = b.rows[i + 1] - b.rows[i];
    qOff[0] = qOff[i];
    lengths[0] = lengths[i];
    ranges[int64_t(g) * limits.seqs] = ranges[int64_t(g) * limits.seqs + i];
    mine[cache.key_slot] = slice(key, size);
    mine[cache.value_slot] = slice(value, size);
    st = appendRows(b, i, i + 1, layer);
  }
  if (!st && storage.fresh < 0)
    st = runPages(touchedPages(b, items, nItems), layer);
  // The caller's memory, which it may free: no kernel gets a stale address.
  if (gpu) {
    mine[cache.key_slot].data = mine[cache.value_slot].data = nullptr;
    if (fovea_status ended = gpu->waitForPools(); ended && !st)
      return ended;
  }
  return st;
}

fovea_status fovea_kv_write(fovea_kv *kv, const fovea_batch *batch, int layer,
                            const fovea_tensor *k, const fovea_tensor *v) {
  if (!kv || !batch)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !kv ? "cache" : "fovea_batch");
  if (fovea_status st = kv->managed())
    return st;
  fovea_batch b{};
  if (fovea_status st =
          readStruct(batch, offsetof(fovea_batch, pos), b, "fovea_batch"))
    return st;
  return kv->write(b, layer, k, v);
}
