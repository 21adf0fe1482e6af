// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The code of a kernel on a GPU.
#ifndef FOVEA_RUNTIME_CUDA_KERNEL_H
#define FOVEA_RUNTIME_CUDA_KERNEL_H

#include "runtime/base/Array.h"
#include "runtime/cuda/Device.h"
#include "runtime/loader/Bundle.h"

namespace fovea::rt {

/// A variant of a stage, loaded.
struct GpuFunction {
  void *module = nullptr, *function = nullptr;
  unsigned threads = 0, sharedBytes = 0;
  unsigned ctas = 0; ///< that the GPU holds at once
};

/// What a fovea_kernel has on a GPU.
struct GpuKernel {
  explicit GpuKernel(const GpuDevice *device) : device(device) {}
  ~GpuKernel();

  const GpuDevice *device;
  Array<GpuFunction> functions; ///< by variant of the bundle

  const GpuFunction &function(const fovea_kernel &kernel,
                              const fovea_bundle_variant &variant) const {
    return functions[size_t(&variant - kernel.view().variants.items)];
  }
};

/// How well a GPU of this compute capability runs code of a target: negative
/// if it cannot, otherwise the higher the better. `cubin`: machine code.
int gpuRank(const char *target, int major, int minor, bool cubin);

/// Chooses the target of a kernel's code and loads it into kernel.gpu.
fovea_status loadGpuKernel(fovea_kernel &kernel, int id);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_CUDA_KERNEL_H
