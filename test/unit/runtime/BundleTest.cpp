// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bundles: what a good one tells, and what each kind of damage gets.
#include "runtime/loader/Bundle.h"
#include "test/unit/runtime/Fixture.h"

#include <cstdio>
#include <functional>
#include <unistd.h>

using namespace fovea::test;

namespace {

TEST(Bundle, DescribesItself) {
  Loaded k(sumKernel());
  EXPECT_EQ(fovea_bundle_kernels(k.bundle), 1);
  EXPECT_STREQ(fovea_bundle_kernel_name(k.bundle, 0), "sum");
  EXPECT_EQ(fovea_bundle_kernel_name(k.bundle, 1), nullptr);
  ASSERT_EQ(fovea_kernel_args(k.kernel), 4);
  fovea_arg_info info{};
  info.size = sizeof info;
  ASSERT_FOVEA(fovea_kernel_arg(k.kernel, 0, &info));
  EXPECT_STREQ(info.name, "q");
  EXPECT_EQ(info.kind, FOVEA_TENSOR);
  EXPECT_EQ(info.dtype, FOVEA_DTYPE_F32);
  EXPECT_EQ(info.rank, 3);
  EXPECT_EQ(info.shape[0], -1);
  EXPECT_EQ(info.shape[1], 2);
  EXPECT_STREQ(info.dims[2], "sq");
  EXPECT_EQ(info.dims[1], nullptr);
  ASSERT_FOVEA(fovea_kernel_arg(k.kernel, 2, &info));
  EXPECT_EQ(info.kind, FOVEA_SCALAR);
  ASSERT_FOVEA(fovea_kernel_arg(k.kernel, 3, &info));
  EXPECT_EQ(info.is_result, 1);
  EXPECT_REFUSED(FOVEA_INVALID, "below 4, got 4",
                 fovea_kernel_arg(k.kernel, 4, &info));
  const char *const *remarks = nullptr;
  ASSERT_EQ(fovea_kernel_remarks(k.kernel, &remarks), 1);
  EXPECT_STREQ(remarks[0], "summing is not softmax");
  EXPECT_STREQ(fovea_kernel_target(k.kernel), "x86-64");
  const void *bytes = nullptr;
  size_t size = 0;
  ASSERT_FOVEA(fovea_bundle_bytes(k.bundle, &bytes, &size));
  std::vector<uint8_t> built = sumKernel().build();
  ASSERT_EQ(size, built.size());
  EXPECT_EQ(memcmp(bytes, built.data(), size), 0);
}

TEST(Bundle, OpensAFile) {
  std::string name = testing::TempDir() + "fovea-bundle-XXXXXX";
  const char *path = name.c_str();
  int fd = mkstemp(name.data());
  ASSERT_GE(fd, 0);
  std::vector<uint8_t> bytes = sumKernel().build();
  ASSERT_EQ(write(fd, bytes.data(), bytes.size()), ssize_t(bytes.size()));
  fovea_ctx *ctx = openContext();
  fovea_bundle *bundle = nullptr;
  ASSERT_FOVEA(fovea_bundle_open(ctx, path, &bundle));
  // The file may go away or change while the bundle is in use.
  ASSERT_EQ(ftruncate(fd, 10), 0);
  EXPECT_STREQ(fovea_bundle_kernel_name(bundle, 0), "sum");
  fovea_bundle_close(bundle);
  EXPECT_REFUSED(FOVEA_BAD_BUNDLE, "expected a bundle of at least",
                 fovea_bundle_open(ctx, path, &bundle));
  EXPECT_NE(std::string(fovea_message()).find(path), std::string::npos);
  close(fd);
  unlink(path);
  EXPECT_REFUSED(FOVEA_INVALID, "cannot open",
                 fovea_bundle_open(ctx, path, &bundle));
  EXPECT_REFUSED(FOVEA_INVALID, "to be a file",
                 fovea_bundle_open(ctx, testing::TempDir().c_str(), &bundle));
  fovea_close(ctx);
}

TEST(Bundle, KernelsAreFoundByName) {
  Loaded k(sumKernel());
  fovea_kernel *other = nullptr;
  EXPECT_REFUSED(FOVEA_INVALID, "one of the kernels sum, got 'product'",
                 fovea_kernel_get(k.bundle, "product", FOVEA_CPU, &other));
  fovea_device vulkan{7, 0};
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "1 (CPU) or 2 (CUDA), got kind 7",
                 fovea_kernel_get(k.bundle, "sum", vulkan, &other));
}

