// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The target registry: names, the host, and reasons.
#include "codegen/target/Target.h"
#include "codegen/target/Backend.h"
#include "codegen/target/Targets.h"

#include <gtest/gtest.h>

using namespace fovea;

static llvm::StringMap<bool> featuresOf(const TargetInfo &target) {
  llvm::StringMap<bool> features;
  for (const std::string &feature : target.required)
    features[feature] = true;
  return features;
}

TEST(Target, namesResolve) {
  for (const TargetInfo &target : allTargets()) {
    auto found = resolveTarget(target.name, llvm::StringMap<bool>());
    ASSERT_TRUE(bool(found));
    EXPECT_EQ(*found, &target);
  }
}

TEST(Target, hostIsTheMostCapableThatRuns) {
  for (const TargetInfo &target : cpuTargets()) {
    auto found = resolveTarget("host", featuresOf(target));
    ASSERT_TRUE(bool(found));
    EXPECT_EQ((*found)->name, target.name);
  }
}

TEST(Target, poorHostIsAnErrorWithTheReason) {
  llvm::StringMap<bool> features = featuresOf(allTargets().front());
  features["fma"] = false;
  auto found = resolveTarget("host", features);
  ASSERT_FALSE(bool(found));
  EXPECT_EQ(llvm::toString(found.takeError()),
            "expected a host that runs x86-64-v3 at least, but this machine "
            "lacks fma");
}

TEST(Target, missingFeaturesAreNamed) {
  const TargetInfo &v3 = allTargets()[0], &v4 = allTargets()[1];
  EXPECT_EQ(whyNotRunnable(v4, featuresOf(v4)), "");
  EXPECT_EQ(whyNotRunnable(v3, featuresOf(v4)), "");
  EXPECT_EQ(whyNotRunnable(v4, featuresOf(v3)),
            "this machine lacks avx512f, avx512bw, avx512cd, avx512dq, "
            "avx512vl");
}

TEST(Target, unknownNameGetsTheNearestAndTheList) {
  auto found = resolveTarget("x86-64-v5", llvm::StringMap<bool>());
  ASSERT_FALSE(bool(found));
  EXPECT_EQ(llvm::toString(found.takeError()),
            "unknown target 'x86-64-v5', did you mean 'x86-64-v3'? (targets: "
            "host, x86-64-v3, x86-64-v4, x86-64-v4+amx, sm_80, sm_90a, "
            "sm_80-emulated, sm_90a-emulated)");
}

TEST(Target, gpusAreEmulatedOrElsewhere) {
  llvm::StringMap<bool> none;
  for (const char *name : {"sm_80", "sm_90a"}) {
    const TargetInfo &real = **resolveTarget(name, none);
    EXPECT_TRUE(real.isGpu() && !real.emulated);
    EXPECT_EQ(whyNotRunnable(real, none), "its code is for a GPU");
    EXPECT_EQ(real.cpu, name);
    std::string longer = std::string(name) + "-emulated";
    const TargetInfo &emulated = **resolveTarget(longer, none);
    EXPECT_TRUE(emulated.isGpu() && emulated.emulated);
    // The code around the emulator's calls needs what x86-64-v3 has.
    EXPECT_EQ(whyNotRunnable(emulated, none),
              whyNotRunnable(describeX86V3(), none));
    EXPECT_EQ(emulated.isa, real.isa);
    EXPECT_EQ(emulated.cpu, "x86-64-v3");
  }
}

TEST(Target, listsDropDuplicates) {
  auto found = resolveTargets("x86-64-v4, x86-64-v3,x86-64-v4");
  ASSERT_TRUE(bool(found));
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0]->name, "x86-64-v4");
  EXPECT_EQ((*found)[1]->name, "x86-64-v3");
  auto empty = resolveTargets("x86-64-v3,,");
  ASSERT_FALSE(bool(empty));
  llvm::consumeError(empty.takeError());
}
