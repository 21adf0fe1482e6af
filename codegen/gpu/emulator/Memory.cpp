// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Shared and global memory: checks, loads, stores, atomics.
#include "codegen/gpu/emulator/Calls.h"

#include <cstring>

using namespace fovea::emulator;

char *Cta::shared(Unit *unit, const char *op, uint32_t address, uint32_t size,
                  uint32_t align, bool write) {
  uint64_t end = uint64_t(sharedBase) + launch.shared_bytes;
  if (address < sharedBase || uint64_t(address) + size > end)
    fail(unit, FOVEA_EMULATOR_BOUNDS, op,
         "expected %u bytes within the shared memory, [0, %u), got offset %lld",
         size, launch.shared_bytes,
         static_cast<long long>(address) - sharedBase);
  uint32_t offset = address - sharedBase;
  if (offset % align)
    fail(unit, FOVEA_EMULATOR_MISALIGNED, op,
         "expected a shared address aligned to %u, got offset %u", align,
         offset);
  for (uint32_t i = 0; i < size; ++i) {
    if (states[offset + i] == Byte::InFlight)
      fail(unit, FOVEA_EMULATOR_IN_FLIGHT, op,
           "expected a wait for the async copy to shared offset %u, got a %s "
           "before it",
           offset + i, write ? "write" : "read");
    if (!write && states[offset + i] == Byte::Empty)
      fail(unit, FOVEA_EMULATOR_UNINITIALISED, op,
           "expected shared offset %u to have been written, got a read before",
           offset + i);
  }
  if (write) {
    setState(address, size, Byte::Written);
    for (uint32_t i = offset / 4; i < (offset + size + 3) / 4; ++i)
      writers[i] = {unit->id + 1, unit->fences};
  }
  return sharedData(address);
}

void Cta::setState(uint32_t address, uint32_t size, Byte value) {
  memset(states.data() + (address - sharedBase), int(value), size);
}

void Cta::clearWriters(uint32_t address, uint32_t size) {
  uint32_t offset = address - sharedBase;
  for (uint32_t i = offset / 4; i < (offset + size + 3) / 4; ++i)
    writers[i] = {0, 0};
}

const char *Cta::asyncRead(Unit *unit, const char *op, uint32_t address,
                           uint32_t size, uint32_t align) {
  const char *data = shared(unit, op, address, size, align, false);
  uint32_t offset = address - sharedBase;
  for (uint32_t i = offset / 4; i < (offset + size + 3) / 4; ++i)
    if (writers[i].unit &&
        units[writers[i].unit - 1].fences == writers[i].fences)
      fail(unit, FOVEA_EMULATOR_PROXY, op,
           "expected thread %u to fence the async proxy after its store to "
           "shared offset %u, got a read before",
           writers[i].unit - 1, 4 * i);
  return data;
}

void Cta::checkGlobal(Unit *unit, const char *op, const void *address,
                      uint32_t size, uint32_t align, bool write) {
  uint64_t from = reinterpret_cast<uint64_t>(address);
  if (from % align)
    fail(unit, FOVEA_EMULATOR_MISALIGNED, op,
         "expected a global address aligned to %u, got %p", align, address);
  if (!launch.range_count)
    return;
  for (uint64_t i = 0; i < launch.range_count; ++i) {
    const fovea_emulator_range_t &range = launch.ranges[i];
    uint64_t base = reinterpret_cast<uint64_t>(range.base);
    if (from < base || from - base > range.bytes ||
        range.bytes - (from - base) < size)
      continue;
    if (write && !range.writable)
      fail(unit, FOVEA_EMULATOR_BOUNDS, op,
           "expected a buffer to write to, got %p, byte %llu of read-only "
           "buffer %llu",
           address, static_cast<unsigned long long>(from - base),
           static_cast<unsigned long long>(i));
    return;
  }
  fail(unit, FOVEA_EMULATOR_BOUNDS, op,
       "expected %u bytes within one of the %llu buffers, got address %p", size,
       static_cast<unsigned long long>(launch.range_count), address);
}

