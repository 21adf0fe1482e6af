// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The race detector: it finds planted races whatever the order of the threads,
// and says nothing of kernels that order what they do.
#include "test/unit/codegen/gpu/emulator/Fixture.h"

#include <gtest/gtest.h>

using namespace fovea::emulator;

namespace {
struct Race {
  const char *name;
  /// A part of the message; with another seed the other access may be told.
  const char *says;
  uint32_t threads;
  Body body;
  uint32_t ctas = 1;
};
} // namespace

alignas(16) static uint32_t global[1024];

static uint32_t base(UnitPtr unit) { return calls().shared_memory(unit); }
static void barrier(UnitPtr unit, uint32_t id, uint32_t threads) {
  calls().barrier(unit, id, threads);
}

// A ring of `slots` slots of 64 bytes through eight rounds: thread 0 fills
// them by bulk copies, warp 1 reads them and gives each back: `early` before
// all of its lanes have read.
static void ring(UnitPtr unit, uint32_t thread, uint32_t slots, bool early) {
  const auto &call = calls();
  uint32_t full = base(unit) + 2048, empty = base(unit) + 2304;
  if (thread == 0)
    for (uint32_t s = 0; s < slots; ++s) {
      call.mbarrier_init(unit, full + 8 * s, 1);
      call.mbarrier_init(unit, empty + 8 * s, early ? 1 : 32);
    }
  barrier(unit, 0, 64);
  for (uint32_t i = 0; i < 8; ++i) {
    uint32_t slot = i % slots, parity = i / slots % 2;
    uint32_t at = base(unit) + 64 * slot;
    if (thread == 0) {
      call.mbarrier_wait(unit, empty + 8 * slot, parity ^ 1);
      call.mbarrier_arrive_expect_tx(unit, full + 8 * slot, 64);
      call.bulk_copy(unit, at, &global[16 * i], 64, full + 8 * slot);
    } else if (thread >= 32) {
      call.mbarrier_wait(unit, full + 8 * slot, parity);
      // Too early: one lane gives the slot back before the others have read.
      if (early && thread == 32)
        call.mbarrier_arrive(unit, empty + 8 * slot);
      loadShared<uint32_t>(unit, 64 * slot + 4 * (thread % 16));
      if (!early)
        call.mbarrier_arrive(unit, empty + 8 * slot);
    }
  }
}

// Two rounds of cp.async through one buffer; `again` is the barrier behind the
// reads.
static void rounds(UnitPtr unit, uint32_t thread, bool again) {
  for (uint32_t i = 0; i < 2; ++i) {
    calls().copy_async(unit, base(unit) + 4 * thread, &global[thread], 4, 4);
    calls().copy_async_commit(unit);
    calls().copy_async_wait(unit, 0);
    barrier(unit, 0, 64);
    loadShared<uint32_t>(unit, 4 * (63 - thread));
    if (again)
      barrier(unit, 0, 64);
  }
}

// Thread 0 publishes a word of shared memory by a flag that thread 32 waits
// for.
static void publish(UnitPtr unit, uint32_t thread, uint32_t store,
                    uint32_t load, bool fences) {
  const auto &call = calls();
  uint32_t zero = 0, one = 1, flag = base(unit) + 64;
  if (thread == 0)
    call.store_shared(unit, flag, &zero, 4);
  barrier(unit, 0, 64);
  if (thread == 0) {
    storeShared(unit, 0, 7u);
    if (fences)
      call.fence(unit);
    call.store_shared_ordered(unit, flag, &one, 4, store);
  } else if (thread == 32) {
    uint32_t now = 0;
    while (!now)
      call.load_shared_ordered(unit, flag, &now, 4, load);
    if (fences)
      call.fence(unit);
    EXPECT_EQ(loadShared<uint32_t>(unit, 0), 7u);
  }
}

// The CTAs add up; the last one reads what all of them have stored.
static void lastOne(UnitPtr unit, uint32_t thread, uint32_t order) {
  const auto &call = calls();
  uint32_t cta = call.cta_id(unit), value = cta;
  call.store_global(unit, &global[32 * cta + thread], &value, 4, 0);
  barrier(unit, 0, 32);
  if (thread == 0) {
    uint32_t old = uint32_t(call.atomic_global(
        unit, &global[1000], FOVEA_EMULATOR_ADD, 0, 1, 0, order));
    storeShared(unit, 0, old);
  }
  barrier(unit, 0, 32);
  if (loadShared<uint32_t>(unit, 0) == call.cta_count(unit) - 1)
    for (uint32_t i = 0; i < call.cta_count(unit); ++i)
      call.load_global(unit, &global[32 * i + thread], &value, 4, 0);
}

