// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A cache whose pools are in memory of a GPU. Its book stays on the host, as do
// the calls that manage it: what they do to pools (copies of pages, rows of
// files, the bundle's stages) waits for the runs before it and is done when
// they return. The steps of a plain cache need none of it.
#ifndef FOVEA_RUNTIME_CUDA_CACHE_H
#define FOVEA_RUNTIME_CUDA_CACHE_H

#include "runtime/cuda/Plan.h"
#include "runtime/kvcache/Cache.h"

namespace fovea::rt {

class GpuCache {
public:
  explicit GpuCache(fovea_kv &kv) : kv(kv), device(*kv.kernel->gpu->device) {}
  ~GpuCache();

  /// A segment's pool, zeroed.
  fovea_status allocatePool(size_t bytes, char *&out);
  /// The rest, once the cache has its book.
  fovea_status create(size_t bookBytes);

  /// Copies inside the pools, and between them and the host. A failure is told
  /// by the next status().
  void copy(char *to, const char *from, size_t bytes);
  void read(void *to, const char *from, size_t bytes);
  void write(char *to, const void *from, size_t bytes);
  fovea_status status() const;

  /// Runs a stage of the cache on one layer, or on all at -1. *code is what
  /// the stage says.
  fovea_status launch(const fovea_bundle_variant &variant,
                      const fovea_abi_plan &plan, int layer, int32_t *code);

  const GpuDevice &deviceOf() const { return device; }

private:
  template <typename T>
  T moved(T p) const;
  void done(CuResult result, const char *call);

  fovea_kv &kv;
  const GpuDevice &device;
  size_t bookBytes = 0;
  /// On the device: the book, arguments of each layer, plan, range, scratch.
  char *memory = nullptr, *argsAt = nullptr, *planAt = nullptr,
       *rangeAt = nullptr, *scratchAt = nullptr;
  Array<GpuArgs> args;
  char failure[256] = {};
};

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_CUDA_CACHE_H
