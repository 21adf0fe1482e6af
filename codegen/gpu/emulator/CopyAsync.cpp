// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cp.async. Data arrives as late as PTX allows, at the wait of the thread that
// issued the copy; until then nobody may touch the destination.
#include "codegen/gpu/emulator/Calls.h"

#include <cstring>

using namespace fovea::emulator;

void calls::copy_async(Unit *unit, uint32_t shared, const void *global,
                       uint32_t bytes, uint32_t valid) {
  Cta &cta = *unit->cta;
  if (bytes != 4 && bytes != 8 && bytes != 16)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, "copy_async",
             "expected 4, 8 or 16 bytes, got %u", bytes);
  if (valid > bytes)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, "copy_async",
             "expected at most %u valid bytes, got %u", bytes, valid);
  if (valid)
    cta.checkGlobal(unit, "copy_async", global, valid, 1, false);
  if (reinterpret_cast<uint64_t>(global) % bytes)
    cta.fail(unit, FOVEA_EMULATOR_MISALIGNED, "copy_async",
             "expected a global address aligned to %u, got %p", bytes, global);
  cta.shared(unit, "copy_async", shared, bytes, bytes, true);
  if (cta.races) {
    cta.races->readGlobal(unit, "copy_async", global, valid);
    cta.races->write(unit, unit->id, "copy_async", shared, bytes);
  }
  memset(cta.sharedData(shared), 0xff, bytes);
  cta.setState(shared, bytes, Byte::InFlight);
  unit->copies.push_back({shared, static_cast<const char *>(global), bytes,
                          valid, unit->copyGroup});
}

void calls::copy_async_commit(Unit *unit) { ++unit->copyGroup; }

void calls::copy_async_wait(Unit *unit, uint32_t pending) {
  Cta &cta = *unit->cta;
  size_t kept = 0;
  for (const Copy &copy : unit->copies) {
    // Copies of no group yet are not waited for.
    if (copy.group + pending >= unit->copyGroup) {
      unit->copies[kept++] = copy;
      continue;
    }
    char *to = cta.sharedData(copy.shared);
    memcpy(to, copy.global, copy.valid);
    memset(to + copy.valid, 0, copy.bytes - copy.valid);
    cta.setState(copy.shared, copy.bytes, Byte::Written);
    if (cta.races)
      cta.races->written(unit, copy.shared, copy.bytes);
  }
  unit->copies.resize(kept);
}
