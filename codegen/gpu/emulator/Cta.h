// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A CTA that runs: its threads, shared memory with a state per byte, barriers,
// and the scheduler. For the calls, which see it through their unit. All of it
// belongs to the thread that launched.
#ifndef FOVEA_CODEGEN_GPU_EMULATOR_CTA_H
#define FOVEA_CODEGEN_GPU_EMULATOR_CTA_H

#include "codegen/gpu/emulator/Emulator.h"
#include "codegen/gpu/emulator/Fiber.h"
#include "codegen/gpu/emulator/Races.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace fovea::emulator {
class Cta;

/// A cp.async that has been issued and not been waited for.
struct Copy {
  uint32_t shared;
  const char *global;
  uint32_t bytes, valid, group;
};

/// A copy of sm_90 on its way: contiguous bytes or a box.
struct Transfer {
  bool isBox;
  uint32_t shared, bytes, mbarrier, group;
  uint32_t number = 0; ///< of the race detector
  const char *global;
  fovea_emulator_tensor_map_t map;
  int32_t coordinates[5];
};

/// An mbarrier: arrivals and bytes that its phase still awaits.
struct Mbarrier {
  uint32_t address, count, pending;
  int64_t bytes;
  uint32_t phase;
  std::vector<uint32_t> waiting;
};

/// A wgmma: what it was given, and its accumulators, n / 2 per thread.
struct Product {
  uint32_t number, group, commit, kind, n, flags;
  uint64_t a, b;
  uint32_t race = 0; ///< its number for the race detector
  bool done = false;
  std::vector<uint32_t> registers, values;
};

/// Threads that meet in one call: a warp or a warpgroup.
struct Meeting {
  uint32_t arrived = 0;
  const char *op = nullptr;
  uint64_t key = 0;
  void *slots[128];
};

/// A named barrier: how many have arrived of how many, and who waits.
struct Barrier {
  uint32_t arrived = 0, expected = 0;
  std::vector<uint32_t> waiting;
};

/// The state of a byte of shared memory.
enum class Byte : uint8_t { Empty, Written, InFlight };

/// PTX's shared window starts here: 0 is never valid.
constexpr uint32_t sharedBase = 1024;

} // namespace fovea::emulator

/// A thread of a CTA.
struct fovea_emulator_unit {
  fovea::emulator::Cta *cta = nullptr;
  uint32_t id = 0;
  fovea::emulator::Context context;
  bool done = false;
  /// What it waits for, as the deadlock report says it.
  char waits[64] = "";
  uint32_t copyGroup = 0;
  std::vector<fovea::emulator::Copy> copies;
  uint32_t storeGroup = 0;
  std::vector<fovea::emulator::Transfer> stores;
  /// How often it has fenced for the async proxy.
  uint32_t fences = 0;
};

namespace fovea::emulator {
using Unit = fovea_emulator_unit;

class Cta {
public:
  /// Takes the launch's sizes; they have been checked.
  Cta(fovea_emulator_launch_t &launch, StackPool &stacks);

  /// Runs CTA `index` until all threads have ended or one has failed.
  fovea_emulator_error_t run(uint32_t index);

  /// Reports and gives up the launch. `op` is the call, the rest as printf.
  [[noreturn]] __attribute__((format(printf, 5, 6))) void
  fail(Unit *unit, fovea_emulator_error_t error, const char *op,
       const char *format, ...);

  /// Lets others run until `wake(unit)`; unit->waits says for what.
  void block(Unit *unit);
  void wake(uint32_t id);
  /// Lets others run first.
  void pass(Unit *unit);
  /// Sometimes does so, if the launch has a seed.
  void maybePass(Unit *unit);
  /// As `pass`, and fails if nothing else has happened for very long.
  void spin(Unit *unit, const char *op);

  /// All lanes of the unit's warp meet; the last one runs `run` on the slots.
  /// Lanes that are in another call, or with another key, have diverged.
  void meet(Unit *unit, const char *op, uint64_t key, void *slot,
            void (*run)(Cta &cta, Unit *unit, void **slots));

  /// The same for the 128 threads of a warpgroup.
  void meetGroup(Unit *unit, const char *op, uint64_t key, void *slot,
                 void (*run)(Cta &cta, Unit *unit, void **slots));

  /// Checks an access and gives the memory behind it. A reader needs written
  /// bytes, a writer none in flight.
  char *shared(Unit *unit, const char *op, uint32_t address, uint32_t bytes,
               uint32_t align, bool write);
  void setState(uint32_t address, uint32_t bytes, Byte state);
  char *sharedData(uint32_t address) { return memory() + address - sharedBase; }
  void checkGlobal(Unit *unit, const char *op, const void *address,
                   uint32_t bytes, uint32_t align, bool write);

  /// As a read of `shared`, through the async proxy: what threads have stored
  /// must have been fenced by them.
  const char *asyncRead(Unit *unit, const char *op, uint32_t address,
                        uint32_t bytes, uint32_t align);
  Mbarrier &mbarrier(Unit *unit, const char *op, uint32_t address);
  /// Begins the next phase if this one awaits nothing.
  void endPhase(Mbarrier &barrier);

  fovea_emulator_launch_t &launch;
  uint32_t index = 0;
  std::vector<Unit> units;
  std::vector<Meeting> warps;
  Barrier barriers[16];
  std::vector<Mbarrier> mbarriers;
  std::vector<Transfer> transfers;
  /// In the order of their starts; `commits` counts per warpgroup.
  std::vector<std::unique_ptr<Product>> products;
  uint32_t productCount = 0, commits[8] = {};
  /// Null if races are not looked for.
  std::unique_ptr<Races> races;

private:
  static void enter(void *unit);
  void leave(Unit *unit);
  void meetIn(Meeting &meeting, uint32_t size, const char *what, Unit *unit,
              const char *op, uint64_t key, void *slot,
              void (*run)(Cta &cta, Unit *unit, void **slots));
  /// Delivers a transfer; false if none is on its way.
  bool deliver();
  void readBox(const Transfer &box);
  void clearWriters(uint32_t address, uint32_t bytes);
  uint32_t random();
  void reportDeadlock();
  char *memory() { return reinterpret_cast<char *>(bytes.data()); }

  StackPool &stacks;
  Context scheduler;
  std::vector<uint32_t> ready, next;
  std::vector<uint64_t> bytes;
  std::vector<Byte> states;
  /// Per 4 bytes: who stored there last, its id + 1, and its fences then.
  struct Writer {
    uint32_t unit, fences;
  };
  std::vector<Writer> writers;
  std::vector<Meeting> groups;
  fovea_emulator_error_t error = FOVEA_EMULATOR_OK;
  uint64_t spins = 0;
  uint32_t state;
};

} // namespace fovea::emulator
#endif
