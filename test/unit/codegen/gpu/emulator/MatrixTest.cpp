// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// ldmatrix, stmatrix, mma and cp.async against plain loops.
#include "test/unit/codegen/gpu/emulator/Fixture.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

using namespace fovea::emulator;

TEST(EmulatorMatrix, LdmatrixGivesRowsOrColumns) {
  Kernel kernel;
  ASSERT_EQ(kernel.run([&](UnitPtr unit, uint32_t lane) {
    // Matrix i, row r, column c holds 64 i + 8 r + c.
    for (uint32_t c = 0; c < 8; ++c)
      storeShared<uint16_t>(unit, 16 * lane + 2 * c, uint16_t(8 * lane + c));
    calls().warp_barrier(unit);
    uint32_t address = calls().shared_memory(unit) + 16 * lane, out[4];
    uint32_t row = lane / 4, column = 2 * (lane % 4);
    calls().ldmatrix(unit, 4, 0, address, out);
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t low = 64 * i + 8 * row + column;
      EXPECT_EQ(out[i], low | (low + 1) << 16);
    }
    calls().ldmatrix(unit, 4, 1, address, out);
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t low = 64 * i + 8 * column + row;
      EXPECT_EQ(out[i], low | (low + 8) << 16);
    }
    calls().stmatrix(unit, 4, 1, address + 512, out);
    for (uint32_t c = 0; c < 8; ++c)
      EXPECT_EQ(loadShared<uint16_t>(unit, 512 + 16 * lane + 2 * c),
                8 * lane + c);
  }),
            0)
      << kernel.message;
}

// Fragments by the formulas of the PTX manual, `per` elements a register.
static void checkMma(uint32_t kind, int bits) {
  int per = 32 / bits, depth = 8 * per;
  std::mt19937 random(kind + 1);
  std::vector<int> a(16 * depth), b(depth * 8), c(16 * 8);
  for (auto *matrix : {&a, &b, &c})
    for (int &x : *matrix)
      x = int(random() % 15) - 7;
  bool integer = kind >= FOVEA_EMULATOR_S8;
  auto encode = [&](int x) -> uint32_t {
    if (integer)
      return uint32_t(x) & ((1u << bits) - 1);
    return calls().pack(kind, float(x), 0);
  };
  auto word = [&](int x) {
    float number = float(x);
    uint32_t out = uint32_t(x);
    if (!integer)
      memcpy(&out, &number, 4);
    return out;
  };
  Kernel kernel;
  ASSERT_EQ(kernel.run([&](UnitPtr unit, uint32_t lane) {
    int group = lane / 4, inGroup = lane % 4;
    uint32_t ra[4] = {}, rb[2] = {}, rc[4], rd[4];
    for (int e = 0; e < per; ++e) {
      for (int i = 0; i < 4; ++i) {
        int row = group + (i % 2 ? 8 : 0);
        int column = inGroup * per + e + (i >= 2 ? depth / 2 : 0);
        ra[i] |= encode(a[row * depth + column]) << (bits * e);
      }
      for (int i = 0; i < 2; ++i)
        rb[i] |= encode(b[(inGroup * per + e + i * depth / 2) * 8 + group])
                 << (bits * e);
    }
    auto at = [&](int i) {
      return (group + (i >= 2 ? 8 : 0)) * 8 + 2 * inGroup + i % 2;
    };
    for (int i = 0; i < 4; ++i)
      rc[i] = word(c[at(i)]);
    calls().mma(unit, kind, ra, rb, rc, rd);
    for (int i = 0; i < 4; ++i) {
      int sum = c[at(i)];
      for (int k = 0; k < depth; ++k)
        sum += a[at(i) / 8 * depth + k] * b[k * 8 + at(i) % 8];
      EXPECT_EQ(rd[i], word(sum));
    }
  }),
            0)
      << kernel.message;
}

TEST(EmulatorMatrix, MmaF16) { checkMma(FOVEA_EMULATOR_F16, 16); }
TEST(EmulatorMatrix, MmaBf16) { checkMma(FOVEA_EMULATOR_BF16, 16); }
TEST(EmulatorMatrix, MmaS8) { checkMma(FOVEA_EMULATOR_S8, 8); }
TEST(EmulatorMatrix, MmaS4) { checkMma(FOVEA_EMULATOR_S4, 4); }

TEST(EmulatorMatrix, CopyAsyncFillsWithZerosAndKeepsGroupsApart) {
  alignas(16) uint8_t source[64];
  for (int i = 0; i < 64; ++i)
    source[i] = uint8_t(i + 1);
  Kernel kernel;
  ASSERT_EQ(kernel.run([&](UnitPtr unit, uint32_t lane) {
    if (lane)
      return;
    uint32_t base = calls().shared_memory(unit);
    calls().copy_async(unit, base, source, 16, 5);
    calls().copy_async_commit(unit);
    calls().copy_async(unit, base + 16, source + 16, 8, 8);
    calls().copy_async_commit(unit);
    calls().copy_async_wait(unit, 1);
    for (uint32_t i = 0; i < 16; ++i)
      EXPECT_EQ(loadShared<uint8_t>(unit, i), i < 5 ? i + 1 : 0);
    calls().copy_async_wait(unit, 0);
    EXPECT_EQ(loadShared<uint8_t>(unit, 23), 24);
  }),
            0)
      << kernel.message;
}
