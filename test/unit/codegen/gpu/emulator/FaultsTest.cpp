// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels with one fault each: the emulator reports all of them, and says what
// was wrong, in which thread and call.
#include "test/unit/codegen/gpu/emulator/Fixture.h"

#include <gtest/gtest.h>

using namespace fovea::emulator;

namespace {
struct Fault {
  const char *name;
  int32_t error;
  /// A part of the message.
  const char *says;
  uint32_t threads;
  Body body;
};
} // namespace

alignas(16) static uint8_t global[64];
alignas(16) static const uint8_t constant[64] = {};

static uint32_t base(UnitPtr unit) { return calls().shared_memory(unit); }

static const std::vector<Fault> &faults() {
  static const std::vector<Fault> list = {
      {"read before write", FOVEA_EMULATOR_UNINITIALISED,
       "thread 0: load of shared memory: expected shared offset 8 to have been "
       "written",
       32, [](UnitPtr unit, uint32_t) { loadShared<uint32_t>(unit, 8); }},
      {"no barrier between write and read", FOVEA_EMULATOR_UNINITIALISED,
       "thread 0: load of shared memory", 64,
       [](UnitPtr unit, uint32_t thread) {
         storeShared(unit, 4 * thread, thread);
         loadShared<uint32_t>(unit, 4 * (63 - thread));
       }},
      {"load beyond the shared memory", FOVEA_EMULATOR_BOUNDS,
       "within the shared memory, [0, 4096), got offset 4096", 32,
       [](UnitPtr unit, uint32_t) { loadShared<uint32_t>(unit, 4096); }},
      {"store before the shared memory", FOVEA_EMULATOR_BOUNDS, "got offset -4",
       32, [](UnitPtr unit, uint32_t) { storeShared(unit, uint32_t(-4), 1); }},
      {"misaligned shared store", FOVEA_EMULATOR_MISALIGNED,
       "aligned to 4, got offset 2", 32,
       [](UnitPtr unit, uint32_t) { storeShared(unit, 2, 1); }},
      {"misaligned global load", FOVEA_EMULATOR_MISALIGNED,
       "global address aligned to 4", 32,
       [](UnitPtr unit, uint32_t) {
         uint32_t out;
         calls().load_global(unit, global + 2, &out, 4, 0);
       }},
      {"global load beyond its buffer", FOVEA_EMULATOR_BOUNDS,
       "expected 8 bytes within one of the 2 buffers", 32,
       [](UnitPtr unit, uint32_t) {
         uint64_t out;
         calls().load_global(unit, global + 64, &out, 8, 0);
       }},
      {"store to a read-only buffer", FOVEA_EMULATOR_BOUNDS,
       "byte 4 of read-only buffer 1", 32,
       [](UnitPtr unit, uint32_t) {
         uint32_t one = 1;
         calls().store_global(unit, const_cast<uint8_t *>(constant) + 4, &one,
                              4, 0);
       }},
      {"read before the copy's wait", FOVEA_EMULATOR_IN_FLIGHT,
       "expected a wait for the async copy to shared offset 0, got a read", 32,
       [](UnitPtr unit, uint32_t) {
         calls().copy_async(unit, base(unit), constant, 16, 16);
         calls().copy_async_commit(unit);
         loadShared<uint32_t>(unit, 0);
       }},
      {"wait for one group too few", FOVEA_EMULATOR_IN_FLIGHT,
       "shared offset 16, got a read", 32,
       [](UnitPtr unit, uint32_t) {
         for (uint32_t i = 0; i < 2; ++i) {
           calls().copy_async(unit, base(unit) + 16 * i, constant, 16, 16);
           calls().copy_async_commit(unit);
         }
         calls().copy_async_wait(unit, 1);
         loadShared<uint32_t>(unit, 16);
       }},
      {"copy without a commit", FOVEA_EMULATOR_IN_FLIGHT,
       "shared offset 0, got a read", 32,
       [](UnitPtr unit, uint32_t) {
         calls().copy_async(unit, base(unit), constant, 16, 16);
         calls().copy_async_wait(unit, 0);
         loadShared<uint32_t>(unit, 0);
       }},
      {"buffer written again while in flight", FOVEA_EMULATOR_IN_FLIGHT,
       "got a write before it", 32,
       [](UnitPtr unit, uint32_t) {
         calls().copy_async(unit, base(unit), constant, 16, 16);
         storeShared(unit, 4, 1);
       }},
      {"copy from beyond its buffer", FOVEA_EMULATOR_BOUNDS,
       "copy_async: expected 16 bytes within one of", 32,
       [](UnitPtr unit, uint32_t) {
         calls().copy_async(unit, base(unit), global + 64, 16, 16);
       }},
      {"copy of a size PTX has not", FOVEA_EMULATOR_INVALID,
       "expected 4, 8 or 16 bytes, got 12", 32,
       [](UnitPtr unit, uint32_t) {
         calls().copy_async(unit, base(unit), global, 12, 12);
       }},
      {"barrier in one branch only", FOVEA_EMULATOR_DEADLOCK,
       "deadlock; 32 threads wait at barrier 3 of 64 threads: threads 32..63; "
       "32 threads have ended",
       64,
       [](UnitPtr unit, uint32_t thread) {
         if (thread >= 32)
           calls().barrier(unit, 3, 64);
       }},
      {"two warps at different barriers", FOVEA_EMULATOR_DEADLOCK,
       "32 threads wait at barrier 0 of 64 threads: threads 0..31; 32 threads "
       "wait at barrier 1 of 64 threads: threads 32..63",
       64,
       [](UnitPtr unit, uint32_t thread) {
         calls().barrier(unit, thread / 32, 64);
       }},
      {"two counts for one barrier", FOVEA_EMULATOR_INVALID,
       "expected barrier 1 to be of 64 threads", 64,
       [](UnitPtr unit, uint32_t thread) {
         calls().barrier(unit, 1, thread < 32 ? 64 : 32);
       }},
      {"barrier 16", FOVEA_EMULATOR_INVALID,
       "expected a barrier from 0 to 15, got 16", 32,
       [](UnitPtr unit, uint32_t) { calls().barrier(unit, 16, 32); }},
      {"shuffle in a branch of half the lanes", FOVEA_EMULATOR_DEADLOCK,
       "16 threads wait at shuffle of warp 0: threads 0..15", 32,
       [](UnitPtr unit, uint32_t thread) {
         if (thread < 16)
           calls().shuffle(unit, FOVEA_EMULATOR_XOR, 1, 1);
       }},
      {"lanes in different calls", FOVEA_EMULATOR_DIVERGED,
       "in the same call, got shuffle in others", 32,
       [](UnitPtr unit, uint32_t thread) {
         if (thread < 31)
           calls().shuffle(unit, FOVEA_EMULATOR_XOR, 1, 1);
         else
           calls().vote(unit, FOVEA_EMULATOR_ANY, 1);
       }},
      {"lanes with different attributes", FOVEA_EMULATOR_DIVERGED,
       "expected the same attributes in all lanes of warp 0", 32,
       [](UnitPtr unit, uint32_t thread) {
         calls().vote(unit, thread % 2, 1);
       }},
      {"ldmatrix row that is not aligned", FOVEA_EMULATOR_MISALIGNED,
       "ldmatrix: expected a shared address aligned to 16, got offset 8", 32,
       [](UnitPtr unit, uint32_t) {
         uint32_t out;
         calls().ldmatrix(unit, 1, 0, base(unit) + 8, &out);
       }},
      {"spin on a flag nobody sets", FOVEA_EMULATOR_DEADLOCK,
       "expected a loop that waits to end", 32,
       [](UnitPtr unit, uint32_t) {
         uint32_t flag = 0;
         while (!flag)
           calls().load_global(unit, global, &flag, 4, FOVEA_EMULATOR_ACQUIRE);
       }},
      {"spin on a shared flag nobody sets", FOVEA_EMULATOR_DEADLOCK,
       "load of shared memory: expected a loop that waits to end", 32,
       [](UnitPtr unit, uint32_t thread) {
         uint32_t flag = 0;
         storeShared(unit, 4 * thread, flag);
         while (!flag)
           calls().load_shared_ordered(unit, base(unit) + 4 * thread, &flag, 4,
                                       FOVEA_EMULATOR_RELAXED);
       }},
  };
  return list;
}

