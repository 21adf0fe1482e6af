// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The driver's interface is C with stable numbers, so its header is not needed:
// a function's exported name is that of its newest version of ABI, which for
// these has never changed.
#include "runtime/cuda/Driver.h"
#include "runtime/base/Library.h"
#include "runtime/base/Status.h"

#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <utility>

namespace fovea::rt {

namespace {

using Result = int; // CUresult
constexpr Result success = 0, noDevice = 100;
constexpr int capabilityMajor = 75, capabilityMinor = 76; // CUdevice_attribute

struct Driver {
  Result (*init)(unsigned flags);
  Result (*driverGetVersion)(int *version);
  Result (*deviceGetCount)(int *count);
  Result (*deviceGet)(int *device, int ordinal);
  Result (*deviceGetName)(char *name, int size, int device);
  Result (*deviceGetAttribute)(int *value, int attribute, int device);
  Result (*getErrorName)(Result error, const char **text);
  Result (*getErrorString)(Result error, const char **text);

  /// What the loader said, empty if every function is there.
  char reason[256];

  Driver();
  /// Fails with the call and the driver's words for it; OK for success.
  fovea_status check(Result result, const char *call) const;
};

} // namespace

Driver::Driver() : reason{} {
  const char *given = std::getenv("FOVEA_CUDA_LIBRARY");
  const char *path = given && *given ? given : "libcuda.so.1";
  void *library = openLibraryAt(path, reason, sizeof reason);
  if (!library)
    return;
  auto find = [&](auto &function, const char *name) {
    void *symbol = findSymbol(library, name);
    if (!symbol && !*reason)
      std::snprintf(reason, sizeof reason, "%s has no %s", path, name);
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
        reinterpret_cast<uintptr_t>(symbol));
  };
  find(init, "cuInit");
  find(driverGetVersion, "cuDriverGetVersion");
  find(deviceGetCount, "cuDeviceGetCount");
  find(deviceGet, "cuDeviceGet");
  find(deviceGetName, "cuDeviceGetName");
  find(deviceGetAttribute, "cuDeviceGetAttribute");
  find(getErrorName, "cuGetErrorName");
  find(getErrorString, "cuGetErrorString");
}

fovea_status Driver::check(Result result, const char *call) const {
  if (result == success)
    return FOVEA_OK;
  // Both leave the pointer alone, or set it to NULL, for numbers unknown to
  // them.
  const char *name = nullptr, *text = nullptr;
  getErrorName(result, &name);
  getErrorString(result, &text);
  return fail(FOVEA_DEVICE, "%s: expected success, got %s (%d): %s", call,
              name ? name : "an unknown error", result,
              text ? text : "the driver has no text for it");
}

static fovea_status initialise(const Driver &driver) {
  if (*driver.reason)
    return fail(FOVEA_UNSUPPORTED,
                "expected NVIDIA's driver (libcuda.so.1, or what "
                "FOVEA_CUDA_LIBRARY names), got: %s",
                driver.reason);
  int version = 0;
  if (fovea_status st =
          driver.check(driver.driverGetVersion(&version), "cuDriverGetVersion"))
    return st;
  if (version < leastCudaDriver)
    return fail(FOVEA_UNSUPPORTED,
                "expected NVIDIA's driver for CUDA %d.%d or later, got one for "
                "CUDA %d.%d",
                leastCudaDriver / 1000, leastCudaDriver % 1000 / 10,
                version / 1000, version % 1000 / 10);
  Result result = driver.init(0);
  // A machine with the driver and without a GPU: not an error of either.
  if (result == noDevice)
    return fail(FOVEA_UNSUPPORTED, "expected a GPU, got a driver without one");
  return driver.check(result, "cuInit");
}

fovea_status describeGpu(int id, Gpu &out) {
  static const Driver driver;
  if (fovea_status st = initialise(driver))
    return st;
  int count = 0, device = 0;
  if (fovea_status st =
          driver.check(driver.deviceGetCount(&count), "cuDeviceGetCount"))
    return st;
  if (id < 0 || id >= count)
    return fail(FOVEA_UNSUPPORTED, "expected a GPU below %d, got %d", count,
                id);
  if (fovea_status st =
          driver.check(driver.deviceGet(&device, id), "cuDeviceGet"))
    return st;
  if (fovea_status st =
          driver.check(driver.deviceGetName(out.name, sizeof out.name, device),
                       "cuDeviceGetName"))
    return st;
  for (auto [attribute, value] : {std::pair{capabilityMajor, &out.major},
                                  std::pair{capabilityMinor, &out.minor}})
    if (fovea_status st =
            driver.check(driver.deviceGetAttribute(value, attribute, device),
                         "cuDeviceGetAttribute"))
      return st;
  return FOVEA_OK;
}

} // namespace fovea::rt