static uint32_t alignOf(Cta &cta, Unit *unit, const char *op, uint32_t bytes) {
  if (bytes > 16 || bytes & (bytes - 1) || !bytes)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, op,
             "expected 1, 2, 4, 8 or 16 bytes, got %u", bytes);
  return bytes;
}

void calls::load_shared(Unit *unit, uint32_t address, void *out,
                        uint32_t bytes) {
  calls::load_shared_ordered(unit, address, out, bytes, FOVEA_EMULATOR_WEAK);
}

void calls::load_shared_ordered(Unit *unit, uint32_t address, void *out,
                                uint32_t bytes, uint32_t order) {
  Cta &cta = *unit->cta;
  const char *op = "load of shared memory";
  // Ordered loads stand in loops that wait for other threads.
  if (order != FOVEA_EMULATOR_WEAK)
    cta.spin(unit, op);
  else
    cta.maybePass(unit);
  uint32_t align = alignOf(cta, unit, op, bytes);
  memcpy(out, cta.shared(unit, op, address, bytes, align, false), bytes);
  if (!cta.races)
    return;
  bool strong = order != FOVEA_EMULATOR_WEAK;
  if (strong)
    cta.races->acquire(unit, address, order);
  cta.races->read(unit, unit->id, op, address, bytes, strong);
}

void calls::store_shared(Unit *unit, uint32_t address, const void *in,
                         uint32_t bytes) {
  calls::store_shared_ordered(unit, address, in, bytes, FOVEA_EMULATOR_WEAK);
}

void calls::store_shared_ordered(Unit *unit, uint32_t address, const void *in,
                                 uint32_t bytes, uint32_t order) {
  Cta &cta = *unit->cta;
  const char *op = "store to shared memory";
  cta.maybePass(unit);
  uint32_t align = alignOf(cta, unit, op, bytes);
  memcpy(cta.shared(unit, op, address, bytes, align, true), in, bytes);
  if (!cta.races)
    return;
  bool strong = order != FOVEA_EMULATOR_WEAK;
  cta.races->write(unit, unit->id, op, address, bytes, strong);
  if (strong)
    cta.races->release(unit, address, order);
}