TEST(Bundle, EveryCutIsRefused) {
  std::vector<uint8_t> bytes = sumKernel().build();
  fovea_ctx *ctx = openContext();
  fovea_bundle *bundle = nullptr;
  for (size_t n = 0; n < bytes.size(); n += n < 4096 ? 1 : 97) {
    // A copy of the exact size, so that the address sanitizer sees overreads.
    std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + long(n));
    EXPECT_EQ(fovea_bundle_memory(ctx, cut.data() ? cut.data() : bytes.data(),
                                  n, &bundle),
              FOVEA_BAD_BUNDLE);
  }
  fovea_close(ctx);
}

TEST(Bundle, EveryFlippedBitIsRefused) {
  std::vector<uint8_t> bytes = sumKernel().build();
  fovea_ctx *ctx = openContext();
  fovea_bundle *bundle = nullptr;
  // The key, the compiler's id and the reserved words are not checked.
  size_t end = offsetof(fovea_bundle_header, key);
  for (size_t bit = 0; bit < bytes.size() * 8; bit += bit < 8192 ? 1 : 251) {
    if (bit / 8 >= end && bit / 8 < sizeof(fovea_bundle_header))
      continue;
    bytes[bit / 8] ^= uint8_t(1 << bit % 8);
    fovea_status st =
        fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle);
    EXPECT_TRUE(st == FOVEA_BAD_BUNDLE || st == FOVEA_UNSUPPORTED) << bit;
    bytes[bit / 8] ^= uint8_t(1 << bit % 8);
  }
  ASSERT_FOVEA(fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle));
  fovea_bundle_close(bundle);
  fovea_close(ctx);
}

/// Changes bytes of the frame and corrects the checksum.
void refuseFrame(const char *words,
                 const std::function<void(fovea_bundle_header &,
                                          fovea_bundle_section *)> &spoil,
                 fovea_status status = FOVEA_BAD_BUNDLE) {
  std::vector<uint8_t> bytes = sumKernel().build();
  auto *header = reinterpret_cast<fovea_bundle_header *>(bytes.data());
  spoil(*header, reinterpret_cast<fovea_bundle_section *>(header + 1));
  seal(bytes);
  fovea_ctx *ctx = openContext();
  fovea_bundle *bundle = nullptr;
  EXPECT_REFUSED(status, words,
                 fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle));
  fovea_close(ctx);
}

/// A bundle with code for a GPU of which something is wrong.
void refuseGpu(const std::string &words,
               const std::function<void(BundleBuilder &)> &spoil) {
  BundleBuilder b = sumKernel();
  b.gpuTarget("sm_90a");
  spoil(b);
  std::vector<uint8_t> bytes = b.build();
  fovea_ctx *ctx = openContext();
  fovea_bundle *bundle = nullptr;
  EXPECT_REFUSED(FOVEA_BAD_BUNDLE, words,
                 fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle));
  fovea_close(ctx);
}

TEST(Bundle, CodeForGpusIsChecked) {
  using B = BundleBuilder &;
  refuseGpu("a GPU_CODE section of index 1",
            [](B b) { b.targets[1].code_section = 1; });
  refuseGpu("a CODE section of index 0", [](B b) { b.code.clear(); });
  refuseGpu("an entry's launch", [](B b) { b.entries[1].launch = 2; });
  refuseGpu("a launch's kernel", [](B b) { b.launches[1].kernel = 1 << 20; });
  for (uint32_t threads : {0u, 16u, 33u, 1056u})
    refuseGpu("a launch's threads",
              [&](B b) { b.launches[0].threads = threads; });
  refuseGpu("a launch's shared_bytes",
            [](B b) { b.launches[0].shared_bytes = 232449; });
  refuseGpu("a launch's registers", [](B b) { b.launches[0].registers = 256; });
  for (uint64_t far : {uint64_t(1) << 40, UINT64_MAX}) {
    refuseGpu("inside the code", [&](B b) { b.launches[0].cubin = far; });
    refuseGpu("inside the code", [&](B b) { b.launches[0].cubin_bytes = far; });
    refuseGpu("inside the code", [&](B b) { b.launches[0].ptx = far; });
    refuseGpu("inside the code", [&](B b) { b.launches[0].ptx_bytes = far; });
  }
  refuseGpu("a cubin or PTX", [](B b) {
    b.launches[0].cubin_bytes = b.launches[0].ptx_bytes = 0;
  });
  refuseGpu("last byte of a launch's PTX",
            [](B b) { --b.launches[0].ptx_bytes; });
}

