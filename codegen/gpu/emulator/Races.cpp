// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Happens-before by vector clocks: see Races.h.
#include "codegen/gpu/emulator/Races.h"
#include "codegen/gpu/emulator/Cta.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace fovea::emulator;

// Slots of a clock behind the threads.
static constexpr uint32_t copySlots = 32, productSlots = 8;
// Beyond so many, CTAs are not told apart: none is reported.
static constexpr uint32_t mostCtas = 256;

bool Races::isOn() {
  static const bool on = [] {
    const char *text = getenv("FOVEA_EMULATOR_RACES");
    return !text || strcmp(text, "off");
  }();
  return on;
}

Races::Races(Cta &cta)
    : cta(cta), count(cta.launch.threads), warps(count / 32), copies(count),
      products(copies + copySlots), stores(products + productSlots),
      ctas(stores + 1),
      length(ctas + (cta.launch.ctas > mostCtas ? 0 : cta.launch.ctas)),
      threads(count), touched(warps), learnt(warps),
      writes((cta.launch.shared_bytes + 3) / 4), readers(warps + 2),
      numbers(length) {
  reads.resize(writes.size() * readers);
}

void Races::begin() {
  for (uint32_t i = 0; i < count; ++i) {
    threads[i].clock.assign(length, 0);
    threads[i].clock[i] = 1;
    threads[i].fenced.clear();
    threads[i].acquired.clear();
  }
  if (length > ctas)
    for (Thread &thread : threads)
      thread.clock[ctas + cta.index] = 1;
  touched.assign(warps, false);
  learnt.assign(warps, false);
  std::fill(writes.begin(), writes.end(), Access());
  std::fill(reads.begin(), reads.end(), Access());
  for (Point &barrier : barriers)
    barrier = {};
  mbarriers.clear();
  std::fill(numbers.begin(), numbers.end(), 0);
  // Shared addresses are small, pointers are not.
  for (auto it = released.begin(); it != released.end();)
    it = it->first < (1u << 20) ? released.erase(it) : std::next(it);
}

void Races::join(Clock &into, const Clock &from) {
  if (into.empty()) {
    into = from;
    return;
  }
  for (size_t i = 0; i < from.size(); ++i)
    into[i] = std::max(into[i], from[i]);
}

void Races::whoIs(uint32_t slot, char *text, size_t room) const {
  if (slot < count)
    snprintf(text, room, "thread %u", slot);
  else if (slot < products)
    snprintf(text, room, "a copy to shared memory");
  else if (slot < stores)
    snprintf(text, room, "a wgmma of warpgroup %u", slot - products);
  else
    snprintf(text, room, "a bulk store");
}

void Races::check(Unit *unit, const Clock &clock, uint32_t thread, bool strong,
                  uint8_t mask, const Access &earlier, bool write,
                  const char *op, uint32_t offset) {
  if (!earlier.clock || !(earlier.mask & mask) || earlier.slot == thread ||
      (strong && earlier.strong) || earlier.clock <= clock[earlier.slot])
    return;
  char who[48], me[48];
  whoIs(earlier.slot, who, sizeof who);
  whoIs(thread, me, sizeof me);
  cta.fail(unit, FOVEA_EMULATOR_RACE, op,
           "expected something to order the %s of shared offset %u by %s "
           "before this access by %s, got a race",
           write ? "write" : "read", offset, who, me);
}

void Races::readAs(Unit *unit, const Clock &clock, Access now, uint32_t row,
                   const char *op, uint32_t address, uint32_t bytes) {
  uint32_t offset = address - sharedBase, end = offset + bytes;
  for (uint32_t word = offset / 4; word * 4 < end; ++word) {
    uint32_t from = std::max(offset, word * 4) - word * 4;
    uint32_t to = std::min(end, word * 4 + 4) - word * 4;
    now.mask = uint8_t((1u << to) - (1u << from));
    check(unit, clock, now.slot, now.strong, now.mask, writes[word], true, op,
          word * 4);
    Access &last = reads[word * readers + row];
    uint8_t before = last.slot == now.slot && last.clock == now.clock &&
                             last.strong == now.strong
                         ? last.mask
                         : 0;
    last = now;
    last.mask |= before;
  }
}

void Races::writeAs(Unit *unit, Access now, uint32_t thread, const char *op,
                    uint32_t address, uint32_t bytes) {
  const Clock &clock = threads[thread].clock;
  uint32_t offset = address - sharedBase, end = offset + bytes;
  for (uint32_t word = offset / 4; word * 4 < end; ++word) {
    uint32_t from = std::max(offset, word * 4) - word * 4;
    uint32_t to = std::min(end, word * 4 + 4) - word * 4;
    now.mask = uint8_t((1u << to) - (1u << from));
    check(unit, clock, thread, now.strong, now.mask, writes[word], true, op,
          word * 4);
    for (uint32_t r = 0; r < readers; ++r)
      check(unit, clock, thread, now.strong, now.mask,
            reads[word * readers + r], false, op, word * 4);
    Access &last = writes[word];
    uint8_t before = last.slot == now.slot && last.clock == now.clock &&
                             last.strong == now.strong
                         ? last.mask
                         : 0;
    last = now;
    last.mask |= before;
  }
}

