// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Opens GPUs; memory and copies, also as the public functions.
#include "runtime/cuda/Device.h"
#include "runtime/base/Context.h"
#include "runtime/base/Status.h"

#include <mutex>
#include <utility>

namespace fovea::rt {

static CuPointer number(const char *memory) {
  return CuPointer(reinterpret_cast<uintptr_t>(memory));
}

static fovea_status describe(GpuDevice &gpu, int id) {
  const CudaDriver &driver = *gpu.driver;
  int count = 0;
  if (fovea_status st = FOVEA_CUDA(driver, deviceGetCount, &count))
    return st;
  if (id < 0 || id >= count)
    return fail(FOVEA_UNSUPPORTED, "expected a GPU below %d, got %d", count,
                id);
  gpu.id = id;
  if (fovea_status st = FOVEA_CUDA(driver, deviceGet, &gpu.handle, id))
    return st;
  if (fovea_status st = FOVEA_CUDA(driver, deviceGetName, gpu.name,
                                   sizeof gpu.name, gpu.handle))
    return st;
  for (auto [attribute, value] :
       {std::pair{cuCapabilityMajor, &gpu.major},
        std::pair{cuCapabilityMinor, &gpu.minor},
        std::pair{cuSharedBytes, &gpu.sharedBytes},
        std::pair{cuMultiprocessors, &gpu.multiprocessors}})
    if (fovea_status st = FOVEA_CUDA(driver, deviceGetAttribute, value,
                                     attribute, gpu.handle))
      return st;
  return FOVEA_OK;
}

static fovea_status open(int id, GpuDevice &gpu) {
  if (fovea_status st = cudaDriver(gpu.driver))
    return st;
  if (fovea_status st = describe(gpu, id))
    return st;
  return FOVEA_CUDA(*gpu.driver, contextRetain, &gpu.context, gpu.handle);
}

fovea_status openGpu(int id, const GpuDevice *&out) {
  constexpr int most = 64;
  static std::mutex lock;
  static GpuDevice gpus[most];
  if (id >= most)
    return fail(FOVEA_UNSUPPORTED, "expected a GPU below %d, got %d", most, id);
  GpuDevice none;
  std::lock_guard<std::mutex> guard(lock);
  GpuDevice &gpu = id < 0 ? none : gpus[id];
  if (!gpu.context)
    if (fovea_status st = open(id, gpu)) {
      gpu = {};
      return st;
    }
  out = &gpu;
  return FOVEA_OK;
}

UseGpu::UseGpu(const GpuDevice &device)
    : device(device),
      st(FOVEA_CUDA(*device.driver, contextPush, device.context)) {}

UseGpu::~UseGpu() {
  void *popped = nullptr;
  if (!st)
    device.driver->contextPop(&popped);
}

fovea_status GpuDevice::allocate(const char *what, size_t bytes,
                                 char *&out) const {
  out = nullptr;
  UseGpu use(*this);
  if (use.status())
    return use.status();
  CuPointer memory = 0;
  CuResult result = driver->memAlloc(&memory, bytes ? bytes : 1);
  if (result == cuOutOfMemory) {
    size_t available = 0, total = 0;
    driver->memGetInfo(&available, &total);
    return fail(FOVEA_NO_MEMORY,
                "expected %zu bytes of device memory for %s, got %zu free of "
                "%zu on GPU %d (%s); ask for less, or free some of it",
                bytes, what, available, total, id, name);
  }
  if (fovea_status st = driver->check(result, "memAlloc"))
    return st;
  out = reinterpret_cast<char *>(uintptr_t(memory));
  return FOVEA_OK;
}

void GpuDevice::deallocate(char *memory) const {
  UseGpu use(*this);
  if (memory && !use.status())
    driver->memFree(number(memory));
}

fovea_status GpuDevice::allocateHost(const char *what, size_t bytes,
                                     char *&out) const {
  out = nullptr;
  UseGpu use(*this);
  if (use.status())
    return use.status();
  void *memory = nullptr;
  if (fovea_status st = FOVEA_CUDA(*driver, hostAlloc, &memory, bytes, 0u))
    return fail(st, "%s: %s", what, message());
  out = static_cast<char *>(memory);
  std::memset(out, 0, bytes);
  return FOVEA_OK;
}

void GpuDevice::deallocateHost(char *memory) const {
  UseGpu use(*this);
  if (memory && !use.status())
    driver->hostFree(memory);
}

fovea_status GpuDevice::upload(char *to, const void *from, size_t bytes,
                               fovea_stream stream) const {
  return bytes ? FOVEA_CUDA(*driver, copyToDevice, number(to), from, bytes,
                            stream)
               : FOVEA_OK;
}

fovea_status GpuDevice::download(void *to, const char *from, size_t bytes,
                                 fovea_stream stream) const {
  return bytes
             ? FOVEA_CUDA(*driver, copyToHost, to, number(from), bytes, stream)
             : FOVEA_OK;
}

} // namespace fovea::rt

