// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mbarriers, and the copies of sm_90 that report to them. A copy is delivered
// when no thread can run without it, or at random if the launch has a seed.
#include "codegen/gpu/emulator/Calls.h"

#include <cstdio>
#include <cstring>

using namespace fovea::emulator;

Mbarrier &Cta::mbarrier(Unit *unit, const char *op, uint32_t address) {
  for (Mbarrier &one : mbarriers)
    if (one.address == address)
      return one;
  fail(unit, FOVEA_EMULATOR_INVALID, op,
       "expected an mbarrier that was made at shared offset %lld, got none",
       static_cast<long long>(address) - sharedBase);
}

void Cta::endPhase(Mbarrier &barrier) {
  if (barrier.pending || barrier.bytes)
    return;
  barrier.phase ^= 1;
  if (races)
    races->endPhase(barrier.address);
  barrier.pending = barrier.count;
  for (uint32_t id : barrier.waiting)
    wake(id);
  barrier.waiting.clear();
}

static void arrive(Unit *unit, const char *op, uint32_t address,
                   uint32_t bytes) {
  Mbarrier &barrier = unit->cta->mbarrier(unit, op, address);
  if (!barrier.pending)
    unit->cta->fail(unit, FOVEA_EMULATOR_INVALID, op,
                    "expected at most %u arrivals in a phase of the mbarrier "
                    "at shared offset %u, got one more",
                    barrier.count, address - sharedBase);
  if (unit->cta->races) {
    unit->cta->races->read(unit, unit->id, op, address, 8, true);
    unit->cta->races->arriveAt(address, unit);
  }
  --barrier.pending;
  barrier.bytes += bytes;
  unit->cta->endPhase(barrier);
}

void calls::mbarrier_init(Unit *unit, uint32_t address, uint32_t count) {
  Cta &cta = *unit->cta;
  if (!count)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, "mbarrier_init",
             "expected at least one arrival a phase, got 0");
  memset(cta.shared(unit, "mbarrier_init", address, 8, 8, true), 0, 8);
  if (cta.races)
    cta.races->write(unit, unit->id, "mbarrier_init", address, 8);
  for (Mbarrier &one : cta.mbarriers)
    if (one.address == address) {
      one = {address, count, count, 0, 0, {}};
      return;
    }
  cta.mbarriers.push_back({address, count, count, 0, 0, {}});
}

void calls::mbarrier_arrive(Unit *unit, uint32_t address) {
  arrive(unit, "mbarrier_arrive", address, 0);
}

void calls::mbarrier_arrive_expect_tx(Unit *unit, uint32_t address,
                                      uint32_t bytes) {
  arrive(unit, "mbarrier_arrive_expect_tx", address, bytes);
}

void calls::mbarrier_wait(Unit *unit, uint32_t address, uint32_t parity) {
  Cta &cta = *unit->cta;
  cta.maybePass(unit);
  if (parity > 1)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, "mbarrier_wait",
             "expected a parity of 0 or 1, got %u", parity);
  // The phase with this parity is over while the other one runs.
  while (cta.mbarrier(unit, "mbarrier_wait", address).phase == parity) {
    snprintf(unit->waits, sizeof unit->waits,
             "the mbarrier at shared offset %u, parity %u",
             address - sharedBase, parity);
    cta.mbarrier(unit, "mbarrier_wait", address).waiting.push_back(unit->id);
    cta.block(unit);
  }
  if (cta.races) {
    cta.races->read(unit, unit->id, "mbarrier_wait", address, 8, true);
    cta.races->waited(address, unit);
  }
}

bool Cta::deliver() {
  if (transfers.empty())
    return false;
  size_t which = launch.seed ? random() % transfers.size() : 0;
  Transfer transfer = transfers[which];
  transfers.erase(transfers.begin() + which);
  if (transfer.isBox)
    readBox(transfer);
  else
    memcpy(sharedData(transfer.shared), transfer.global, transfer.bytes);
  setState(transfer.shared, transfer.bytes, Byte::Written);
  clearWriters(transfer.shared, transfer.bytes);
  if (races)
    races->delivered(transfer.mbarrier, transfer.number);
  for (Mbarrier &one : mbarriers)
    if (one.address == transfer.mbarrier) {
      one.bytes -= transfer.bytes;
      endPhase(one);
    }
  return true;
}

void calls::bulk_copy(Unit *unit, uint32_t shared, const void *global,
                      uint32_t bytes, uint32_t mbarrier) {
  Cta &cta = *unit->cta;
  if (bytes % 16)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, "bulk_copy",
             "expected a multiple of 16 bytes, got %u", bytes);
  cta.mbarrier(unit, "bulk_copy", mbarrier);
  cta.checkGlobal(unit, "bulk_copy", global, bytes, 16, false);
  cta.shared(unit, "bulk_copy", shared, bytes, 16, true);
  memset(cta.sharedData(shared), 0xff, bytes);
  cta.setState(shared, bytes, Byte::InFlight);
  Transfer transfer = {};
  transfer.shared = shared;
  transfer.bytes = bytes;
  transfer.mbarrier = mbarrier;
  transfer.global = static_cast<const char *>(global);
  if (cta.races) {
    cta.races->readGlobal(unit, "bulk_copy", global, bytes);
    transfer.number =
        cta.races->copy(unit, "bulk_copy", shared, bytes, mbarrier);
  }
  cta.transfers.push_back(transfer);
}

void calls::fence_async_proxy(Unit *unit) { ++unit->fences; }
