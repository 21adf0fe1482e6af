// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// NVIDIA's driver, found at run time: no CUDA is needed to build or to run on
// the CPU. Only what the runtime calls is looked up.
#ifndef FOVEA_RUNTIME_CUDA_DRIVER_H
#define FOVEA_RUNTIME_CUDA_DRIVER_H

#include <fovea/runtime.h>

namespace fovea::rt {

/// The oldest driver that takes our code, as cuDriverGetVersion counts: CUDA
/// 12.5 is the first whose compiler reads PTX 8.5.
inline constexpr int leastCudaDriver = 12050;

struct Gpu {
  char name[96];
  int major, minor; ///< compute capability: code for sm_<major><minor> runs
};

/// Describes GPU `id`. FOVEA_UNSUPPORTED without a driver, with one that is too
/// old, or without such a GPU; FOVEA_DEVICE with the driver's own words where
/// it reports an error. The driver is libcuda.so.1, or what FOVEA_CUDA_LIBRARY
/// names, and is loaded once for the process.
fovea_status describeGpu(int id, Gpu &out);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_CUDA_DRIVER_H
