// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The race detector of a launch: two accesses of the same byte, at least one of
// them a write, that nothing orders. For the calls, which report to it.
//
// Happens-before by vector clocks, one per thread. A component of a clock is a
// thread of the CTA, or what runs beside the threads: the copies of an
// mbarrier, the products of a warpgroup, bulk stores; the last ones say which
// CTAs that ran before are known. What orders: named barriers (those that
// wait, after all that arrive), mbarriers, meetings of a warp, waits for
// copies, products and stores, and release and acquire, by order or fence. A
// meeting orders lanes in shuffles and products too, where PTX promises it for
// bar.warp.sync alone. There are no false alarms; what may be missed: of
// several readers in one warp that nothing has ordered the last one counts, of
// two threads that write parts of a word the last one, and a write of global
// memory after another thread's read is not looked for.
#ifndef FOVEA_CODEGEN_GPU_EMULATOR_RACES_H
#define FOVEA_CODEGEN_GPU_EMULATOR_RACES_H

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

struct fovea_emulator_unit;

namespace fovea::emulator {
class Cta;

class Races {
public:
  using Unit = fovea_emulator_unit;
  using Clock = std::vector<uint32_t>;

  explicit Races(Cta &cta);

  /// Whether the environment leaves it on: FOVEA_EMULATOR_RACES is not "off".
  static bool isOn();

  /// Forgets the shared memory and the threads of the CTA before.
  void begin();

  /// Accesses of shared memory, by an address that has been checked. `thread`
  /// is who is answerable, `unit` who runs; strong ones (atomic, or with an
  /// order) do not race with one another.
  void read(Unit *unit, uint32_t thread, const char *op, uint32_t address,
            uint32_t bytes, bool strong = false);
  void write(Unit *unit, uint32_t thread, const char *op, uint32_t address,
             uint32_t bytes, bool strong = false);
  /// The thread's cp.async has been waited for: that is when it wrote.
  void written(Unit *unit, uint32_t address, uint32_t bytes);

  /// A copy that reports to an mbarrier: the number that `delivered` takes.
  uint32_t copy(Unit *unit, const char *op, uint32_t address, uint32_t bytes,
                uint32_t mbarrier);
  void delivered(uint32_t mbarrier, uint32_t number);
  /// A bulk store reads; `stored` is its end, the wait of the same thread.
  uint32_t store(Unit *unit, const char *op, uint32_t address, uint32_t bytes);
  void stored(Unit *unit, uint32_t number);
  /// A product of a warpgroup reads 16-byte chunks until `multiplied`.
  uint32_t beginProduct(uint32_t group);
  void multiply(Unit *unit, uint32_t number, uint32_t address);
  void multiplied(uint32_t group, uint32_t number);

  /// Accesses of global memory.
  void readGlobal(Unit *unit, const char *op, const void *address,
                  uint32_t bytes, bool strong = false);
  void writeGlobal(Unit *unit, const char *op, const void *address,
                   uint32_t bytes, bool strong = false);

  /// What the order of an access does; the key is its address, a shared one or
  /// a pointer.
  void acquire(Unit *unit, uint64_t key, uint32_t order);
  void release(Unit *unit, uint64_t key, uint32_t order);
  void fence(Unit *unit);

  /// The lanes of a warp have met.
  void meet(uint32_t warp);
  /// Barriers: everyone arrives, it completes, and who waits leaves.
  void arrive(uint32_t barrier, Unit *unit);
  void complete(uint32_t barrier);
  void leave(uint32_t barrier, uint32_t thread);
  void arriveAt(uint32_t mbarrier, Unit *unit);
  void endPhase(uint32_t mbarrier);
  void waited(uint32_t mbarrier, Unit *unit);

private:
  struct Access {
    uint32_t clock = 0; // 0: none yet
    uint16_t slot = 0;
    uint8_t mask = 0; // which bytes of the word
    bool strong = false;
  };
  struct GlobalAccess {
    Access access;
    uint32_t cta;
  };
  struct Point { // where threads meet: what has arrived, what has completed
    Clock arriving, done;
    uint32_t slot = 0;
  };
  struct Released {
    Clock clock;
    uint32_t cta;
  };
  struct Thread {
    Clock clock, fenced, acquired;
  };

  void check(Unit *unit, const Clock &clock, uint32_t thread, bool strong,
             uint8_t mask, const Access &earlier, bool write, const char *op,
             uint32_t offset);
  void note(uint32_t thread, Access &access, uint8_t mask, bool strong);
  void readAs(Unit *unit, const Clock &clock, Access now, uint32_t row,
              const char *op, uint32_t address, uint32_t bytes);
  void writeAs(Unit *unit, Access now, uint32_t thread, const char *op,
               uint32_t address, uint32_t bytes);
  bool isKnown(const Clock &clock, const GlobalAccess &earlier) const;
  void join(Clock &into, const Clock &from);
  void learn(uint32_t thread) {
    touched[thread / 32] = learnt[thread / 32] = true;
  }
  void tick(uint32_t thread) { ++threads[thread].clock[thread]; }
  Point &mbarrierAt(uint32_t address);
  void whoIs(uint32_t slot, char *text, size_t room) const;

  Cta &cta;
  const uint32_t count, warps, copies, products, stores, ctas, length;
  std::vector<Thread> threads;
  // Per warp, since it met: whether anything has happened, and whether a lane
  // has come to know of more than its own.
  std::vector<bool> touched, learnt;
  std::vector<Access> writes; // per word of shared memory
  std::vector<Access> reads;  // per word: the warps, products, stores
  const uint32_t readers;
  Point barriers[16];
  std::unordered_map<uint32_t, Point> mbarriers;
  std::vector<uint32_t> numbers; // of copies, products and stores, per slot
  Clock together;                // of a warpgroup, while it multiplies
  uint32_t multiplying = 0;
  std::unordered_map<uint64_t, GlobalAccess> global;
  std::unordered_map<uint64_t, Released> released;
};

} // namespace fovea::emulator
#endif