TEST(Bundle, CodeForGpusIsNotRunByACpu) {
  BundleBuilder b = sumKernel();
  b.gpuTarget("x86-64-v2"); // a name that a CPU would take
  Loaded k(b);
  EXPECT_STREQ(fovea_kernel_target(k.kernel), "x86-64");
  fovea_options options{};
  options.target = "x86-64-v2";
  EXPECT_EQ(fovea_kernel_target(Loaded(b, 1, options).kernel), nullptr);
}

TEST(Bundle, TheFrameIsChecked) {
  using H = fovea_bundle_header &;
  using S = fovea_bundle_section *;
  refuseFrame("to start with", [](H h, S) { h.magic = 1; });
  refuseFrame(
      "bundle version 8, got 9", [](H h, S) { h.version = 9; },
      FOVEA_UNSUPPORTED);
  refuseFrame(
      "ABI version 4, got 5", [](H h, S) { h.abi_version = 5; },
      FOVEA_UNSUPPORTED);
  refuseFrame("at most 64 sections", [](H h, S) { h.n_sections = 65; });
  refuseFrame("(its header)", [](H h, S) { h.file_size = 100; });
  refuseFrame("a kind between 1 and 20", [](H, S s) { s[0].kind = 21; });
  refuseFrame("a kind between 1 and 20", [](H, S s) { s[0].kind = 0; });
  refuseFrame("at a multiple of 64", [](H, S s) { s[0].offset += 32; });
  refuseFrame("to lie in", [](H, S s) { s[0].offset = 0; });
  refuseFrame("to lie in", [](H, S s) { s[0].size = UINT64_MAX; });
  refuseFrame("to lie in", [](H, S s) { s[0].offset = uint64_t(1) << 63; });
  refuseFrame("to have index 0", [](H, S s) { s[0].index = 1; });
  refuseFrame("one section STRINGS", [](H, S s) { s[1] = s[0]; });
  refuseFrame("to be a multiple of", [](H, S s) { s[1].size -= 1; });
}

TEST(Bundle, RefusesCodeForAnotherCpu) {
  KernelOptions options;
  options.target = "x86-64-v9";
  Loaded k(sumKernel(options));
  EXPECT_EQ(fovea_kernel_target(k.kernel), nullptr);
  SumStep step(1, 20, 20, 5);
  Plan plan(k.kernel, 64, 1, 64);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, step.data(), step.size()));
  EXPECT_GT(fovea_plan_items(plan, 0), 0);
  std::string words = std::string("this CPU, ") + fovea_host_target() +
                      ", got code for x86-64-v9";
  EXPECT_REFUSED(
      FOVEA_UNSUPPORTED, words,
      fovea_run(plan, 0, step.data(), step.size(), plan.workspace, nullptr));
  EXPECT_EQ(fovea_run_items(plan, 0, 0, 0, 1, 0, step.data(), step.size(),
                            plan.workspace),
            FOVEA_UNSUPPORTED);
}

TEST(Bundle, PlansWithoutAnyCode) {
  BundleBuilder b = sumKernel();
  b.code.clear();
  b.targets.clear();
  b.entries.clear();
  for (fovea_bundle_variant &v : b.variants)
    v.entries = {0, 0};
  Loaded k(b);
  SumStep step(1, 20, 20, 5);
  Plan plan(k.kernel, 64, 1, 64);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, step.data(), step.size()));
  EXPECT_EQ(fovea_plan_items(plan, 0), 6);
  EXPECT_REFUSED(
      FOVEA_UNSUPPORTED, "got code for none",
      fovea_run(plan, 0, step.data(), step.size(), plan.workspace, nullptr));
}

