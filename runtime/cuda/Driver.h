// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// NVIDIA's driver, found at run time: no CUDA is needed to build or to run on
// the CPU. Only what the runtime calls is looked up. The interface is C with
// stable numbers, so its header is not needed.
#ifndef FOVEA_RUNTIME_CUDA_DRIVER_H
#define FOVEA_RUNTIME_CUDA_DRIVER_H

#include <cstddef>
#include <cstdint>
#include <fovea/runtime.h>

namespace fovea::rt {

/// The oldest driver that takes our code, as cuDriverGetVersion counts: CUDA
/// 12.5 is the first whose compiler reads PTX 8.5.
inline constexpr int leastCudaDriver = 12050;

/// CUresult; a few are told apart.
using CuResult = int;
enum : CuResult {
  cuSuccess = 0,
  cuOutOfMemory = 2,
  cuNoDevice = 100,
};
/// CUdevice_attribute.
enum : int {
  cuMultiprocessors = 16,
  cuCapabilityMajor = 75,
  cuCapabilityMinor = 76,
  cuSharedBytes = 97, // of a CTA, opted in
};
/// CUfunction_attribute.
enum : int { cuMaxDynamicSharedBytes = 8 };
/// CUjit_option.
enum : int { cuJitErrorLog = 5, cuJitErrorLogBytes = 6 };
using CuPointer = unsigned long long; // CUdeviceptr

/// The calls: the member, and the exported name, which is that of the newest
/// version of its binary interface.
struct CudaDriver {
#define FOVEA_CUDA_CALLS(CALL)                                                 \
  CALL(init, "cuInit", (unsigned))                                             \
  CALL(driverGetVersion, "cuDriverGetVersion", (int *))                        \
  CALL(deviceGetCount, "cuDeviceGetCount", (int *))                            \
  CALL(deviceGet, "cuDeviceGet", (int *, int))                                 \
  CALL(deviceGetName, "cuDeviceGetName", (char *, int, int))                   \
  CALL(deviceGetAttribute, "cuDeviceGetAttribute", (int *, int, int))          \
  CALL(getErrorName, "cuGetErrorName", (CuResult, const char **))              \
  CALL(getErrorString, "cuGetErrorString", (CuResult, const char **))          \
  CALL(contextRetain, "cuDevicePrimaryCtxRetain", (void **, int))              \
  CALL(contextRelease, "cuDevicePrimaryCtxRelease_v2", (int))                  \
  CALL(contextPush, "cuCtxPushCurrent_v2", (void *))                           \
  CALL(contextPop, "cuCtxPopCurrent_v2", (void **))                            \
  CALL(contextSynchronize, "cuCtxSynchronize", ())                             \
  CALL(moduleLoad, "cuModuleLoadDataEx",                                       \
       (void **, const void *, unsigned, int *, void **))                      \
  CALL(moduleUnload, "cuModuleUnload", (void *))                               \
  CALL(moduleGetFunction, "cuModuleGetFunction",                               \
       (void **, void *, const char *))                                        \
  CALL(functionSetAttribute, "cuFuncSetAttribute", (void *, int, int))         \
  CALL(occupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor",               \
       (int *, void *, int, size_t))                                           \
  CALL(memAlloc, "cuMemAlloc_v2", (CuPointer *, size_t))                       \
  CALL(memFree, "cuMemFree_v2", (CuPointer))                                   \
  CALL(memGetInfo, "cuMemGetInfo_v2", (size_t *, size_t *))                    \
  CALL(hostAlloc, "cuMemHostAlloc", (void **, size_t, unsigned))               \
  CALL(hostFree, "cuMemFreeHost", (void *))                                    \
  CALL(copyToDevice, "cuMemcpyHtoDAsync_v2",                                   \
       (CuPointer, const void *, size_t, void *))                              \
  CALL(copyToHost, "cuMemcpyDtoHAsync_v2",                                     \
       (void *, CuPointer, size_t, void *))                                    \
  CALL(copyOnDevice, "cuMemcpyDtoDAsync_v2",                                   \
       (CuPointer, CuPointer, size_t, void *))                                 \
  CALL(fill, "cuMemsetD8Async", (CuPointer, unsigned char, size_t, void *))    \
  CALL(streamCreate, "cuStreamCreate", (void **, unsigned))                    \
  CALL(streamDestroy, "cuStreamDestroy_v2", (void *))                          \
  CALL(streamSynchronize, "cuStreamSynchronize", (void *))                     \
  CALL(streamWaitEvent, "cuStreamWaitEvent", (void *, void *, unsigned))       \
  CALL(eventCreate, "cuEventCreate", (void **, unsigned))                      \
  CALL(eventDestroy, "cuEventDestroy_v2", (void *))                            \
  CALL(eventRecord, "cuEventRecord", (void *, void *))                         \
  CALL(eventSynchronize, "cuEventSynchronize", (void *))                       \
  CALL(launch, "cuLaunchKernel",                                               \
       (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,    \
        unsigned, void *, void **, void **))                                   \
  CALL(captureBegin, "cuStreamBeginCapture_v2", (void *, int))                 \
  CALL(captureEnd, "cuStreamEndCapture", (void *, void **))                    \
  CALL(graphInstantiate, "cuGraphInstantiateWithFlags",                        \
       (void **, void *, unsigned long long))                                  \
  CALL(graphLaunch, "cuGraphLaunch", (void *, void *))                         \
  CALL(graphDestroy, "cuGraphDestroy", (void *))                               \
  CALL(graphExecDestroy, "cuGraphExecDestroy", (void *))

#define FOVEA_CUDA_MEMBER(member, name, parameters)                            \
  CuResult(*member) parameters;
  FOVEA_CUDA_CALLS(FOVEA_CUDA_MEMBER)
#undef FOVEA_CUDA_MEMBER

  /// Fails with the call and the driver's words for it; OK for success. Out of
  /// device memory is FOVEA_NO_MEMORY, all else FOVEA_DEVICE.
  fovea_status check(CuResult result, const char *call) const;
};

/// Calls a function of the driver and checks its result.
#define FOVEA_CUDA(driver, member, ...)                                        \
  (driver).check((driver).member(__VA_ARGS__), #member)

/// The driver, initialised. FOVEA_UNSUPPORTED without one, with one that is too
/// old or that has no GPU; FOVEA_DEVICE with the driver's own words where it
/// reports an error. The driver is libcuda.so.1, or what FOVEA_CUDA_LIBRARY
/// names, and is loaded once for the process.
fovea_status cudaDriver(const CudaDriver *&out);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_CUDA_DRIVER_H
