// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The scheduler of a CTA and its error reports: see Cta.h.
#include "codegen/gpu/emulator/Cta.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

using namespace fovea::emulator;

// Passes in a row without a barrier or a meeting that completes, per thread.
static constexpr uint64_t spinLimit = 100000;

Cta::Cta(fovea_emulator_launch_t &launch, StackPool &stacks)
    : launch(launch), units(launch.threads), warps(launch.threads / 32),
      stacks(stacks), bytes((launch.shared_bytes + 7) / 8),
      states(launch.shared_bytes), writers((launch.shared_bytes + 3) / 4),
      groups(launch.threads / 128), state(launch.seed) {
  if (Races::isOn())
    races = std::make_unique<Races>(*this);
}

uint32_t Cta::random() {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

void Cta::enter(void *argument) {
  Unit *unit = static_cast<Unit *>(argument);
  enterFiber(unit->cta->scheduler);
  unit->cta->launch.body(unit, unit->cta->launch.env);
  if (!unit->stores.empty())
    unit->cta->fail(unit, FOVEA_EMULATOR_INVALID, "end of the kernel",
                    "expected a bulk_wait for all stores, got %zu left",
                    unit->stores.size());
  unit->done = true;
  unit->cta->leave(unit);
}

void Cta::leave(Unit *unit) {
  switchFiber(unit->context, scheduler, unit->done);
}

fovea_emulator_error_t Cta::run(uint32_t cta) {
  index = cta;
  for (uint32_t i = 0; i < launch.threads; ++i) {
    Unit &unit = units[i];
    unit.cta = this;
    unit.id = i;
    unit.done = false;
    unit.copyGroup = 0;
    unit.copies.clear();
    unit.storeGroup = unit.fences = 0;
    unit.stores.clear();
    unit.context = stacks.prepare(i, enter, &unit);
    next.push_back(i);
  }
  for (Meeting &warp : warps)
    warp.arrived = 0;
  for (Meeting &group : groups)
    group.arrived = 0;
  mbarriers.clear();
  transfers.clear();
  products.clear();
  for (uint32_t &commit : commits)
    commit = 0;
  for (Writer &writer : writers)
    writer = {0, 0};
  for (Barrier &barrier : barriers)
    barrier.arrived = 0, barrier.waiting.clear();
  memset(bytes.data(), 0xff, bytes.size() * 8);
  memset(states.data(), 0, states.size());
  spins = 0;
  if (races)
    races->begin();

  while (!next.empty() || deliver()) {
    if (launch.seed && random() % 4 == 0)
      deliver();
    ready.swap(next);
    next.clear();
    if (launch.seed)
      for (size_t i = ready.size(); i > 1; --i)
        std::swap(ready[i - 1], ready[random() % i]);
    for (uint32_t id : ready) {
      switchFiber(scheduler, units[id].context);
      if (error)
        return error;
    }
  }
  for (const Unit &unit : units)
    if (!unit.done) {
      reportDeadlock();
      return error;
    }
  return FOVEA_EMULATOR_OK;
}

void Cta::fail(Unit *unit, fovea_emulator_error_t what, const char *op,
               const char *format, ...) {
  char *text = launch.message;
  size_t room = sizeof launch.message;
  int used = snprintf(text, room, "kernel %s, cta %u, thread %u: %s: ",
                      launch.kernel ? launch.kernel : "?", index, unit->id, op);
  va_list list;
  va_start(list, format);
  if (used >= 0 && size_t(used) < room)
    vsnprintf(text + used, room - used, format, list);
  va_end(list);
  error = what;
  leave(unit);
  __builtin_unreachable(); // run() gives up all the threads
}

// One clause per thing waited for: how many threads, and which.
void Cta::reportDeadlock() {
  error = FOVEA_EMULATOR_DEADLOCK;
  std::vector<bool> told(units.size());
  size_t room = sizeof launch.message;
  size_t used = snprintf(launch.message, room, "kernel %s, cta %u: deadlock",
                         launch.kernel ? launch.kernel : "?", index);
  size_t ended = 0;
  for (size_t i = 0; i < units.size(); ++i) {
    ended += units[i].done;
    if (units[i].done || told[i] || used >= room)
      continue;
    size_t count = 0;
    for (size_t k = i; k < units.size(); ++k)
      if (!units[k].done && !strcmp(units[k].waits, units[i].waits))
        told[k] = true, ++count;
    used +=
        snprintf(launch.message + used, room - used,
                 "; %zu threads wait at %s: threads", count, units[i].waits);
    auto waits = [&](size_t k) {
      return k < units.size() && !units[k].done &&
             !strcmp(units[k].waits, units[i].waits);
    };
    for (size_t k = i; k < units.size() && used < room; ++k)
      if (waits(k) && (!k || !waits(k - 1))) {
        size_t last = k;
        while (waits(last + 1))
          ++last;
        used += snprintf(launch.message + used, room - used,
                         last == k ? " %zu" : " %zu..%zu", k, last);
      }
  }
  if (used < room)
    snprintf(launch.message + used, room - used, "; %zu threads have ended",
             ended);
}

void Cta::block(Unit *unit) { leave(unit); }

void Cta::wake(uint32_t id) {
  spins = 0;
  next.push_back(id);
}

void Cta::pass(Unit *unit) {
  next.push_back(unit->id);
  leave(unit);
}

void Cta::maybePass(Unit *unit) {
  if (launch.seed && random() % 16 == 0)
    pass(unit);
}

void Cta::spin(Unit *unit, const char *op) {
  if (++spins > spinLimit * units.size())
    fail(unit, FOVEA_EMULATOR_DEADLOCK, op,
         "expected a loop that waits to end, got %llu turns without progress",
         static_cast<unsigned long long>(spins));
  pass(unit);
}

void Cta::meet(Unit *unit, const char *op, uint64_t key, void *slot,
               void (*run)(Cta &, Unit *, void **)) {
  meetIn(warps[unit->id / 32], 32, "warp", unit, op, key, slot, run);
}

void Cta::meetGroup(Unit *unit, const char *op, uint64_t key, void *slot,
                    void (*run)(Cta &, Unit *, void **)) {
  if (unit->id / 128 >= groups.size())
    fail(unit, FOVEA_EMULATOR_INVALID, op,
         "expected whole warpgroups of 128 threads, got %u threads",
         launch.threads);
  meetIn(groups[unit->id / 128], 128, "warpgroup", unit, op, key, slot, run);
}

void Cta::meetIn(Meeting &meeting, uint32_t size, const char *what, Unit *unit,
                 const char *op, uint64_t key, void *slot,
                 void (*run)(Cta &, Unit *, void **)) {
  uint32_t number = unit->id / size, first = number * size;
  if (!meeting.arrived) {
    meeting.op = op;
    meeting.key = key;
  } else if (strcmp(meeting.op, op)) {
    fail(unit, FOVEA_EMULATOR_DIVERGED, op,
         "expected all lanes of %s %u in the same call, got %s in others", what,
         number, meeting.op);
  } else if (meeting.key != key) {
    fail(unit, FOVEA_EMULATOR_DIVERGED, op,
         "expected the same attributes in all lanes of %s %u", what, number);
  }
  meeting.slots[unit->id - first] = slot;
  if (++meeting.arrived < size) {
    snprintf(unit->waits, sizeof unit->waits, "%s of %s %u", op, what, number);
    block(unit);
    return;
  }
  meeting.arrived = 0;
  if (run)
    run(*this, unit, meeting.slots);
  if (races)
    for (uint32_t i = first; i < first + size; i += 32)
      races->meet(i / 32);
  for (uint32_t i = first; i < first + size; ++i)
    if (i != unit->id)
      wake(i);
}
