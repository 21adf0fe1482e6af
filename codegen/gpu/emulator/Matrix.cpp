// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// ldmatrix, stmatrix and mma.sync: what the 32 lanes of a warp hold together.
// A fragment of 8 x 8 elements of 16 bits: lane l holds row l / 4, columns
// 2 (l % 4) and the next one. All other layouts of PTX are made of this one.
#include "codegen/gpu/emulator/Calls.h"
#include "codegen/gpu/emulator/Numbers.h"

using namespace fovea::emulator;

namespace {
struct MoveSlot {
  uint32_t count, transpose, address;
  uint32_t *registers;
  bool store;
};
struct MmaSlot {
  const uint32_t *a, *b, *c;
  uint32_t *d;
};
} // namespace

// Lanes 8 i to 8 i + 7 have the addresses of the rows of matrix i.
static void move(Cta &cta, Unit *unit, void **slots) {
  const MoveSlot &first = *static_cast<MoveSlot *>(slots[0]);
  for (uint32_t i = 0; i < first.count; ++i) {
    uint16_t *rows[8];
    for (int r = 0; r < 8; ++r) {
      const char *op = first.store ? "stmatrix" : "ldmatrix";
      uint32_t address = static_cast<MoveSlot *>(slots[8 * i + r])->address;
      rows[r] = reinterpret_cast<uint16_t *>(
          cta.shared(unit, op, address, 16, 16, first.store));
      if (!cta.races)
        continue;
      // The lane whose address it is answers for the row.
      uint32_t lane = unit->id / 32 * 32 + 8 * i + r;
      if (first.store)
        cta.races->write(unit, lane, op, address, 16);
      else
        cta.races->read(unit, lane, op, address, 16);
    }
    for (int lane = 0; lane < 32; ++lane) {
      uint32_t &held = static_cast<MoveSlot *>(slots[lane])->registers[i];
      int r = lane / 4, c = 2 * (lane % 4);
      uint16_t *low = first.transpose ? &rows[c][r] : &rows[r][c];
      uint16_t *high = first.transpose ? &rows[c + 1][r] : &rows[r][c + 1];
      if (first.store)
        *low = uint16_t(held), *high = uint16_t(held >> 16);
      else
        held = *low | uint32_t(*high) << 16;
    }
  }
}

static void meetToMove(Unit *unit, const char *op, MoveSlot slot) {
  if (slot.count != 1 && slot.count != 2 && slot.count != 4)
    unit->cta->fail(unit, FOVEA_EMULATOR_INVALID, op,
                    "expected 1, 2 or 4 matrices, got %u", slot.count);
  unit->cta->maybePass(unit);
  unit->cta->meet(unit, op, slot.count * 2 + !!slot.transpose, &slot, move);
}

void calls::ldmatrix(Unit *unit, uint32_t count, uint32_t transpose,
                     uint32_t address, uint32_t *out) {
  meetToMove(unit, "ldmatrix", {count, transpose, address, out, false});
}

void calls::stmatrix(Unit *unit, uint32_t count, uint32_t transpose,
                     uint32_t address, const uint32_t *in) {
  meetToMove(unit, "stmatrix",
             {count, transpose, address, const_cast<uint32_t *>(in), true});
}

// `per` elements in a register: element e of lane t, register i of A lies at
// row t / 4 + 8 (i & 1), column per (t % 4) + e + 4 per (i >> 1); of B at row
// per (t % 4) + e + 4 per i, column t / 4.
template <typename Number, int per, typename Decode>
static void multiply(void **slots, Decode decode) {
  constexpr int depth = 8 * per;
  Number a[16][depth], b[8][depth];
  for (int t = 0; t < 32; ++t) {
    const MmaSlot &lane = *static_cast<MmaSlot *>(slots[t]);
    for (int e = 0; e < per; ++e) {
      int column = per * (t % 4) + e;
      for (int i = 0; i < 4; ++i)
        a[t / 4 + 8 * (i & 1)][column + 4 * per * (i >> 1)] =
            decode(lane.a[i], e);
      for (int i = 0; i < 2; ++i)
        b[t / 4][column + 4 * per * i] = decode(lane.b[i], e);
    }
  }
  for (int t = 0; t < 32; ++t) {
    const MmaSlot &lane = *static_cast<MmaSlot *>(slots[t]);
    for (int i = 0; i < 4; ++i) {
      const Number *row = a[t / 4 + 8 * (i >> 1)];
      const Number *column = b[2 * (t % 4) + (i & 1)];
      Number sum;
      memcpy(&sum, &lane.c[i], 4);
      for (int k = 0; k < depth; ++k)
        sum += row[k] * column[k];
      memcpy(&lane.d[i], &sum, 4);
    }
  }
}

void calls::mma(Unit *unit, uint32_t kind, const uint32_t *a, const uint32_t *b,
                const uint32_t *c, uint32_t *d) {
  MmaSlot slot = {a, b, c, d};
  switch (kind) {
  case FOVEA_EMULATOR_F16:
    return unit->cta->meet(unit, "mma", kind, &slot,
                           [](Cta &, Unit *, void **slots) {
                             multiply<float, 2>(slots, [](uint32_t r, int e) {
                               return fromF16(r >> (16 * e));
                             });
                           });
  case FOVEA_EMULATOR_BF16:
    return unit->cta->meet(unit, "mma", kind, &slot,
                           [](Cta &, Unit *, void **slots) {
                             multiply<float, 2>(slots, [](uint32_t r, int e) {
                               return fromBf16(r >> (16 * e));
                             });
                           });
  // Unsigned, so that sums wrap as on the GPU.
  case FOVEA_EMULATOR_S8:
    return unit->cta->meet(
        unit, "mma", kind, &slot, [](Cta &, Unit *, void **slots) {
          multiply<uint32_t, 4>(slots, [](uint32_t r, int e) {
            return uint32_t(int32_t(int8_t(r >> (8 * e))));
          });
        });
  case FOVEA_EMULATOR_S4:
    return unit->cta->meet(
        unit, "mma", kind, &slot, [](Cta &, Unit *, void **slots) {
          multiply<uint32_t, 8>(slots, [](uint32_t r, int e) {
            return uint32_t(int32_t(r << (28 - 4 * e)) >> 28);
          });
        });
  default:
    unit->cta->fail(unit, FOVEA_EMULATOR_INVALID, "mma",
                    "expected f16, bf16, s8 or s4, got kind %u", kind);
  }
}