TEST(EmulatorFaults, EachIsReported) {
  ASSERT_GE(faults().size(), 15u);
  for (const Fault &fault : faults())
    // Scheduling may change who finds it, not that it is found.
    for (uint32_t seed : {0u, 1u, 77u}) {
      Kernel kernel;
      kernel.threads = fault.threads;
      kernel.seed = seed;
      kernel.ranges = {{global, 64, 1, 0}, {constant, 64, 0, 0}};
      int32_t error = kernel.run(fault.body);
      if (seed && error == FOVEA_EMULATOR_OK) {
        EXPECT_STREQ(fault.name, "no barrier between write and read");
        continue;
      }
      EXPECT_EQ(error, fault.error) << fault.name << ": " << kernel.message;
      if (!seed)
        EXPECT_NE(kernel.message.find(fault.says), std::string::npos)
            << fault.name << ": " << kernel.message;
    }
}

// A failed launch leaves nothing behind.
TEST(EmulatorFaults, TheNextLaunchIsSound) {
  Kernel kernel;
  EXPECT_NE(kernel.run(faults()[0].body), 0);
  EXPECT_EQ(
      kernel.run([](UnitPtr unit, uint32_t) { calls().barrier(unit, 0, 32); }),
      0);
  EXPECT_EQ(kernel.message, "");
}
