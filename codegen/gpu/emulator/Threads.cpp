// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ids, barriers, fences, shuffles and votes.
#include "codegen/gpu/emulator/Calls.h"

#include <cstdio>

using namespace fovea::emulator;

uint32_t calls::thread_id(Unit *unit) { return unit->id; }
uint32_t calls::cta_id(Unit *unit) { return unit->cta->index; }
uint32_t calls::cta_count(Unit *unit) { return unit->cta->launch.ctas; }
uint32_t calls::shared_memory(Unit *) { return sharedBase; }

// Counts an arrival; true for the one that completes the barrier.
static bool arrive(Unit *unit, const char *op, uint32_t id, uint32_t threads) {
  Cta &cta = *unit->cta;
  if (id >= 16)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, op,
             "expected a barrier from 0 to 15, got %u", id);
  if (!threads || threads % 32 || threads > cta.launch.threads)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, op,
             "expected the threads of barrier %u to be a multiple of 32 up to "
             "the %u of the CTA, got %u",
             id, cta.launch.threads, threads);
  Barrier &barrier = cta.barriers[id];
  if (barrier.arrived && barrier.expected != threads)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, op,
             "expected barrier %u to be of %u threads as for those that have "
             "arrived, got %u",
             id, barrier.expected, threads);
  barrier.expected = threads;
  if (cta.races)
    cta.races->arrive(id, unit);
  if (++barrier.arrived < threads)
    return false;
  barrier.arrived = 0;
  if (cta.races)
    cta.races->complete(id);
  for (uint32_t other : barrier.waiting) {
    if (cta.races)
      cta.races->leave(id, other);
    cta.wake(other);
  }
  barrier.waiting.clear();
  return true;
}

void calls::barrier(Unit *unit, uint32_t id, uint32_t threads) {
  if (arrive(unit, "barrier", id, threads)) {
    if (unit->cta->races)
      unit->cta->races->leave(id, unit->id);
    return;
  }
  unit->cta->barriers[id].waiting.push_back(unit->id);
  snprintf(unit->waits, sizeof unit->waits, "barrier %u of %u threads", id,
           threads);
  unit->cta->block(unit);
}

void calls::barrier_arrive(Unit *unit, uint32_t id, uint32_t threads) {
  arrive(unit, "barrier_arrive", id, threads);
}

void calls::warp_barrier(Unit *unit) {
  unit->cta->meet(unit, "warp_barrier", 0, nullptr, nullptr);
}

// Memory is sequentially consistent here: all threads share one thread.
void calls::fence(Unit *unit) {
  unit->cta->maybePass(unit);
  if (unit->cta->races)
    unit->cta->races->fence(unit);
}

namespace {
struct Exchange {
  uint32_t mode, value, lane, result;
};
} // namespace

uint32_t calls::shuffle(Unit *unit, uint32_t mode, uint32_t value,
                        uint32_t lane) {
  if (mode > FOVEA_EMULATOR_DOWN)
    unit->cta->fail(unit, FOVEA_EMULATOR_INVALID, "shuffle",
                    "expected a mode up to 3, got %u", mode);
  Exchange mine = {mode, value, lane, 0};
  unit->cta->meet(unit, "shuffle", mode, &mine,
                  [](Cta &, Unit *, void **slots) {
                    for (uint32_t i = 0; i < 32; ++i) {
                      auto &to = *static_cast<Exchange *>(slots[i]);
                      uint32_t by = to.lane & 31, from = by;
                      // Beyond the end of the warp a lane keeps its own value.
                      if (to.mode == FOVEA_EMULATOR_XOR)
                        from = i ^ by;
                      else if (to.mode == FOVEA_EMULATOR_UP)
                        from = i >= by ? i - by : i;
                      else if (to.mode == FOVEA_EMULATOR_DOWN)
                        from = i + by < 32 ? i + by : i;
                      to.result = static_cast<Exchange *>(slots[from])->value;
                    }
                  });
  return mine.result;
}

uint32_t calls::vote(Unit *unit, uint32_t mode, uint32_t value) {
  if (mode > FOVEA_EMULATOR_BALLOT)
    unit->cta->fail(unit, FOVEA_EMULATOR_INVALID, "vote",
                    "expected a mode up to 2, got %u", mode);
  Exchange mine = {mode, value, 0, 0};
  unit->cta->meet(unit, "vote", mode, &mine, [](Cta &, Unit *, void **slots) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 32; ++i)
      if (static_cast<Exchange *>(slots[i])->value)
        bits |= 1u << i;
    for (uint32_t i = 0; i < 32; ++i) {
      auto &to = *static_cast<Exchange *>(slots[i]);
      to.result = to.mode == FOVEA_EMULATOR_ANY   ? bits != 0
                  : to.mode == FOVEA_EMULATOR_ALL ? bits == ~0u
                                                  : bits;
    }
  });
  return mine.result;
}