void calls::load_global(Unit *unit, const void *address, void *out,
                        uint32_t bytes, uint32_t order) {
  Cta &cta = *unit->cta;
  const char *op = "load of global memory";
  // Ordered loads stand in loops that wait for other threads.
  if (order != FOVEA_EMULATOR_WEAK)
    cta.spin(unit, op);
  else
    cta.maybePass(unit);
  cta.checkGlobal(unit, op, address, bytes, alignOf(cta, unit, op, bytes),
                  false);
  memcpy(out, address, bytes);
  if (cta.races) {
    bool strong = order != FOVEA_EMULATOR_WEAK;
    if (strong)
      cta.races->acquire(unit, reinterpret_cast<uint64_t>(address), order);
    cta.races->readGlobal(unit, op, address, bytes, strong);
  }
  // Other CTAs may run on other threads of the process.
  if (order == FOVEA_EMULATOR_ACQUIRE)
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

void calls::store_global(Unit *unit, void *address, const void *in,
                         uint32_t bytes, uint32_t order) {
  Cta &cta = *unit->cta;
  const char *op = "store to global memory";
  cta.maybePass(unit);
  cta.checkGlobal(unit, op, address, bytes, alignOf(cta, unit, op, bytes),
                  true);
  if (order == FOVEA_EMULATOR_RELEASE)
    __atomic_thread_fence(__ATOMIC_RELEASE);
  memcpy(address, in, bytes);
  if (cta.races) {
    bool strong = order != FOVEA_EMULATOR_WEAK;
    cta.races->writeGlobal(unit, op, address, bytes, strong);
    if (strong)
      cta.races->release(unit, reinterpret_cast<uint64_t>(address), order);
  }
}

// The new value of a memory word; `old` and `value` in its low bits.
static uint64_t apply(uint32_t op, uint32_t type, uint64_t old, uint64_t value,
                      uint64_t compare) {
  if (op == FOVEA_EMULATOR_EXCH)
    return value;
  if (op == FOVEA_EMULATOR_CAS)
    return old == compare ? value : old;
  if (type == FOVEA_EMULATOR_F32) {
    uint32_t bits[2] = {uint32_t(old), uint32_t(value)};
    float numbers[2], sum;
    memcpy(numbers, bits, 8);
    sum = numbers[0] + numbers[1];
    memcpy(bits, &sum, 4);
    return bits[0];
  }
  if (op == FOVEA_EMULATOR_ADD)
    return old + value;
  int64_t a = type == FOVEA_EMULATOR_I32 ? int32_t(old) : int64_t(old);
  int64_t b = type == FOVEA_EMULATOR_I32 ? int32_t(value) : int64_t(value);
  return uint64_t((op == FOVEA_EMULATOR_MAX) == (a > b) ? a : b);
}

template <typename Word>
static uint64_t atomicOn(void *address, uint32_t op, uint32_t type,
                         uint64_t value, uint64_t compare) {
  Word *word = static_cast<Word *>(address);
  Word old = __atomic_load_n(word, __ATOMIC_RELAXED), fresh;
  do
    fresh = Word(apply(op, type, old, Word(value), Word(compare)));
  while (!__atomic_compare_exchange_n(word, &old, fresh, false,
                                      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
  return old;
}

static uint32_t checkAtomic(Unit *unit, const char *what, uint32_t op,
                            uint32_t type) {
  if (op > FOVEA_EMULATOR_CAS || type > FOVEA_EMULATOR_F32)
    unit->cta->fail(unit, FOVEA_EMULATOR_INVALID, what,
                    "expected an operation up to 4 and a type up to 2, got %u "
                    "and %u",
                    op, type);
  if (type == FOVEA_EMULATOR_F32 &&
      (op == FOVEA_EMULATOR_MAX || op == FOVEA_EMULATOR_MIN ||
       op == FOVEA_EMULATOR_CAS))
    unit->cta->fail(unit, FOVEA_EMULATOR_INVALID, what,
                    "expected add or exch on f32, got operation %u", op);
  return type == FOVEA_EMULATOR_I64 ? 8 : 4;
}

uint64_t calls::atomic_shared(Unit *unit, uint32_t address, uint32_t op,
                              uint32_t type, uint64_t value, uint64_t compare,
                              uint32_t order) {
  const char *what = "atomic on shared memory";
  uint32_t bytes = checkAtomic(unit, what, op, type);
  unit->cta->spin(unit, what); // locks are taken in loops
  char *word = unit->cta->shared(unit, what, address, bytes, bytes, false);
  if (Races *races = unit->cta->races.get()) {
    races->acquire(unit, address, order);
    races->write(unit, unit->id, what, address, bytes, true);
    races->release(unit, address, order);
  }
  return bytes == 8 ? atomicOn<uint64_t>(word, op, type, value, compare)
                    : atomicOn<uint32_t>(word, op, type, value, compare);
}

uint64_t calls::atomic_global(Unit *unit, void *address, uint32_t op,
                              uint32_t type, uint64_t value, uint64_t compare,
                              uint32_t order) {
  const char *what = "atomic on global memory";
  uint32_t bytes = checkAtomic(unit, what, op, type);
  unit->cta->spin(unit, what);
  unit->cta->checkGlobal(unit, what, address, bytes, bytes, true);
  if (Races *races = unit->cta->races.get()) {
    uint64_t key = reinterpret_cast<uint64_t>(address);
    races->acquire(unit, key, order);
    races->writeGlobal(unit, what, address, bytes, true);
    races->release(unit, key, order);
  }
  return bytes == 8 ? atomicOn<uint64_t>(address, op, type, value, compare)
                    : atomicOn<uint32_t>(address, op, type, value, compare);
}