// A warpgroup multiplies by what lies in shared memory; thread 0 changes that
// behind the wait and a barrier, or too early.
static void multiply(UnitPtr unit, uint32_t thread, bool early) {
  const auto &call = calls();
  storeShared(unit, 8 * thread, uint64_t(0));
  call.fence_async_proxy(unit);
  barrier(unit, 0, 128);
  uint32_t a[4] = {}, c[4] = {};
  uint64_t b = uint64_t(1) << 62 | uint64_t(64) << 32 | base(unit) >> 4;
  call.wgmma_fence(unit);
  call.wgmma(unit, 1, 8, 4, 0, a, b, c, c);
  call.wgmma_commit(unit);
  if (early && thread == 0)
    storeShared(unit, 0, 1u);
  call.wgmma_wait(unit, 0, 4, c, c);
  barrier(unit, 0, 128);
  if (thread == 0)
    storeShared(unit, 0, 1u);
}

// Thread 0 stores a line by TMA; thread 32 changes it behind a barrier, which
// is too early if thread 0 has not waited.
static void storeLine(UnitPtr unit, uint32_t thread, bool waits) {
  const auto &call = calls();
  fovea_emulator_tensor_map_t map = {};
  map.base = global;
  map.rank = 1;
  map.element_bytes = 4;
  map.dims[0] = map.box[0] = 32;
  map.strides[0] = 4;
  if (thread < 32)
    storeShared(unit, 4 * thread, thread);
  call.fence_async_proxy(unit);
  barrier(unit, 0, 64);
  int32_t zero = 0;
  if (thread == 0) {
    call.tma_store(unit, 1, &map, &zero, base(unit));
    call.bulk_commit(unit);
    if (waits)
      call.bulk_wait(unit, 0);
  }
  barrier(unit, 0, 64);
  if (thread == 32)
    storeShared(unit, 0, 1u);
  if (thread == 0)
    call.bulk_wait(unit, 0);
}

