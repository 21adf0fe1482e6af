// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Work on the pools of a GPU, and its order with the runs.
#include "runtime/cuda/Cache.h"
#include "runtime/base/Status.h"

#include <cstdio>
#include <initializer_list>

namespace fovea::rt {

static size_t lined(size_t bytes) { return (bytes + 255) / 256 * 256; }

static CuPointer number(const char *memory) {
  return CuPointer(reinterpret_cast<uintptr_t>(memory));
}

/// A block begins with its range and its plan; then the list.
static constexpr size_t planIn = 64;
static constexpr size_t listIn =
    (planIn + sizeof(fovea_abi_plan) + 255) / 256 * 256;

GpuCache::~GpuCache() {
  const CudaDriver &driver = *device.driver;
  {
    UseGpu use(device);
    if (!use.status()) {
      driver.contextSynchronize();
      for (void *event : {settled, sent[0], sent[1]})
        if (event)
          driver.eventDestroy(event);
      for (User &user : users)
        if (user.ran)
          driver.eventDestroy(user.ran);
      if (stream)
        driver.streamDestroy(stream);
    }
  }
  for (SegmentStore &s : kv.stores) {
    device.deallocate(s.memory);
    s.memory = nullptr;
  }
  device.deallocate(memory);
  device.deallocateHost(host);
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
  const CudaDriver &driver = *device.driver;
  bookBytes = bytes;
  size_t layers = size_t(kv.limits.layers);
  size_t book = lined(bytes), arguments = lined(layers * sizeof(GpuArgs));
  size_t moves = 2 * size_t(kv.limits.rows) * sizeof(fovea_abi_move);
  size_t items = size_t(kv.nItems) * sizeof(fovea_abi_item);
  size_t block = lined(listIn + (moves > items ? moves : items));
  size_t scratch = lined(kv.scratchBytes);
  // Some hundred commits of a token or so without a wait.
  halfBytes = block > (1 << 17) ? block : 1 << 17;
  if (!args.create(layers))
    return noMemory("a cache's arguments", layers * sizeof(GpuArgs));
  if (fovea_status st = device.allocate(
          "a cache's tables", book + arguments + block + scratch, memory))
    return st;
  if (fovea_status st =
          device.allocateHost("a cache's lists", 256 + 2 * halfBytes, host))
    return st;
  argsAt = memory + book;
  blockAt = argsAt + arguments;
  scratchAt = blockAt + block;
  UseGpu use(device);
  if (use.status())
    return use.status();
  constexpr unsigned nonBlocking = 1, withoutTiming = 2;
  fovea_status st = FOVEA_CUDA(driver, streamCreate, &stream, nonBlocking);
  for (void **event : {&settled, &sent[0], &sent[1]})
    if (!st)
      st = FOVEA_CUDA(driver, eventCreate, event, withoutTiming);
  for (User &user : users)
    if (!st)
      st = FOVEA_CUDA(driver, eventCreate, &user.ran, withoutTiming);
  if (!st)
    st = FOVEA_CUDA(driver, fill, number(memory), 0,
                    size_t(scratchAt - memory) + scratch, stream);
  return st ? st : waitForPools();
}

template <typename T>
T GpuCache::moved(T p) const {
  const char *at = reinterpret_cast<const char *>(p),
             *book = static_cast<const char *>(kv.book);
  if (at < book || at >= book + bookBytes)
    return p;
  return reinterpret_cast<T>(reinterpret_cast<uintptr_t>(memory + (at - book)));
}

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

fovea_status GpuCache::userOf(fovea_stream on, User *&out) {
  out = nullptr;
  for (User &user : users)
    if (user.taken && user.stream == on)
      out = &user;
  for (size_t i = 0; i < mostUsers && !out; ++i)
    if (!users[i].taken)
      out = &users[i];
  if (out && out->taken)
    return FOVEA_OK;
  if (!out) {
    // One stream more than there is room for: from here on it stands for the
    // runs of another one too.
    out = &users[nextUser++ % mostUsers];
    if (fovea_status st =
            FOVEA_CUDA(*device.driver, streamWaitEvent, on, out->ran, 0u))
      return st;
  }
  out->taken = true;
  out->stream = on;
  out->changes = out->works = 0;
  return FOVEA_OK;
}

fovea_status GpuCache::beforeRun(fovea_stream on) {
  const CudaDriver &driver = *device.driver;
  if (fovea_status st = status())
    return st;
  User *mine = nullptr;
  if (fovea_status st = userOf(on, mine))
    return st;
  if (mine->changes < changes)
    for (const User &user : users)
      if (user.taken && user.stream != on)
        if (fovea_status st =
                FOVEA_CUDA(driver, streamWaitEvent, on, user.ran, 0u))
          return st;
  mine->changes = changes;
  if (mine->works == works)
    return FOVEA_OK;
  if (recorded < works)
    if (fovea_status st = FOVEA_CUDA(driver, eventRecord, settled, stream))
      return st;
  recorded = mine->works = works;
  return FOVEA_CUDA(driver, streamWaitEvent, on, settled, 0u);
}

fovea_status GpuCache::afterRun(fovea_stream on) {
  User *mine = nullptr;
  if (fovea_status st = userOf(on, mine))
    return st;
  mine->pending = true;
  return FOVEA_CUDA(*device.driver, eventRecord, mine->ran, on);
}

fovea_status GpuCache::start() {
  for (User &user : users)
    if (user.pending) {
      if (fovea_status st =
              FOVEA_CUDA(*device.driver, streamWaitEvent, stream, user.ran, 0u))
        return st;
      user.pending = false;
    }
  ++works;
  return FOVEA_OK;
}

fovea_status GpuCache::waitForAll() {
  UseGpu use(device);
  return use.status() ? use.status()
                      : FOVEA_CUDA(*device.driver, contextSynchronize);
}

fovea_status GpuCache::waitForPools() {
  UseGpu use(device);
  if (fovea_status st =
          use.status() ? use.status()
                       : FOVEA_CUDA(*device.driver, streamSynchronize, stream))
    return st;
  return status();
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

void GpuCache::done(CuResult result, const char *call) {
  if (!*failure && device.driver->check(result, call))
    std::snprintf(failure, sizeof failure, "%s", message());
}

fovea_status GpuCache::status() {
  if (*failure)
    return fail(FOVEA_DEVICE, "an earlier copy of a cache's pages failed: %s",
                failure);
  // A copy in the background may write it.
  int32_t code =
      __atomic_load_n(reinterpret_cast<int32_t *>(host), __ATOMIC_RELAXED);
  if (!code)
    return FOVEA_OK;
  UseGpu use(device);
  if (use.status())
    return use.status();
  const CudaDriver &driver = *device.driver;
  if (fovea_status st = FOVEA_CUDA(
          driver, fill, number(scratchAt + sizeof(fovea_abi_counters)), 0,
          sizeof code, stream))
    return st;
  if (fovea_status st = FOVEA_CUDA(driver, streamSynchronize, stream))
    return st;
  std::memset(host, 0, sizeof code);
  return fail(FOVEA_INVALID,
              "kernel '%s': an earlier stage of the cache refused its tables "
              "(error %d)",
              kv.kernel->name(), code);
}

void GpuCache::copy(char *to, const char *from, size_t bytes) {
  UseGpu use(device);
  if (start())
    return done(cuNoDevice, "streamWaitEvent");
  done(device.driver->copyOnDevice(number(to), number(from), bytes, stream),
       "copyOnDevice");
}

void GpuCache::read(void *to, const char *from, size_t bytes) {
  UseGpu use(device);
  if (start())
    return done(cuNoDevice, "streamWaitEvent");
  done(device.driver->copyToHost(to, number(from), bytes, stream),
       "copyToHost");
  done(device.driver->streamSynchronize(stream), "streamSynchronize");
}

void GpuCache::write(char *to, const void *from, size_t bytes) {
  UseGpu use(device);
  if (start())
    return done(cuNoDevice, "streamWaitEvent");
  done(device.driver->copyToDevice(number(to), from, bytes, stream),
       "copyToDevice");
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

/// Pinned memory for a block, that no copy reads any more.
fovea_status GpuCache::stage(size_t bytes, char *&out) {
  const CudaDriver &driver = *device.driver;
  if (used + bytes > halfBytes) {
    if (fovea_status st = FOVEA_CUDA(driver, eventRecord, sent[half], stream))
      return st;
    half = 1 - half;
    used = 0;
    if (fovea_status st = FOVEA_CUDA(driver, eventSynchronize, sent[half]))
      return st;
  }
  out = host + 256 + size_t(half) * halfBytes + used;
  used += lined(bytes);
  return FOVEA_OK;
}

/// The arguments of a layer, if they are not there yet.
fovea_status GpuCache::sendArgs(int layer) {
  char *at = argsAt + size_t(layer) * sizeof(GpuArgs);
  GpuArgs now = {};
  now.args = kv.stageArgs[layer];
  now.args.views =
      reinterpret_cast<fovea_abi_view *>(at + offsetof(GpuArgs, views));
  now.args.scalars =
      reinterpret_cast<fovea_abi_scalar *>(at + offsetof(GpuArgs, scalars));
  for (uint32_t v = 0; v < kv.kernel->record->n_views; ++v) {
    now.views[v] = kv.stageArgs[layer].views[v];
    now.views[v].data = moved(now.views[v].data);
  }
  GpuArgs &before = args[size_t(layer)];
  if (!std::memcmp(&now, &before, sizeof now))
    return FOVEA_OK;
  before = now;
  return device.upload(at, &before, sizeof before, stream);
}

fovea_status GpuCache::launch(const fovea_bundle_variant &variant,
                              const fovea_abi_plan &plan, int layer) {
  const CudaDriver &driver = *device.driver;
  const GpuFunction &f = kv.kernel->gpu->function(*kv.kernel.get(), variant);
  UseGpu use(device);
  if (use.status())
    return use.status();
  const void *list = plan.moves ? static_cast<const void *>(plan.moves)
                                : static_cast<const void *>(plan.items);
  size_t listBytes = size_t(plan.n_items) *
                     (plan.moves ? sizeof *plan.moves : sizeof *plan.items);
  char *block = nullptr;
  if (fovea_status st = start())
    return st;
  if (fovea_status st = stage(listIn + listBytes, block))
    return st;
  fovea_abi_plan there = plan;
  auto *at = reinterpret_cast<const fovea_abi_item *>(blockAt + listIn);
  there.items = plan.items ? at : nullptr;
  there.moves =
      plan.moves ? reinterpret_cast<const fovea_abi_move *>(at) : nullptr;
  there.symbols = moved(plan.symbols);
  there.q_off = moved(plan.q_off);
  there.k_len = moved(plan.k_len);
  there.row_off = moved(plan.row_off);
  GpuRange range{0, plan.n_items};
  std::memcpy(block, &range, sizeof range);
  std::memcpy(block + planIn, &there, sizeof there);
  std::memcpy(block + listIn, list, listBytes);
  fovea_status st = FOVEA_OK;
  // Only rows of a call need the book: its lengths, ranges and page tables.
  if (plan.q_off)
    st = device.upload(memory, kv.book, bookBytes, stream);
  if (!st)
    st = device.upload(blockAt, block, listIn + listBytes, stream);
  int first = layer < 0 ? 0 : layer,
      last = layer < 0 ? kv.limits.layers : layer + 1;
  for (int l = first; l < last && !st; ++l) {
    st = sendArgs(l);
    const void *values[] = {argsAt + size_t(l) * sizeof(GpuArgs),
                            blockAt + planIn, blockAt, scratchAt};
    void *parameters[] = {&values[0], &values[1], &values[2], &values[3]};
    unsigned ctas =
        plan.n_items < int64_t(f.ctas) ? unsigned(plan.n_items) : f.ctas;
    if (!st)
      st = FOVEA_CUDA(driver, launch, f.function, ctas, 1u, 1u, f.threads, 1u,
                      1u, f.sharedBytes, stream, parameters, nullptr);
  }
  return st ? st
            : device.download(host, scratchAt + sizeof(fovea_abi_counters),
                              sizeof(int32_t), stream);
}

} // namespace fovea::rt
