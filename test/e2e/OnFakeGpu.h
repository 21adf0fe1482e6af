// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled specs on the GPU of the fake driver (test/support/FakeCuda.c), which
// runs the emulated code that a bundle has beside the GPU's.
#ifndef FOVEA_TEST_E2E_ONFAKEGPU_H
#define FOVEA_TEST_E2E_ONFAKEGPU_H

#include "test/e2e/CallTensor.h"
#include "test/e2e/Compiled.h"

#include <cmath>
#include <cstdlib>
#include <dlfcn.h>
#include <optional>
#include <random>

namespace fovea::e2e {

inline constexpr fovea_device kFakeGpu = {kDLCUDA, 0};

/// How often a call of the driver was made.
inline int driverCalls(const char *call) {
  void *library = dlopen(FAKE_CUDA, RTLD_NOW);
  auto count = reinterpret_cast<int (*)(const char *)>(
      reinterpret_cast<uintptr_t>(dlsym(library, "fake_cuda_calls")));
  return count(call);
}

/// A spec on the GPU, with a stream that can be captured.
class OnFakeGpu {
public:
  OnFakeGpu(const char *spec, const char *name) {
    setenv("FOVEA_CUDA_LIBRARY", FAKE_CUDA, 1);
    setenv("FAKE_CUDA_EMULATOR", EMULATOR, 1);
    setenv("FAKE_CUDA_CAPABILITY", "80", 1);
    auto made =
        Compiled::compile(spec, name, "sm_80,sm_80-emulated", 1, kFakeGpu);
    if (!made) {
      ADD_FAILURE() << llvm::toString(made.takeError());
      return;
    }
    compiled.emplace(std::move(*made));
    EXPECT_STREQ(fovea_kernel_target(kernel()), "sm_80");
    EXPECT_EQ(fovea_stream_create(context(), kFakeGpu, &stream), FOVEA_OK)
        << fovea_message();
  }
  ~OnFakeGpu() {
    if (stream)
      fovea_stream_destroy(context(), kFakeGpu, stream);
  }
  OnFakeGpu(const OnFakeGpu &) = delete;
  bool good() const { return stream; }
  fovea_kernel *kernel() const { return compiled->kernel(); }
  fovea_ctx *context() const { return compiled->context(); }
  fovea_status wait() const {
    return fovea_stream_wait(context(), kFakeGpu, stream);
  }

  fovea_stream stream = nullptr;

private:
  std::optional<Compiled> compiled;
};

/// A tensor of f16 in the GPU's memory, sent when it is made.
struct There {
  There(const OnFakeGpu &gpu, CallTensor &of) : gpu(gpu), of(of), dl(of.dl) {
    of.pack();
    bytes = of.halves.size() * sizeof(_Float16);
    EXPECT_EQ(fovea_device_alloc(gpu.context(), kFakeGpu, bytes, &dl.data),
              FOVEA_OK)
        << fovea_message();
    dl.device = {kDLCUDA, 0};
    copy(kFakeGpu, dl.data, FOVEA_CPU, of.dl.data);
  }
  ~There() { fovea_device_free(gpu.context(), kFakeGpu, dl.data); }
  There(const There &) = delete;
  void fetch() {
    copy(FOVEA_CPU, of.dl.data, kFakeGpu, dl.data);
    of.fetch();
  }
  void copy(fovea_device to, void *dst, fovea_device from, const void *src) {
    EXPECT_EQ(
        fovea_device_copy(gpu.context(), to, dst, from, src, bytes, nullptr),
        FOVEA_OK)
        << fovea_message();
    // Runs are on other streams.
    EXPECT_EQ(fovea_stream_wait(gpu.context(), kFakeGpu, nullptr), FOVEA_OK);
  }
  fovea_value value() const { return {FOVEA_TENSOR, {&dl}}; }

  const OnFakeGpu &gpu;
  CallTensor &of;
  DLTensor dl;
  size_t bytes;
};

inline void fillNormal(CallTensor &tensor, std::mt19937 &random) {
  std::normal_distribution<float> normal;
  for (float &x : tensor.data)
    x = normal(random);
  tensor.pack();
}

} // namespace fovea::e2e

#endif // FOVEA_TEST_E2E_ONFAKEGPU_H
