// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a host hears that asks for a kernel on a GPU, with a driver that is a
// fake. The driver is loaded once for the process: each case has its own.
#include "test/unit/runtime/Fixture.h"

#include <cstdlib>

using namespace fovea::test;

namespace {

class Cuda : public testing::Test {
protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

/// Asks for a kernel on GPU `id`; prints the status and the message, and ends.
[[noreturn]] void ask(int id, const char *driver = FAKE_CUDA,
                      std::initializer_list<const char *> settings = {}) {
  setenv("FOVEA_CUDA_LIBRARY", driver, 1);
  for (const char *setting : settings)
    putenv(const_cast<char *>(setting));
  int status = FOVEA_OK;
  {
    Loaded k(sumKernel());
    fovea_kernel *kernel = nullptr;
    // Twice: what failed once fails alike, and nothing is loaded anew.
    for (int i = 0; i < 2; ++i)
      status = fovea_kernel_get(k.bundle, "sum", {kDLCUDA, id}, &kernel);
    std::fprintf(stderr, "%d, %s\n", status, fovea_message());
  }
  std::exit(status);
}

#define EXPECT_ANSWER(status, words, ...)                                      \
  EXPECT_EXIT(ask(__VA_ARGS__), testing::ExitedWithCode(status), words)

TEST_F(Cuda, NoDriver) {
  EXPECT_ANSWER(FOVEA_UNSUPPORTED,
                "expected NVIDIA's driver .*, got: .*no-such-driver.so", 0,
                "no-such-driver.so");
}

TEST_F(Cuda, ADriverThatLacksAFunction) {
  EXPECT_ANSWER(FOVEA_UNSUPPORTED, "got: .*has no cuGetErrorName", 0,
                FAKE_CUDA_LACKING);
}

TEST_F(Cuda, AnOldDriver) {
  EXPECT_ANSWER(FOVEA_UNSUPPORTED,
                "driver for CUDA 12.5 or later, got one for CUDA 12.2", 0,
                FAKE_CUDA, {"FAKE_CUDA_VERSION=12020"});
}

TEST_F(Cuda, NoGpu) {
  EXPECT_ANSWER(FOVEA_UNSUPPORTED, "expected a GPU, got a driver without one",
                0, FAKE_CUDA, {"FAKE_CUDA_GPUS=0"});
}

TEST_F(Cuda, AGpuThatIsNotThere) {
  EXPECT_ANSWER(FOVEA_UNSUPPORTED, "expected a GPU below 2, got 2", 2,
                FAKE_CUDA, {"FAKE_CUDA_GPUS=2"});
  EXPECT_ANSWER(FOVEA_UNSUPPORTED, "expected a GPU below 1, got -1", -1);
}

TEST_F(Cuda, TheDriversOwnErrors) {
  for (const char *call :
       {"cuDriverGetVersion", "cuInit", "cuDeviceGetCount", "cuDeviceGet",
        "cuDeviceGetName", "cuDeviceGetAttribute"}) {
    std::string known = std::string("FAKE_CUDA_FAILS=") + call + ":999";
    EXPECT_ANSWER(FOVEA_DEVICE,
                  std::string(call) + ": expected success, got "
                                      "CUDA_ERROR_UNKNOWN .999.: unknown error",
                  0, FAKE_CUDA, {known.c_str()});
  }
  EXPECT_ANSWER(FOVEA_DEVICE,
                "cuInit: expected success, got an unknown error .12345.: the "
                "driver has no text for it",
                0, FAKE_CUDA, {"FAKE_CUDA_FAILS=cuInit:12345"});
}

TEST_F(Cuda, ABundleWithoutCodeForTheGpu) {
  EXPECT_ANSWER(FOVEA_UNSUPPORTED,
                "kernel 'sum': expected code for sm_90 .Fake H200 1., got code "
                "for x86-64",
                1, FAKE_CUDA, {"FAKE_CUDA_GPUS=2"});
}

} // namespace
