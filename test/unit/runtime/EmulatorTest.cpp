// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels whose code is for an emulated GPU: the loader finds the emulator,
// workers launch at once. It is loaded once for the process: each case of one
// that cannot be has a process of its own.
#include "codegen/gpu/emulator/Emulator.h"
#include "test/unit/runtime/Fixture.h"

#include <fovea/abi.h>

#include <cstdlib>
#include <thread>

using namespace fovea::test;

static_assert(FOVEA_EMULATOR_VERSION == FOVEA_ABI_DEVICE_VERSION);
static_assert(offsetof(fovea_emulator_table_t, size) ==
              offsetof(fovea_abi_device, size));
static_assert(offsetof(fovea_emulator_table_t, version) ==
              offsetof(fovea_abi_device, version));

namespace {

class Emulator : public testing::Test {
protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    setenv("FOVEA_EMULATOR_LIBRARY", EMULATOR, 1);
  }
  BundleBuilder builder(const char *target = "sm_80-emulated") {
    return countKernel(3, Function::CountEmulated, target);
  }
};

TEST_F(Emulator, WorkersLaunchAtOnce) {
  for (int workers : {1, 4}) {
    Loaded k(builder(), workers);
    EXPECT_STREQ(fovea_kernel_target(k.kernel), "sm_80-emulated");
    Plan plan(k.kernel, 1000, 2, 64);
    Tensor q({2, 3, 43}), v({2, 1}), o({2, 3, 43});
    fovea_value args[] = {q.value(), v.value(), o.value()};
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, args, 3));
    for (int i = 1; i <= 3; ++i) {
      ASSERT_FOVEA(fovea_run(plan, 0, args, 3, plan.workspace, nullptr));
      for (int64_t j = 0; j < o.count(); ++j)
        ASSERT_EQ(o.at(j), float(i));
    }
  }
}

TEST_F(Emulator, TwoThreadsRunTwoKernels) {
  auto work = [&] {
    Loaded k(builder("sm_90a-emulated"));
    Plan plan(k.kernel, 1000, 2, 64);
    Tensor q({2, 3, 43}), v({2, 1}), o({2, 3, 43});
    fovea_value args[] = {q.value(), v.value(), o.value()};
    EXPECT_EQ(fovea_plan_update(plan, nullptr, args, 3), FOVEA_OK);
    for (int i = 1; i <= 3; ++i)
      EXPECT_EQ(fovea_run(plan, 0, args, 3, plan.workspace, nullptr), FOVEA_OK);
    for (int64_t j = 0; j < o.count(); ++j)
      EXPECT_EQ(o.at(j), 3.0f);
  };
  std::thread other(work);
  work();
  other.join();
}

TEST_F(Emulator, ErrorsAreInTheEmulatorsWords) {
  for (int workers : {1, 4}) {
    Loaded k(countKernel(3, Function::StuckEmulated, "sm_80-emulated"),
             workers);
    Plan plan(k.kernel, 1000, 2, 64);
    Tensor q({2, 3, 43}), v({2, 1}), o({2, 3, 43});
    fovea_value args[] = {q.value(), v.value(), o.value()};
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, args, 3));
    EXPECT_REFUSED(FOVEA_DEVICE,
                   "kernel 'count': stage 'count' on the emulated GPU: kernel "
                   "?, cta 0: deadlock",
                   fovea_run(plan, 0, args, 3, plan.workspace, nullptr));
    EXPECT_NE(std::string(fovea_message()).find("barrier 5"), std::string::npos)
        << fovea_message();
  }
}

TEST_F(Emulator, CodeOfTheCpuComesFirst) {
  BundleBuilder b = sumKernel({.target = "sm_80-emulated"});
  b.targets.push_back({b.string("x86-64"), FOVEA_TARGET_CPU, 0, 0});
  auto both = [&](fovea_bundle_variant &v) {
    fovea_bundle_entry entry = b.entries[v.entries.first];
    v.entries = {uint32_t(b.entries.size()), 2};
    b.entries.push_back(entry);
    b.entries.push_back({1, 0, entry.offset});
  };
  for (fovea_bundle_variant &v : b.variants)
    both(v);
  Loaded any(b);
  EXPECT_STREQ(fovea_kernel_target(any.kernel), "x86-64");
  fovea_options options{};
  options.target = "sm_80-emulated";
  Loaded chosen(b, 1, options);
  EXPECT_STREQ(fovea_kernel_target(chosen.kernel), "sm_80-emulated");
}

TEST_F(Emulator, NamesThatAreNone) {
  for (const char *name :
       {"-emulated", "xm_80-emulated", "sm_80-emulated2", "sm_80", "sm_90a"}) {
    Loaded k(builder(name));
    EXPECT_EQ(fovea_kernel_target(k.kernel), nullptr) << name;
  }
}

/// Asks for a kernel with such a library; prints the message, and ends.
[[noreturn]] void ask(const BundleBuilder &builder, const char *library) {
  setenv("FOVEA_EMULATOR_LIBRARY", library, 1);
  int status = FOVEA_OK;
  {
    fovea_ctx *ctx = openContext();
    fovea_bundle *bundle = nullptr;
    fovea_kernel *kernel = nullptr;
    std::vector<uint8_t> bytes = builder.build();
    if (fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle))
      std::exit(99);
    // Twice: what failed once fails alike, and nothing is loaded anew.
    for (int i = 0; i < 2; ++i)
      status = fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel);
    std::fprintf(stderr, "%d, %s\n", status, fovea_message());
    fovea_bundle_close(bundle);
    fovea_close(ctx);
  }
  std::exit(status);
}

TEST_F(Emulator, ALibraryThatIsNotThere) {
  EXPECT_EXIT(ask(builder(), "no-such-emulator.so"),
              testing::ExitedWithCode(FOVEA_UNSUPPORTED),
              "kernel 'count' for sm_80-emulated: expected the emulator of "
              "GPUs at no-such-emulator.so .beside the runtime, or where "
              "FOVEA_EMULATOR_LIBRARY says., got: no-such-emulator.so: cannot "
              "open");
}

TEST_F(Emulator, ALibraryThatIsNone) {
  EXPECT_EXIT(ask(builder(), NO_EMULATOR),
              testing::ExitedWithCode(FOVEA_UNSUPPORTED),
              "got: a library without fovea_emulator_get");
}

TEST_F(Emulator, ALibraryOfAnotherVersion) {
  EXPECT_EXIT(ask(builder(), OTHER_EMULATOR),
              testing::ExitedWithCode(FOVEA_UNSUPPORTED),
              "got: version 99 where code of this runtime needs version 1");
}

} // namespace