static const std::vector<Race> &races() {
  static const std::vector<Race> list = {
      {"no barrier between the write and the read of another warp",
       "expected something to order the write of shared offset 0 by thread 0 "
       "before this access by thread 32, got a race",
       64,
       [](UnitPtr unit, uint32_t thread) {
         storeShared(unit, 4 * (thread % 32), thread);
       }},
      {"warp barrier instead of the CTA's", "load of shared memory", 64,
       [](UnitPtr unit, uint32_t thread) {
         storeShared(unit, 4 * thread, thread);
         barrier(unit, 0, 64);
         storeShared(unit, 4 * thread, thread);
         calls().warp_barrier(unit);
         if (thread >= 32)
           loadShared<uint32_t>(unit, 4 * (thread - 32));
       }},
      {"barrier of the wrong id for half of the threads",
       "shared offset 248 by thread 62 before this access by thread 126", 128,
       [](UnitPtr unit, uint32_t thread) {
         storeShared(unit, 4 * thread, thread);
         barrier(unit, 0, 128);
         storeShared(unit, 4 * thread, thread);
         barrier(unit, thread < 64 ? 1 : 2, 64);
         if (thread >= 64)
           loadShared<uint32_t>(unit, 4 * (thread - 64));
       }},
      {"arrives where it should wait", "by thread 63 before this access", 64,
       [](UnitPtr unit, uint32_t thread) {
         storeShared(unit, 4 * thread, thread);
         barrier(unit, 0, 64);
         storeShared(unit, 4 * thread, thread);
         if (thread < 32)
           barrier(unit, 1, 64);
         else
           calls().barrier_arrive(unit, 1, 64);
         if (thread >= 32)
           loadShared<uint32_t>(unit, 4 * (thread - 32));
       }},
      {"no barrier before the buffer is filled again",
       "by thread 63 before this access by thread 0", 64,
       [](UnitPtr unit, uint32_t thread) { rounds(unit, thread, false); }},
      {"ring slot given back too early", "the read of shared offset", 64,
       [](UnitPtr unit, uint32_t thread) { ring(unit, thread, 2, true); }},
      {"wait for the mbarrier of another copy",
       "by a copy to shared memory before this access by thread 32", 64,
       [](UnitPtr unit, uint32_t thread) {
         uint32_t first = base(unit) + 256, second = base(unit) + 264;
         if (thread == 0) {
           calls().mbarrier_init(unit, first, 1);
           calls().mbarrier_init(unit, second, 1);
         }
         barrier(unit, 0, 64);
         if (thread == 0)
           for (uint32_t i = 0; i < 2; ++i) {
             uint32_t at = i ? second : first;
             calls().mbarrier_arrive_expect_tx(unit, at, 64);
             calls().bulk_copy(unit, base(unit) + 64 * i, global, 64, at);
           }
         if (thread == 32) {
           calls().mbarrier_wait(unit, second, 0);
           loadShared<uint32_t>(unit, 0);
         }
       }},
      {"mbarrier used by another warp before a barrier", "mbarrier", 64,
       [](UnitPtr unit, uint32_t thread) {
         if (thread == 0)
           calls().mbarrier_init(unit, base(unit), 32);
         calls().warp_barrier(unit);
         if (thread >= 32)
           calls().mbarrier_arrive(unit, base(unit));
       }},
      {"relaxed flag without fences",
       "the write of shared offset 0 by thread 0 before this access by "
       "thread 32",
       64,
       [](UnitPtr unit, uint32_t thread) {
         publish(unit, thread, FOVEA_EMULATOR_RELAXED, FOVEA_EMULATOR_RELAXED,
                 false);
       }},
      {"store beside atomics", "shared offset 0", 64,
       [](UnitPtr unit, uint32_t thread) {
         if (thread == 0)
           storeShared(unit, 0, 0u);
         barrier(unit, 0, 64);
         if (thread == 32)
           storeShared(unit, 0, 1u);
         else
           calls().atomic_shared(unit, base(unit), FOVEA_EMULATOR_ADD, 0, 1, 0,
                                 FOVEA_EMULATOR_RELAXED);
       }},
      {"operand of a product changed before its wait",
       "by a wgmma of warpgroup 0 before this access by thread 0", 128,
       [](UnitPtr unit, uint32_t thread) { multiply(unit, thread, true); }},
      {"source of a bulk store changed before its wait",
       "by a bulk store before this access by thread 32", 64,
       [](UnitPtr unit, uint32_t thread) { storeLine(unit, thread, false); }},
      {"two threads write one word of global memory",
       "the write of global address", 64,
       [](UnitPtr unit, uint32_t thread) {
         calls().store_global(unit, &global[thread % 32], &thread, 4, 0);
       }},
      {"two CTAs write one word of global memory",
       "by thread 3 of cta 0 before this access", 32,
       [](UnitPtr unit, uint32_t thread) {
         if (thread == 3)
           calls().store_global(unit, &global[5], &thread, 4, 0);
       },
       2},
      {"the last CTA does not acquire", "of cta 0 before this access", 32,
       [](UnitPtr unit, uint32_t thread) {
         lastOne(unit, thread, FOVEA_EMULATOR_RELAXED);
       },
       3},
  };
  return list;
}