void Races::read(Unit *unit, uint32_t thread, const char *op, uint32_t address,
                 uint32_t bytes, bool strong) {
  touched[thread / 32] = true;
  const Clock &clock = threads[thread].clock;
  readAs(unit, clock, {clock[thread], uint16_t(thread), 0, strong}, thread / 32,
         op, address, bytes);
}

void Races::write(Unit *unit, uint32_t thread, const char *op, uint32_t address,
                  uint32_t bytes, bool strong) {
  touched[thread / 32] = true;
  writeAs(unit, {threads[thread].clock[thread], uint16_t(thread), 0, strong},
          thread, op, address, bytes);
}

void Races::written(Unit *unit, uint32_t address, uint32_t bytes) {
  touched[unit->id / 32] = true;
  uint32_t clock = threads[unit->id].clock[unit->id];
  for (uint32_t i = 0; i < bytes; i += 4)
    writes[(address - sharedBase + i) / 4] = {clock, uint16_t(unit->id), 15,
                                              false};
}

Races::Point &Races::mbarrierAt(uint32_t address) {
  auto [at, isNew] = mbarriers.try_emplace(address);
  if (isNew)
    at->second.slot = copies + uint32_t(mbarriers.size() - 1) % copySlots;
  return at->second;
}

uint32_t Races::copy(Unit *unit, const char *op, uint32_t address,
                     uint32_t bytes, uint32_t mbarrier) {
  uint32_t slot = mbarrierAt(mbarrier).slot;
  touched[unit->id / 32] = true;
  writeAs(unit, {++numbers[slot], uint16_t(slot), 0, false}, unit->id, op,
          address, bytes);
  return numbers[slot];
}

void Races::delivered(uint32_t mbarrier, uint32_t number) {
  Point &point = mbarrierAt(mbarrier);
  point.arriving.resize(length);
  uint32_t &known = point.arriving[point.slot];
  known = std::max(known, number);
}

uint32_t Races::store(Unit *unit, const char *op, uint32_t address,
                      uint32_t bytes) {
  touched[unit->id / 32] = true;
  // What it reads is ordered with the thread that starts it.
  readAs(unit, threads[unit->id].clock,
         {++numbers[stores], uint16_t(stores), 0, false}, warps + 1, op,
         address, bytes);
  return numbers[stores];
}

void Races::stored(Unit *unit, uint32_t number) {
  learn(unit->id);
  uint32_t &known = threads[unit->id].clock[stores];
  known = std::max(known, number);
}

uint32_t Races::beginProduct(uint32_t group) {
  together.clear();
  for (uint32_t t = group * 128; t < group * 128 + 128; ++t)
    join(together, threads[t].clock);
  multiplying = products + group;
  return ++numbers[multiplying];
}

void Races::multiply(Unit *unit, uint32_t number, uint32_t address) {
  // The product itself tells of an address that is none.
  if (address < sharedBase || (address - sharedBase + 16) / 4 > writes.size())
    return;
  readAs(unit, together, {number, uint16_t(multiplying), 0, false}, warps,
         "wgmma", address, 16);
}

void Races::multiplied(uint32_t group, uint32_t number) {
  for (uint32_t t = group * 128; t < group * 128 + 128; ++t) {
    uint32_t &known = threads[t].clock[products + group];
    known = std::max(known, number);
  }
  for (uint32_t w = group * 4; w < group * 4 + 4; ++w)
    learn(w * 32);
}

bool Races::isKnown(const Clock &clock, const GlobalAccess &earlier) const {
  if (earlier.cta == cta.index)
    return earlier.access.clock <= clock[earlier.access.slot];
  return length == ctas || clock[ctas + earlier.cta];
}

void Races::readGlobal(Unit *unit, const char *op, const void *address,
                       uint32_t bytes, bool strong) {
  touched[unit->id / 32] = true;
  if (global.empty())
    return;
  uint64_t from = reinterpret_cast<uint64_t>(address), end = from + bytes;
  for (uint64_t word = from / 4; word * 4 < end; ++word) {
    auto at = global.find(word);
    if (at == global.end())
      continue;
    const GlobalAccess &earlier = at->second;
    uint64_t first = std::max(from, word * 4) - word * 4;
    uint64_t last = std::min(end, word * 4 + 4) - word * 4;
    uint8_t mask = uint8_t((1u << last) - (1u << first));
    if (!(earlier.access.mask & mask) || (strong && earlier.access.strong) ||
        (earlier.cta == cta.index && earlier.access.slot == unit->id) ||
        isKnown(threads[unit->id].clock, earlier))
      continue;
    cta.fail(unit, FOVEA_EMULATOR_RACE, op,
             "expected something to order the write of global address %p by "
             "thread %u of cta %u before this access, got a race",
             reinterpret_cast<void *>(word * 4), earlier.access.slot,
             earlier.cta);
  }
}