TEST(Bundle, PicksTheBestTarget) {
  if (std::string(fovea_host_target()) < "x86-64-v3")
    GTEST_SKIP() << "needs an x86-64-v3 CPU";
  BundleBuilder b = sumKernel();
  for (const char *name : {"x86-64-v3", "x86-64-v4+unheard-of"}) {
    uint32_t section = uint32_t(b.code.size());
    b.targets.push_back({b.string(name), FOVEA_TARGET_CPU, section, 0});
    b.code[section] = testImage();
  }
  std::vector<fovea_bundle_entry> entries;
  for (fovea_bundle_variant &v : b.variants) {
    uint64_t offset = b.entries[v.entries.first].offset;
    v.entries = {uint32_t(entries.size()), 3};
    for (uint32_t t = 0; t < 3; ++t)
      entries.push_back({t, 0, offset});
  }
  b.entries = entries;
  EXPECT_STREQ(fovea_kernel_target(Loaded(b).kernel), "x86-64-v3");
  fovea_options options{};
  options.target = "x86-64";
  EXPECT_STREQ(fovea_kernel_target(Loaded(b, 1, options).kernel), "x86-64");
  options.target = "x86-64-v4";
  EXPECT_EQ(fovea_kernel_target(Loaded(b, 1, options).kernel), nullptr);
  // A target that lacks one stage's code is none.
  b.variants[1].entries.count = 1;
  EXPECT_STREQ(fovea_kernel_target(Loaded(b).kernel), "x86-64");
}

TEST(Bundle, RunsTheVariantOfItsTarget) {
  if (std::string(fovea_host_target()) < "x86-64-v3")
    GTEST_SKIP() << "needs an x86-64-v3 CPU";
  // A launch compiled for two targets has a variant for each, in any order.
  BundleBuilder b = sumKernel();
  b.targets.push_back({b.string("x86-64-v3"), FOVEA_TARGET_CPU, 1, 0});
  b.code[1] = testImage();
  for (fovea_bundle_stage &s : b.stages) {
    fovea_bundle_variant base = b.variants[s.variants.first], other = base;
    base.name = b.string("baseline");
    other.name = b.string("wider");
    other.entries = {uint32_t(b.entries.size()), 1};
    b.entries.push_back({1, 0, b.entries[base.entries.first].offset});
    s.variants = {uint32_t(b.variants.size()), 2};
    b.variants.push_back(base);
    b.variants.push_back(other);
  }
  for (const char *target : {"x86-64-v3", "x86-64"}) {
    fovea_options options{};
    options.target = target;
    Loaded k(b, 2, options);
    EXPECT_STREQ(fovea_kernel_target(k.kernel), target);
    Plan plan(k.kernel, 64, 1, 4096);
    SumStep step(1, 20, 3000, 500);
    ASSERT_FOVEA(fovea_plan_update(plan, nullptr, step.data(), step.size()));
    fovea_phase_info info{};
    info.size = sizeof info;
    ASSERT_FOVEA(fovea_plan_phase(plan, 0, &info));
    EXPECT_STREQ(info.variant, target[6] ? "wider" : "baseline");
    ASSERT_FOVEA(
        fovea_run(plan, 0, step.data(), step.size(), plan.workspace, nullptr));
    EXPECT_EQ(step.wrong(), 0);
  }
  EXPECT_STREQ(fovea_kernel_target(Loaded(b).kernel), "x86-64-v3");
}

TEST(Bundle, HandlesKeepEachOtherAlive) {
  fovea_ctx *ctx = openContext();
  std::vector<uint8_t> bytes = sumKernel().build();
  fovea_bundle *bundle = nullptr;
  fovea_kernel *kernel = nullptr;
  ASSERT_FOVEA(fovea_bundle_memory(ctx, bytes.data(), bytes.size(), &bundle));
  ASSERT_FOVEA(fovea_kernel_get(bundle, "sum", FOVEA_CPU, &kernel));
  fovea_close(ctx);
  fovea_bundle_close(bundle);
  Plan plan(kernel, 64, 1, 64);
  fovea_kernel_release(kernel);
  SumStep step(1, 20, 33, 5);
  ASSERT_FOVEA(fovea_plan_update(plan, nullptr, step.data(), step.size()));
  ASSERT_FOVEA(
      fovea_run(plan, 0, step.data(), step.size(), plan.workspace, nullptr));
  EXPECT_EQ(step.wrong(), 0);
}

} // namespace