static const std::vector<Race> &orderly() {
  static const std::vector<Race> list = {
      {"barrier of the CTA", "", 128,
       [](UnitPtr unit, uint32_t thread) {
         for (int i = 0; i < 3; ++i) {
           storeShared(unit, 4 * thread, thread);
           barrier(unit, 0, 128);
           loadShared<uint32_t>(unit, 4 * (127 - thread));
           barrier(unit, 0, 128);
         }
       }},
      {"partial barriers of other ids", "", 128,
       [](UnitPtr unit, uint32_t thread) {
         storeShared(unit, 4 * thread, thread);
         barrier(unit, 1 + thread / 64, 64);
         loadShared<uint32_t>(unit, 4 * (thread ^ 63));
         barrier(unit, 0, 128);
         loadShared<uint32_t>(unit, 4 * (127 - thread));
       }},
      {"arrive and wait", "", 64,
       [](UnitPtr unit, uint32_t thread) {
         if (thread < 32) {
           storeShared(unit, 4 * thread, thread);
           calls().barrier_arrive(unit, 3, 64);
         } else {
           barrier(unit, 3, 64);
           loadShared<uint32_t>(unit, 4 * (63 - thread));
         }
       }},
      {"warp barrier and shuffles in a warp", "", 64,
       [](UnitPtr unit, uint32_t thread) {
         storeShared(unit, 4 * thread, thread);
         calls().warp_barrier(unit);
         loadShared<uint32_t>(unit, 4 * (thread ^ 31));
         calls().shuffle(unit, FOVEA_EMULATOR_XOR, thread, 1);
         storeShared(unit, 4 * (thread ^ 31), thread);
       }},
      {"bytes of one word by four threads", "", 32,
       [](UnitPtr unit, uint32_t thread) {
         storeShared(unit, thread, uint8_t(thread));
         EXPECT_EQ(loadShared<uint8_t>(unit, thread), thread);
         uint16_t half = uint16_t(thread);
         calls().store_global(
             unit, reinterpret_cast<uint16_t *>(global) + thread, &half, 2, 0);
       }},
      {"cp.async, wait, barrier", "", 64,
       [](UnitPtr unit, uint32_t thread) { rounds(unit, thread, true); }},
      {"ring of bulk copies", "", 64,
       [](UnitPtr unit, uint32_t thread) { ring(unit, thread, 3, false); }},
      {"release and acquire", "", 64,
       [](UnitPtr unit, uint32_t thread) {
         publish(unit, thread, FOVEA_EMULATOR_RELEASE, FOVEA_EMULATOR_ACQUIRE,
                 false);
       }},
      {"relaxed flag between fences", "", 64,
       [](UnitPtr unit, uint32_t thread) {
         publish(unit, thread, FOVEA_EMULATOR_RELAXED, FOVEA_EMULATOR_RELAXED,
                 true);
       }},
      {"atomics beside atomics", "", 64,
       [](UnitPtr unit, uint32_t thread) {
         if (thread == 0)
           storeShared(unit, 0, 0u);
         barrier(unit, 0, 64);
         calls().atomic_shared(unit, base(unit), FOVEA_EMULATOR_ADD, 0, 1, 0,
                               FOVEA_EMULATOR_RELAXED);
         barrier(unit, 0, 64);
         EXPECT_EQ(loadShared<uint32_t>(unit, 0), 64u);
       }},
      {"operand of a product changed behind its wait", "", 128,
       [](UnitPtr unit, uint32_t thread) { multiply(unit, thread, false); }},
      {"source of a bulk store changed behind its wait", "", 64,
       [](UnitPtr unit, uint32_t thread) { storeLine(unit, thread, true); }},
      {"the last CTA acquires", "", 32,
       [](UnitPtr unit, uint32_t thread) {
         lastOne(unit, thread, FOVEA_EMULATOR_ACQ_REL);
       },
       3},
  };
  return list;
}

static int32_t launch(const Race &race, uint32_t seed, std::string &message) {
  Kernel kernel;
  kernel.threads = race.threads;
  kernel.ctas = race.ctas;
  kernel.seed = seed;
  kernel.ranges = {{global, sizeof global, 1, 0}};
  global[1000] = 0;
  int32_t error = kernel.run(race.body);
  message = kernel.message;
  return error;
}

TEST(EmulatorRaces, EachIsReportedWhateverTheOrder) {
  for (const Race &race : races())
    for (uint32_t seed : {0u, 1u, 5u, 77u}) {
      std::string message;
      int32_t error = launch(race, seed, message);
      // In another order a copy may still be on its way, which is told too.
      EXPECT_TRUE(error == FOVEA_EMULATOR_RACE ||
                  (seed && error == FOVEA_EMULATOR_IN_FLIGHT))
          << race.name << ", seed " << seed << ": " << message;
      if (!seed)
        EXPECT_NE(message.find(race.says), std::string::npos)
            << race.name << ": " << message;
    }
}

TEST(EmulatorRaces, NoFalseAlarm) {
  for (const Race &kernel : orderly())
    for (uint32_t seed : {0u, 1u, 5u, 77u, 1234u}) {
      std::string message;
      EXPECT_EQ(launch(kernel, seed, message), FOVEA_EMULATOR_OK)
          << kernel.name << ", seed " << seed << ": " << message;
    }
}