void Races::writeGlobal(Unit *unit, const char *op, const void *address,
                        uint32_t bytes, bool strong) {
  readGlobal(unit, op, address, bytes, strong);
  uint64_t from = reinterpret_cast<uint64_t>(address), end = from + bytes;
  uint32_t clock = threads[unit->id].clock[unit->id];
  for (uint64_t word = from / 4; word * 4 < end; ++word) {
    uint64_t first = std::max(from, word * 4) - word * 4;
    uint64_t last = std::min(end, word * 4 + 4) - word * 4;
    uint8_t mask = uint8_t((1u << last) - (1u << first));
    GlobalAccess &now = global[word];
    bool again = now.cta == cta.index && now.access.slot == unit->id &&
                 now.access.clock == clock && now.access.strong == strong;
    now = {{clock, uint16_t(unit->id),
            uint8_t(mask | (again ? now.access.mask : 0)), strong},
           cta.index};
  }
}

void Races::acquire(Unit *unit, uint64_t key, uint32_t order) {
  auto at = released.find(key);
  if (at == released.end())
    return;
  learn(unit->id);
  Thread &thread = threads[unit->id];
  bool now = order == FOVEA_EMULATOR_ACQUIRE || order == FOVEA_EMULATOR_ACQ_REL;
  Clock &into = now ? thread.clock : thread.acquired;
  into.resize(length);
  // Threads of another CTA are not this one's: only that it is known counts.
  for (uint32_t i = at->second.cta == cta.index ? 0 : ctas; i < length; ++i)
    into[i] = std::max(into[i], at->second.clock[i]);
}

void Races::release(Unit *unit, uint64_t key, uint32_t order) {
  Thread &thread = threads[unit->id];
  bool now = order == FOVEA_EMULATOR_RELEASE || order == FOVEA_EMULATOR_ACQ_REL;
  const Clock &from = now ? thread.clock : thread.fenced;
  if (from.empty())
    return;
  Released &into = released[key];
  into.clock.resize(length);
  if (into.cta != cta.index)
    std::fill(into.clock.begin(), into.clock.begin() + ctas, 0);
  into.cta = cta.index;
  join(into.clock, from);
  touched[unit->id / 32] = true;
  tick(unit->id);
}

void Races::fence(Unit *unit) {
  Thread &thread = threads[unit->id];
  if (!thread.acquired.empty())
    join(thread.clock, thread.acquired);
  thread.fenced = thread.clock;
  learn(unit->id);
  tick(unit->id);
}

void Races::meet(uint32_t warp) {
  // Nothing has happened that a lane could learn.
  if (!touched[warp])
    return;
  touched[warp] = false;
  Thread *lanes = &threads[warp * 32];
  if (learnt[warp]) {
    learnt[warp] = false;
    for (uint32_t i = 1; i < 32; ++i)
      join(lanes[0].clock, lanes[i].clock);
    for (uint32_t i = 1; i < 32; ++i)
      lanes[i].clock = lanes[0].clock;
  } else { // their clocks differ in what each of them has done itself
    uint32_t own[32];
    for (uint32_t i = 0; i < 32; ++i)
      own[i] = lanes[i].clock[warp * 32 + i];
    for (uint32_t i = 0; i < 32; ++i)
      memcpy(&lanes[i].clock[warp * 32], own, sizeof own);
  }
  for (uint32_t i = 0; i < 32; ++i)
    tick(warp * 32 + i);
}

void Races::arrive(uint32_t barrier, Unit *unit) {
  join(barriers[barrier].arriving, threads[unit->id].clock);
  touched[unit->id / 32] = true;
  tick(unit->id);
}

void Races::complete(uint32_t barrier) {
  barriers[barrier].done.swap(barriers[barrier].arriving);
  barriers[barrier].arriving.clear();
}

void Races::leave(uint32_t barrier, uint32_t thread) {
  learn(thread);
  join(threads[thread].clock, barriers[barrier].done);
}

void Races::arriveAt(uint32_t mbarrier, Unit *unit) {
  join(mbarrierAt(mbarrier).arriving, threads[unit->id].clock);
  touched[unit->id / 32] = true;
  tick(unit->id);
}

void Races::endPhase(uint32_t mbarrier) {
  Point &point = mbarrierAt(mbarrier);
  if (!point.arriving.empty())
    join(point.done, point.arriving);
  point.arriving.clear();
}

void Races::waited(uint32_t mbarrier, Unit *unit) {
  learn(unit->id);
  const Point &point = mbarrierAt(mbarrier);
  if (!point.done.empty())
    join(threads[unit->id].clock, point.done);
}
