// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Copies plans to a GPU and launches their kernels.
#include "runtime/cuda/Plan.h"
#include "runtime/base/Status.h"
#include "runtime/cuda/Cache.h"

namespace fovea::rt {

/// The i32 error of a stage lies behind its counters.
static constexpr size_t errorAt = sizeof(fovea_abi_counters);

static size_t lined(size_t bytes) { return (bytes + 255) / 256 * 256; }

static CuPointer number(const char *memory) {
  return CuPointer(reinterpret_cast<uintptr_t>(memory));
}

GpuPlan::~GpuPlan() {
  const CudaDriver &driver = *device.driver;
  UseGpu use(device);
  // Runs may still read what is freed.
  if (!use.status() && memory)
    driver.contextSynchronize();
  for (GpuLane &lane : lanes)
    if (lane.done && !use.status())
      driver.eventDestroy(lane.done);
  if (copied && !use.status())
    driver.eventDestroy(copied);
  device.deallocate(memory);
  device.deallocateHost(host);
}

fovea_status GpuPlan::create() {
  const CudaDriver &driver = *device.driver;
  size_t parts = 0;
  for (uint32_t i = 0; i < plan.nPhases; ++i)
    parts += size_t(plan.phases[plan.runs[i]].nParts);
  size_t symbols = lined(sizeof plan.symbols);
  size_t ranges = lined(parts * sizeof(GpuRange));
  size_t plans = lined(plan.nPhases * sizeof(fovea_abi_plan));
  size_t front = symbols + ranges + plans;
  size_t tables = lined(plan.tablesBytes);
  stateStride = lined(plan.scratchBytes);
  size_t args = lined(sizeof(GpuArgs));
  size_t state = stateStride * plan.nPhases, lane = args + state;
  size_t count = size_t(plan.nLanes);
  if (!staged.create(front) || !lanes.create(count) ||
      !base.create(count * plan.nPhases))
    return noMemory("a plan's copy", front);
  if (fovea_status st =
          device.allocate("a plan", front + tables + count * lane, memory))
    return st;
  if (fovea_status st =
          device.allocateHost("a plan's counters", count * state + 1, host))
    return st;
  symbolsAt = memory;
  rangesAt = symbolsAt + symbols;
  plansAt = rangesAt + ranges;
  tablesAt = plansAt + plans;
  UseGpu use(device);
  if (use.status())
    return use.status();
  constexpr unsigned withoutTiming = 2;
  if (fovea_status st = FOVEA_CUDA(driver, eventCreate, &copied, withoutTiming))
    return st;
  for (size_t i = 0; i < count; ++i) {
    lanes[i].args = tablesAt + tables + i * lane;
    lanes[i].state = lanes[i].args + args;
    lanes[i].seen = host + i * state;
    if (fovea_status st =
            FOVEA_CUDA(driver, eventCreate, &lanes[i].done, withoutTiming))
      return st;
    if (fovea_status st = FOVEA_CUDA(driver, fill, number(lanes[i].state), 0,
                                     state, fovea_stream(nullptr)))
      return st;
  }
  return FOVEA_CUDA(driver, contextSynchronize);
}

fovea_status GpuPlan::lane(fovea_stream stream, GpuLane *&out) {
  out = nullptr;
  for (GpuLane &lane : lanes)
    if (lane.taken && lane.stream == stream)
      out = &lane;
  if (out)
    return FOVEA_OK;
  for (size_t i = 0; i < lanes.size() && !out; ++i)
    if (!lanes[i].taken)
      out = &lanes[i];
  if (!out) {
    // One stream more than the plan has lanes waits for another's run.
    out = &lanes[next++ % lanes.size()];
    if (fovea_status st =
            FOVEA_CUDA(*device.driver, streamWaitEvent, stream, out->done, 0u))
      return st;
  }
  out->taken = true;
  out->stream = stream;
  return FOVEA_OK;
}

fovea_status GpuPlan::earlierError() {
  for (GpuLane &lane : lanes)
    for (uint32_t i = 0; i < plan.nPhases; ++i) {
      char *place = lane.seen + i * stateStride + errorAt;
      // A copy of an earlier run may write it.
      int32_t code =
          __atomic_load_n(reinterpret_cast<int32_t *>(place), __ATOMIC_RELAXED);
      if (!code)
        continue;
      const CudaDriver &driver = *device.driver;
      UseGpu use(device);
      if (use.status())
        return use.status();
      if (fovea_status st = FOVEA_CUDA(driver, contextSynchronize))
        return st;
      for (GpuLane &all : lanes)
        for (uint32_t p = 0; p < plan.nPhases; ++p) {
          std::memset(all.seen + p * stateStride + errorAt, 0, 4);
          if (fovea_status st = FOVEA_CUDA(
                  driver, fill, number(all.state + p * stateStride + errorAt),
                  0, size_t(4), fovea_stream(nullptr)))
            return st;
        }
      if (fovea_status st = FOVEA_CUDA(driver, contextSynchronize))
        return st;
      const Phase &phase = plan.phases[plan.runs[i]];
      return fail(FOVEA_INVALID,
                  "kernel '%s': stage '%s' of an earlier run found an entry of "
                  "a list or table out of range (error %d)",
                  plan.kernel->name(),
                  plan.kernel->view().string(phase.stage->name), code);
    }
  return FOVEA_OK;
}

const void *GpuPlan::moved(const void *p) const {
  const char *at = static_cast<const char *>(p),
             *tables = static_cast<const char *>(plan.tables);
  if (p == plan.symbols)
    return symbolsAt;
  return at >= tables && at < tables + plan.tablesBytes
             ? tablesAt + (at - tables)
             : p;
}

/// Makes a stream wait for the runs that are enqueued.
fovea_status GpuPlan::order(fovea_stream stream) {
  for (GpuLane &lane : lanes)
    if (lane.taken && lane.stream != stream)
      if (fovea_status st = FOVEA_CUDA(*device.driver, streamWaitEvent, stream,
                                       lane.done, 0u))
        return st;
  return FOVEA_OK;
}

fovea_status GpuPlan::upload(fovea_stream stream) {
  if (uploaded)
    return FOVEA_CUDA(*device.driver, streamWaitEvent, stream, copied, 0u);
  char *front = staged.data();
  std::memcpy(front, plan.symbols, sizeof plan.symbols);
  auto *ranges = reinterpret_cast<GpuRange *>(front + (rangesAt - memory));
  auto *plans = reinterpret_cast<fovea_abi_plan *>(front + (plansAt - memory));
  for (uint32_t i = 0; i < plan.nPhases; ++i) {
    const Phase &phase = plan.phases[plan.runs[i]];
    for (int32_t p = 0; p < phase.nParts; ++p)
      ranges[p] = {0, 0};
    for (int32_t a = 0; a < phase.nActive; ++a) {
      const Part &part = phase.parts[phase.active[a]];
      ranges[phase.active[a]] = {part.first, part.first + part.count};
    }
    ranges += phase.nParts;
    fovea_abi_plan &to = plans[i];
    to = phase.abi;
    auto move = [&](auto *&pointer) {
      using T = std::remove_reference_t<decltype(pointer)>;
      pointer = static_cast<T>(moved(pointer));
    };
    move(to.items);
    move(to.symbols);
    move(to.q_off);
    move(to.k_len);
    move(to.row_off);
    move(to.sources);
    move(to.rows);
  }
  if (fovea_status st = order(stream))
    return st;
  // What is only planned with is left out.
  const char *tables = static_cast<const char *>(plan.tables);
  size_t used = size_t(reinterpret_cast<const char *>(plan.blocks) - tables);
  if (fovea_status st =
          device.upload(memory, front, size_t(tablesAt - memory), stream))
    return st;
  auto send = [&](const void *from, size_t bytes) {
    size_t at = size_t(static_cast<const char *>(from) - tables);
    return device.upload(tablesAt + at, from, bytes, stream);
  };
  if (fovea_status st = device.upload(tablesAt, tables, used, stream))
    return st;
  for (uint32_t i = 0; i < plan.kernel->tables.size(); ++i) {
    const TableStep &table = plan.tableSteps[i];
    const char *from = table.data;
    size_t bytes = size_t(tableBytes(plan, *table.record).value);
    if (fovea_status st =
            device.upload(tablesAt + (from - tables), from, bytes, stream))
      return st;
  }
  for (const CacheStep &cache : plan.caches)
    for (uint32_t i = 0; i < cache.records.segments.size(); ++i) {
      const SegmentTables &t = cache.segments[i];
      fovea_status st = send(t.pages, size_t(t.used) * sizeof *t.pages);
      if (!st)
        st = send(t.ranges, size_t(plan.sequences) * sizeof *t.ranges);
      if (st)
        return st;
    }
  if (fovea_status st = FOVEA_CUDA(*device.driver, eventRecord, copied, stream))
    return st;
  uploaded = true;
  return FOVEA_OK;
}

void GpuPlan::relocate(const Bound &bound, char *at, GpuArgs &out) const {
  const fovea_kernel &kernel = *plan.kernel.get();
  out = {};
  out.args = bound.abi;
  out.args.views =
      reinterpret_cast<fovea_abi_view *>(at + offsetof(GpuArgs, views));
  out.args.scalars =
      reinterpret_cast<fovea_abi_scalar *>(at + offsetof(GpuArgs, scalars));
  // Kernels read the tables themselves.
  out.args.summaries = nullptr;
  std::memcpy(out.scalars, bound.scalars, sizeof out.scalars);
  std::memcpy(out.views, bound.views,
              kernel.record->n_views * sizeof *out.views);
  // Tables of the plan, pages and ranges of its caches.
  for (uint32_t v = 0; v < kernel.record->n_views; ++v)
    out.views[v].data = const_cast<void *>(moved(bound.views[v].data));
}

fovea_status GpuPlan::enqueue(const GpuLane &lane, const char *args, bool all,
                              fovea_stream stream) const {
  const fovea_kernel &kernel = *plan.kernel.get();
  const char *range = rangesAt;
  for (uint32_t i = 0; i < plan.nPhases; ++i) {
    const Phase &phase = plan.phases[plan.runs[i]];
    const char *planAt = plansAt + i * sizeof(fovea_abi_plan),
               *state = lane.state + i * stateStride;
    for (int32_t p = 0; p < phase.nParts; ++p, range += sizeof(GpuRange)) {
      const Part &part = phase.parts[p];
      bool active = false;
      for (int32_t a = 0; a < phase.nActive; ++a)
        active |= phase.active[a] == p && part.count;
      if (!active && !all)
        continue;
      const GpuFunction &f = kernel.gpu->function(kernel, *part.variant);
      const void *values[] = {args, planAt, range, state};
      void *parameters[] = {&values[0], &values[1], &values[2], &values[3]};
      // A launch that is captured serves any number of items.
      unsigned ctas = f.ctas;
      if (!all && part.count < int64_t(ctas))
        ctas = unsigned(part.count);
      if (fovea_status st = FOVEA_CUDA(*device.driver, launch, f.function, ctas,
                                       1u, 1u, f.threads, 1u, 1u, f.sharedBytes,
                                       stream, parameters, nullptr))
        return fail(st, "kernel '%s', stage '%s': %s", kernel.name(),
                    kernel.view().string(phase.stage->name), message());
    }
  }
  return FOVEA_OK;
}

fovea_status GpuPlan::enqueueState(const GpuLane &lane,
                                   fovea_stream stream) const {
  return device.download(lane.seen, lane.state, stateStride * plan.nPhases,
                         stream);
}

fovea_status GpuPlan::finish(GpuLane &lane, fovea_stream stream) {
  fovea_status st = FOVEA_CUDA(*device.driver, eventRecord, lane.done, stream);
  for (const CacheStep &cache : plan.caches)
    if (!st && cache.kv && cache.kv->gpu)
      st = cache.kv->gpu->afterRun(stream);
  return st;
}

fovea_status GpuPlan::beforeRun(fovea_stream stream) const {
  for (const CacheStep &cache : plan.caches)
    if (cache.kv && cache.kv->gpu)
      if (fovea_status st = cache.kv->gpu->beforeRun(stream))
        return st;
  return FOVEA_OK;
}

fovea_status GpuPlan::counters(fovea_counters &sum, bool reset) {
  UseGpu use(device);
  if (use.status())
    return use.status();
  if (fovea_status st = FOVEA_CUDA(*device.driver, contextSynchronize))
    return st;
  if (fovea_status st = earlierError())
    return st;
  for (size_t l = 0; l < lanes.size(); ++l)
    for (uint32_t i = 0; i < plan.nPhases; ++i) {
      fovea_abi_counters now;
      std::memcpy(&now, lanes[l].seen + i * stateStride, sizeof now);
      fovea_abi_counters &before = base[l * plan.nPhases + i];
      sum.tiles_full += now.tiles_full - before.tiles_full;
      sum.tiles_partial += now.tiles_partial - before.tiles_partial;
      sum.pairs += now.pairs - before.pairs;
      sum.items += now.items - before.items;
      if (reset)
        before = now;
    }
  return FOVEA_OK;
}

fovea_status runOnGpu(fovea_plan &plan, Bound &bound, fovea_stream stream) {
  GpuPlan &gpu = *plan.gpu;
  if (fovea_status st = gpu.earlierError())
    return st;
  UseGpu use(gpu.device);
  if (use.status())
    return use.status();
  GpuLane *lane = nullptr;
  if (fovea_status st = gpu.lane(stream, lane))
    return st;
  if (fovea_status st = gpu.upload(stream))
    return st;
  if (fovea_status st = gpu.beforeRun(stream))
    return st;
  GpuArgs args;
  gpu.relocate(bound, lane->args, args);
  size_t used = offsetof(GpuArgs, views) +
                plan.kernel->record->n_views * sizeof(fovea_abi_view);
  fovea_status st = gpu.device.upload(lane->args, &args, used, stream);
  if (!st)
    st = gpu.enqueue(*lane, lane->args, /*all=*/false, stream);
  if (!st)
    st = gpu.enqueueState(*lane, stream);
  fovea_status ended = gpu.finish(*lane, stream);
  return st ? st : ended;
}

} // namespace fovea::rt
