// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Boxes of tensors: loads that fill what lies outside with zeros, and stores
// that leave it alone. The map is a fovea_emulator_tensor_map_t.
#include "codegen/gpu/emulator/Calls.h"

#include <cstring>

using namespace fovea::emulator;

// Calls `each(tensor address or null, shared address)` for every element.
template <typename Each>
static void overBox(const Transfer &box, Each each) {
  const fovea_emulator_tensor_map_t &map = box.map;
  uint32_t count = box.bytes / map.element_bytes;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t rest = i;
    const char *at = static_cast<const char *>(map.base);
    bool inside = true;
    for (uint32_t d = 0; d < map.rank; ++d) {
      int64_t c = int64_t(box.coordinates[d]) + rest % map.box[d];
      rest /= map.box[d];
      inside &= c >= 0 && uint64_t(c) < map.dims[d];
      at += c * int64_t(map.strides[d]);
    }
    uint32_t address = box.shared + i * map.element_bytes;
    // 32, 64 or 128 bytes: the 16-byte chunks xor the number of the 128-byte
    // line, of which 1, 2 or 3 bits.
    uint32_t mask = ((1u << map.swizzle) - 1) << 4;
    each(inside ? const_cast<char *>(at) : nullptr,
         address ^ (address >> 3 & mask));
  }
}

static Transfer check(Unit *unit, const char *op, uint32_t rank,
                      const void *pointer, const int32_t *coordinates,
                      uint32_t shared) {
  Cta &cta = *unit->cta;
  Transfer box = {};
  memcpy(&box.map, pointer, sizeof box.map);
  if (rank < 1 || rank > 5 || box.map.rank != rank)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, op,
             "expected as many coordinates as the tensor map has dimensions, "
             "%u, got %u",
             box.map.rank, rank);
  if (box.map.swizzle > 3)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, op,
             "expected a swizzle from 0 to 3, got %u", box.map.swizzle);
  box.isBox = true;
  box.shared = shared;
  box.bytes = box.map.element_bytes;
  for (uint32_t d = 0; d < rank; ++d) {
    if (!box.map.box[d] || box.map.box[d] > 256)
      cta.fail(unit, FOVEA_EMULATOR_INVALID, op,
               "expected a box of 1 to 256 in dimension %u, got %u", d,
               box.map.box[d]);
    box.bytes *= box.map.box[d];
    box.coordinates[d] = coordinates[d];
  }
  if (box.map.swizzle &&
      box.map.box[0] * box.map.element_bytes > 16u << box.map.swizzle)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, op,
             "expected an inner box of at most the %u bytes of the swizzle, "
             "got %u",
             16u << box.map.swizzle, box.map.box[0] * box.map.element_bytes);
  return box;
}

void calls::tma_load(Unit *unit, uint32_t rank, uint32_t shared,
                     const void *map, const int32_t *coordinates,
                     uint32_t mbarrier) {
  Cta &cta = *unit->cta;
  Transfer box = check(unit, "tma_load", rank, map, coordinates, shared);
  cta.mbarrier(unit, "tma_load", mbarrier);
  box.mbarrier = mbarrier;
  overBox(box, [&](char *at, uint32_t) {
    if (!at)
      return;
    cta.checkGlobal(unit, "tma_load", at, box.map.element_bytes,
                    box.map.element_bytes, false);
    if (cta.races)
      cta.races->readGlobal(unit, "tma_load", at, box.map.element_bytes);
  });
  cta.shared(unit, "tma_load", shared, box.bytes, 128, true);
  if (cta.races)
    box.number = cta.races->copy(unit, "tma_load", shared, box.bytes, mbarrier);
  memset(cta.sharedData(shared), 0xff, box.bytes);
  cta.setState(shared, box.bytes, Byte::InFlight);
  cta.transfers.push_back(box);
}

void Cta::readBox(const Transfer &box) {
  overBox(box, [&](char *at, uint32_t to) {
    if (at)
      memcpy(sharedData(to), at, box.map.element_bytes);
    else
      memset(sharedData(to), 0, box.map.element_bytes);
  });
}

void calls::tma_store(Unit *unit, uint32_t rank, const void *map,
                      const int32_t *coordinates, uint32_t shared) {
  Cta &cta = *unit->cta;
  Transfer box = check(unit, "tma_store", rank, map, coordinates, shared);
  cta.asyncRead(unit, "tma_store", shared, box.bytes, 128);
  if (cta.races)
    box.number = cta.races->store(unit, "tma_store", shared, box.bytes);
  overBox(box, [&](char *at, uint32_t) {
    if (at)
      cta.checkGlobal(unit, "tma_store", at, box.map.element_bytes,
                      box.map.element_bytes, true);
  });
  box.group = unit->storeGroup;
  unit->stores.push_back(box);
}

void calls::bulk_commit(Unit *unit) { ++unit->storeGroup; }

// Shared memory is read as late as PTX allows.
void calls::bulk_wait(Unit *unit, uint32_t pending) {
  Cta &cta = *unit->cta;
  size_t kept = 0;
  for (const Transfer &box : unit->stores) {
    if (box.group + pending >= unit->storeGroup) {
      unit->stores[kept++] = box;
      continue;
    }
    overBox(box, [&](char *at, uint32_t from) {
      if (!at)
        return;
      if (cta.races)
        cta.races->writeGlobal(unit, "bulk_wait", at, box.map.element_bytes);
      memcpy(at, cta.sharedData(from), box.map.element_bytes);
    });
    if (cta.races)
      cta.races->stored(unit, box.number);
  }
  unit->stores.resize(kept);
}
