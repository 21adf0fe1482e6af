// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Looks the driver's functions up and says what stands in the way.
#include "runtime/cuda/Driver.h"
#include "runtime/base/Library.h"
#include "runtime/base/Status.h"

#include <cstdio>
#include <cstdlib>
#include <type_traits>

namespace fovea::rt {

namespace {

struct Loaded {
  CudaDriver driver{};
  /// What the loader said, empty if every function is there.
  char reason[256] = {};

  Loaded();
};

} // namespace

Loaded::Loaded() {
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
#define FOVEA_CUDA_FIND(member, name, parameters) find(driver.member, name);
  FOVEA_CUDA_CALLS(FOVEA_CUDA_FIND)
#undef FOVEA_CUDA_FIND
}

/// The driver's name of a call.
static const char *exportedName(const char *member) {
  static constexpr struct {
    const char *member, *name;
  } names[] = {
#define FOVEA_CUDA_NAME(member, name, parameters) {#member, name},
      FOVEA_CUDA_CALLS(FOVEA_CUDA_NAME)
#undef FOVEA_CUDA_NAME
  };
  for (auto [known, name] : names)
    if (!std::strcmp(known, member))
      return name;
  return member;
}

fovea_status CudaDriver::check(CuResult result, const char *call) const {
  if (result == cuSuccess)
    return FOVEA_OK;
  // Both leave the pointer alone, or set it to NULL, for numbers unknown to
  // them.
  const char *name = nullptr, *text = nullptr;
  getErrorName(result, &name);
  getErrorString(result, &text);
  return fail(result == cuOutOfMemory ? FOVEA_NO_MEMORY : FOVEA_DEVICE,
              "%s: expected success, got %s (%d): %s", exportedName(call),
              name ? name : "an unknown error", result,
              text ? text : "the driver has no text for it");
}

static fovea_status initialise(const Loaded &loaded) {
  const CudaDriver &driver = loaded.driver;
  if (*loaded.reason)
    return fail(FOVEA_UNSUPPORTED,
                "expected NVIDIA's driver (libcuda.so.1, or what "
                "FOVEA_CUDA_LIBRARY names), got: %s",
                loaded.reason);
  int version = 0;
  if (fovea_status st = FOVEA_CUDA(driver, driverGetVersion, &version))
    return st;
  if (version < leastCudaDriver)
    return fail(FOVEA_UNSUPPORTED,
                "expected NVIDIA's driver for CUDA %d.%d or later, got one for "
                "CUDA %d.%d; install a newer one",
                leastCudaDriver / 1000, leastCudaDriver % 1000 / 10,
                version / 1000, version % 1000 / 10);
  CuResult result = driver.init(0);
  // A machine with the driver and without a GPU: not an error of either.
  if (result == cuNoDevice)
    return fail(FOVEA_UNSUPPORTED, "expected a GPU, got a driver without one");
  return driver.check(result, "init");
}

fovea_status cudaDriver(const CudaDriver *&out) {
  static const Loaded loaded;
  out = &loaded.driver;
  return initialise(loaded);
}

} // namespace fovea::rt
