// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Barriers, shuffles, votes, atomics and the launch itself.
#include "test/unit/codegen/gpu/emulator/Fixture.h"

#include <gtest/gtest.h>

using namespace fovea::emulator;

TEST(EmulatorThreads, EveryThreadOfEveryCtaRunsOnce) {
  Kernel kernel;
  kernel.ctas = 3;
  kernel.threads = 96;
  std::vector<int> seen(3 * 96);
  ASSERT_EQ(kernel.run([&](UnitPtr unit, uint32_t thread) {
    EXPECT_EQ(calls().cta_count(unit), 3u);
    ++seen[calls().cta_id(unit) * 96 + thread];
  }),
            0)
      << kernel.message;
  EXPECT_EQ(seen, std::vector<int>(3 * 96, 1));
}

TEST(EmulatorThreads, ShufflesGiveWhatPtxSays) {
  Kernel kernel;
  ASSERT_EQ(kernel.run([&](UnitPtr unit, uint32_t lane) {
    auto shuffle = [&](uint32_t mode, uint32_t by) {
      return calls().shuffle(unit, mode, 100 + lane, by);
    };
    EXPECT_EQ(shuffle(FOVEA_EMULATOR_XOR, 5), 100 + (lane ^ 5));
    EXPECT_EQ(shuffle(FOVEA_EMULATOR_IDX, 31 - lane), 131 - lane);
    EXPECT_EQ(shuffle(FOVEA_EMULATOR_UP, 3), lane < 3 ? 100 + lane : 97 + lane);
    EXPECT_EQ(shuffle(FOVEA_EMULATOR_DOWN, 4),
              lane + 4 < 32 ? 104 + lane : 100 + lane);
    EXPECT_EQ(calls().vote(unit, FOVEA_EMULATOR_ANY, lane == 7), 1u);
    EXPECT_EQ(calls().vote(unit, FOVEA_EMULATOR_ALL, lane != 7), 0u);
    EXPECT_EQ(calls().vote(unit, FOVEA_EMULATOR_BALLOT, lane % 2), 0xaaaaaaaau);
  }),
            0)
      << kernel.message;
}

// A producer warp arrives, the others wait; two generations of one barrier.
TEST(EmulatorThreads, NamedBarriersOrderThreads) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    Kernel kernel;
    kernel.threads = 96;
    kernel.seed = seed;
    ASSERT_EQ(kernel.run([&](UnitPtr unit, uint32_t thread) {
      for (uint32_t turn = 0; turn < 2; ++turn) {
        if (thread < 32) {
          storeShared(unit, 4 * thread, thread + turn);
          calls().barrier_arrive(unit, 1, 96);
          calls().barrier(unit, 2, 96);
        } else {
          calls().barrier(unit, 1, 96);
          EXPECT_EQ(loadShared<uint32_t>(unit, 4 * (95 - thread) % 128),
                    (95 - thread) % 32 + turn);
          calls().barrier(unit, 2, 96);
        }
      }
    }),
              0)
        << kernel.message << " seed " << seed;
  }
}

TEST(EmulatorThreads, AtomicsAddUpAndLocksWork) {
  uint32_t count = 0, lock = 0, guarded = 0, most = 0;
  uint64_t wide = 0;
  float sum = 0;
  Kernel kernel;
  kernel.threads = 64;
  kernel.seed = 3;
  auto atomic = [](UnitPtr unit, void *at, uint32_t op, uint32_t type,
                   uint64_t value, uint64_t compare = 0) {
    return calls().atomic_global(unit, at, op, type, value, compare,
                                 FOVEA_EMULATOR_ACQ_REL);
  };
  ASSERT_EQ(kernel.run([&](UnitPtr unit, uint32_t thread) {
    atomic(unit, &count, FOVEA_EMULATOR_ADD, FOVEA_EMULATOR_I32, 2);
    atomic(unit, &wide, FOVEA_EMULATOR_ADD, FOVEA_EMULATOR_I64, 1ull << 40);
    atomic(unit, &most, FOVEA_EMULATOR_MAX, FOVEA_EMULATOR_I32, thread);
    atomic(unit, &sum, FOVEA_EMULATOR_ADD, FOVEA_EMULATOR_F32, 0x3f000000);
    while (atomic(unit, &lock, FOVEA_EMULATOR_CAS, FOVEA_EMULATOR_I32, 1, 0)) {
    }
    uint32_t value;
    calls().load_global(unit, &guarded, &value, 4, FOVEA_EMULATOR_ACQUIRE);
    value += 1;
    calls().store_global(unit, &guarded, &value, 4, FOVEA_EMULATOR_WEAK);
    uint32_t zero = 0;
    calls().store_global(unit, &lock, &zero, 4, FOVEA_EMULATOR_RELEASE);
  }),
            0)
      << kernel.message;
  EXPECT_EQ(count, 128u);
  EXPECT_EQ(wide, 64ull << 40);
  EXPECT_EQ(most, 63u);
  EXPECT_EQ(sum, 32.0f);
  EXPECT_EQ(guarded, 64u);
}

TEST(EmulatorThreads, LaunchRefusesSizesOutsideOfPtx) {
  auto nothing = [](UnitPtr, uint32_t) {};
  Kernel odd;
  odd.threads = 33;
  EXPECT_EQ(odd.run(nothing), FOVEA_EMULATOR_INVALID);
  EXPECT_EQ(odd.message, "kernel test: expected threads to be a multiple of 32 "
                         "up to 1024, got 33");
  Kernel large;
  large.sharedBytes = 232449;
  EXPECT_EQ(large.run(nothing), FOVEA_EMULATOR_INVALID);
  fovea_emulator_launch_t older = {};
  older.size = 8;
  EXPECT_EQ(calls().launch(&older), FOVEA_EMULATOR_INVALID);
}