using namespace fovea::rt;

namespace {

/// The GPU that a public function names; it is the CPU's without one.
struct Target {
  const GpuDevice *gpu = nullptr;
  fovea_status st = FOVEA_OK;

  Target(fovea_ctx *ctx, fovea_device device) {
    if (!ctx)
      st = fail(FOVEA_INVALID, "expected a context, got NULL");
    else if (device.kind == kDLCUDA)
      st = openGpu(device.id, gpu);
    else if (device.kind != kDLCPU)
      st = fail(FOVEA_UNSUPPORTED,
                "expected a device of kind %d (CPU) or %d (CUDA), got kind %d",
                kDLCPU, kDLCUDA, device.kind);
  }
};

} // namespace

fovea_status fovea_device_alloc(fovea_ctx *ctx, fovea_device device,
                                size_t bytes, void **out) {
  if (!out)
    return fail(FOVEA_INVALID, "expected a place for the memory, got NULL");
  *out = nullptr;
  Target target(ctx, device);
  if (target.st)
    return target.st;
  char *memory = nullptr;
  if (target.gpu) {
    if (fovea_status st = target.gpu->allocate("the host", bytes, memory))
      return st;
  } else {
    memory = static_cast<char *>(ctx->allocate(bytes, 64));
    if (!memory)
      return noMemory("the host", bytes);
  }
  *out = memory;
  return FOVEA_OK;
}

fovea_status fovea_device_free(fovea_ctx *ctx, fovea_device device,
                               void *memory) {
  Target target(ctx, device);
  if (target.st || !memory)
    return target.st;
  if (target.gpu)
    target.gpu->deallocate(static_cast<char *>(memory));
  else
    ctx->deallocate(memory);
  return FOVEA_OK;
}

fovea_status fovea_device_copy(fovea_ctx *ctx, fovea_device to, void *dst,
                               fovea_device from, const void *src, size_t bytes,
                               fovea_stream stream) {
  Target there(ctx, to), here(ctx, from);
  if (there.st || here.st)
    return there.st ? there.st : here.st;
  if (bytes && (!dst || !src))
    return fail(FOVEA_INVALID, "expected memory to copy, got NULL");
  if (there.gpu && here.gpu && there.gpu->id != here.gpu->id)
    return fail(FOVEA_UNSUPPORTED,
                "expected a copy on one GPU, got one from GPU %d to GPU %d",
                here.gpu->id, there.gpu->id);
  const GpuDevice *gpu = there.gpu ? there.gpu : here.gpu;
  if (!gpu) {
    std::memmove(dst, src, bytes);
    return FOVEA_OK;
  }
  UseGpu use(*gpu);
  if (use.status() || !bytes)
    return use.status();
  if (!here.gpu)
    return gpu->upload(static_cast<char *>(dst), src, bytes, stream);
  const char *source = static_cast<const char *>(src);
  if (there.gpu)
    return FOVEA_CUDA(*gpu->driver, copyOnDevice,
                      number(static_cast<char *>(dst)), number(source), bytes,
                      stream);
  if (fovea_status st = gpu->download(dst, source, bytes, stream))
    return st;
  // The host reads it next.
  return FOVEA_CUDA(*gpu->driver, streamSynchronize, stream);
}

fovea_status fovea_stream_create(fovea_ctx *ctx, fovea_device device,
                                 fovea_stream *out) {
  if (!out)
    return fail(FOVEA_INVALID, "expected a place for the stream, got NULL");
  *out = nullptr; // the CPU has none
  Target target(ctx, device);
  if (target.st || !target.gpu)
    return target.st;
  UseGpu use(*target.gpu);
  constexpr unsigned nonBlocking = 1;
  return use.status()
             ? use.status()
             : FOVEA_CUDA(*target.gpu->driver, streamCreate, out, nonBlocking);
}

fovea_status fovea_stream_wait(fovea_ctx *ctx, fovea_device device,
                               fovea_stream stream) {
  Target target(ctx, device);
  if (target.st || !target.gpu)
    return target.st;
  UseGpu use(*target.gpu);
  return use.status()
             ? use.status()
             : FOVEA_CUDA(*target.gpu->driver, streamSynchronize, stream);
}

fovea_status fovea_stream_destroy(fovea_ctx *ctx, fovea_device device,
                                  fovea_stream stream) {
  Target target(ctx, device);
  if (target.st || !target.gpu || !stream)
    return target.st;
  UseGpu use(*target.gpu);
  return use.status() ? use.status()
                      : FOVEA_CUDA(*target.gpu->driver, streamDestroy, stream);
}
