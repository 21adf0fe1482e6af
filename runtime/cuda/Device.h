// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One GPU: its primary context, which the host's own CUDA code shares, and
// memory in it.
#ifndef FOVEA_RUNTIME_CUDA_DEVICE_H
#define FOVEA_RUNTIME_CUDA_DEVICE_H

#include "runtime/cuda/Driver.h"

namespace fovea::rt {

struct GpuDevice {
  const CudaDriver *driver = nullptr;
  int32_t id = 0; ///< what hosts call it
  int handle = 0;
  void *context = nullptr;
  int major = 0, minor = 0; ///< compute capability
  int multiprocessors = 0;
  int sharedBytes = 0; ///< most of a CTA
  char name[96] = {};

  /// Device memory, aligned to 256; FOVEA_NO_MEMORY says how much was free.
  fovea_status allocate(const char *what, size_t bytes, char *&out) const;
  void deallocate(char *memory) const;
  /// Host memory that copies in the background may use.
  fovea_status allocateHost(const char *what, size_t bytes, char *&out) const;
  void deallocateHost(char *memory) const;
  fovea_status upload(char *to, const void *from, size_t bytes,
                      fovea_stream stream) const;
  fovea_status download(void *to, const char *from, size_t bytes,
                        fovea_stream stream) const;
};

/// GPU `id`, which stays open for the rest of the process: memory of hosts
/// lives as long as its context. Statuses as of cudaDriver, and
/// FOVEA_UNSUPPORTED where there is no such GPU.
fovea_status openGpu(int id, const GpuDevice *&out);

/// Makes the GPU's context the calling thread's for a while.
class UseGpu {
public:
  explicit UseGpu(const GpuDevice &device);
  ~UseGpu();
  UseGpu(const UseGpu &) = delete;
  fovea_status status() const { return st; }

private:
  const GpuDevice &device;
  fovea_status st;
};

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_CUDA_DEVICE_H
