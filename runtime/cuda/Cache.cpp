// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Work on the pools of a GPU, finished before it returns.
#include "runtime/cuda/Cache.h"
#include "runtime/base/Status.h"

#include <cstdio>

namespace fovea::rt {

static size_t lined(size_t bytes) { return (bytes + 255) / 256 * 256; }

static CuPointer number(const char *memory) {
  return CuPointer(reinterpret_cast<uintptr_t>(memory));
}

GpuCache::~GpuCache() {
  {
    UseGpu use(device);
    if (!use.status())
      device.driver->contextSynchronize();
  }
  for (SegmentStore &s : kv.stores) {
    device.deallocate(s.memory);
    s.memory = nullptr;
  }
  device.deallocate(memory);
}

fovea_status GpuCache::allocatePool(size_t bytes, char *&out) {
  if (fovea_status st = device.allocate("a cache's pages", bytes, out))
    return st;
  UseGpu use(device);
  if (use.status())
    return use.status();
  if (fovea_status st = bytes ? FOVEA_CUDA(*device.driver, fill, number(out), 0,
                                           bytes, fovea_stream(nullptr))
                              : FOVEA_OK)
    return st;
  return FOVEA_CUDA(*device.driver, contextSynchronize);
}

fovea_status GpuCache::create(size_t bytes) {
  bookBytes = bytes;
  size_t layers = size_t(kv.limits.layers);
  size_t book = lined(bytes), arguments = lined(layers * sizeof(GpuArgs));
  size_t scratch = lined(kv.scratchBytes);
  if (!args.create(layers))
    return noMemory("a cache's arguments", layers * sizeof(GpuArgs));
  if (fovea_status st = device.allocate(
          "a cache's tables", book + arguments + 512 + scratch, memory))
    return st;
  argsAt = memory + book;
  planAt = argsAt + arguments;
  rangeAt = planAt + 256;
  scratchAt = rangeAt + 256;
  UseGpu use(device);
  if (use.status())
    return use.status();
  if (fovea_status st = FOVEA_CUDA(*device.driver, fill, number(scratchAt), 0,
                                   scratch, fovea_stream(nullptr)))
    return st;
  return FOVEA_CUDA(*device.driver, contextSynchronize);
}

template <typename T>
T GpuCache::moved(T p) const {
  const char *at = reinterpret_cast<const char *>(p),
             *book = static_cast<const char *>(kv.book);
  if (at < book || at >= book + bookBytes)
    return p;
  return reinterpret_cast<T>(reinterpret_cast<uintptr_t>(memory + (at - book)));
}

void GpuCache::done(CuResult result, const char *call) {
  if (!*failure && device.driver->check(result, call))
    std::snprintf(failure, sizeof failure, "%s", message());
}

fovea_status GpuCache::status() const {
  return *failure
             ? fail(FOVEA_DEVICE,
                    "an earlier copy of a cache's pages failed: %s", failure)
             : FOVEA_OK;
}

void GpuCache::copy(char *to, const char *from, size_t bytes) {
  const CudaDriver &driver = *device.driver;
  UseGpu use(device);
  done(driver.contextSynchronize(), "contextSynchronize");
  done(driver.copyOnDevice(number(to), number(from), bytes, nullptr),
       "copyOnDevice");
  done(driver.contextSynchronize(), "contextSynchronize");
}

void GpuCache::read(void *to, const char *from, size_t bytes) {
  const CudaDriver &driver = *device.driver;
  UseGpu use(device);
  done(driver.contextSynchronize(), "contextSynchronize");
  done(driver.copyToHost(to, number(from), bytes, nullptr), "copyToHost");
  done(driver.contextSynchronize(), "contextSynchronize");
}

void GpuCache::write(char *to, const void *from, size_t bytes) {
  const CudaDriver &driver = *device.driver;
  UseGpu use(device);
  done(driver.contextSynchronize(), "contextSynchronize");
  done(driver.copyToDevice(number(to), from, bytes, nullptr), "copyToDevice");
  done(driver.contextSynchronize(), "contextSynchronize");
}

fovea_status GpuCache::launch(const fovea_bundle_variant &variant,
                              const fovea_abi_plan &plan, int layer,
                              int32_t *code) {
  const CudaDriver &driver = *device.driver;
  const GpuFunction &f = kv.kernel->gpu->function(*kv.kernel.get(), variant);
  fovea_abi_plan there = plan;
  there.items = moved(plan.items);
  there.moves = moved(plan.moves);
  there.symbols = moved(plan.symbols);
  there.q_off = moved(plan.q_off);
  there.k_len = moved(plan.k_len);
  there.row_off = moved(plan.row_off);
  GpuRange range{0, plan.n_items};
  UseGpu use(device);
  fovea_status st = use.status();
  if (!st)
    st = FOVEA_CUDA(driver, contextSynchronize);
  if (!st)
    st = device.upload(memory, kv.book, bookBytes, nullptr);
  if (!st)
    st = device.upload(planAt, &there, sizeof there, nullptr);
  if (!st)
    st = device.upload(rangeAt, &range, sizeof range, nullptr);
  int first = layer < 0 ? 0 : layer,
      last = layer < 0 ? kv.limits.layers : layer + 1;
  for (int l = first; l < last && !st; ++l) {
    GpuArgs &mine = args[size_t(l)];
    char *at = argsAt + size_t(l) * sizeof(GpuArgs);
    mine = {};
    mine.args = kv.stageArgs[l];
    mine.args.views =
        reinterpret_cast<fovea_abi_view *>(at + offsetof(GpuArgs, views));
    mine.args.scalars =
        reinterpret_cast<fovea_abi_scalar *>(at + offsetof(GpuArgs, scalars));
    for (uint32_t v = 0; v < kv.kernel->record->n_views; ++v) {
      mine.views[v] = kv.stageArgs[l].views[v];
      mine.views[v].data = moved(mine.views[v].data);
    }
    st = device.upload(at, &mine, sizeof mine, nullptr);
    const void *values[] = {at, planAt, rangeAt, scratchAt};
    void *parameters[] = {&values[0], &values[1], &values[2], &values[3]};
    unsigned ctas =
        plan.n_items < int64_t(f.ctas) ? unsigned(plan.n_items) : f.ctas;
    if (!st)
      st = FOVEA_CUDA(driver, launch, f.function, ctas, 1u, 1u, f.threads, 1u,
                      1u, f.sharedBytes, nullptr, parameters, nullptr);
  }
  char *error = scratchAt + sizeof(fovea_abi_counters);
  if (!st)
    st = device.download(code, error, sizeof *code, nullptr);
  if (!st)
    st = FOVEA_CUDA(driver, fill, number(error), 0, sizeof *code,
                    fovea_stream(nullptr));
  return st ? st : FOVEA_CUDA(driver, contextSynchronize);
}

} // namespace fovea::rt
