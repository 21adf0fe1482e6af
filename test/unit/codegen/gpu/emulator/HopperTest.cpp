// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mbarriers, bulk copies, boxes of tensors and wgmma: semantics against plain
// loops, and one fault each.
#include "test/unit/codegen/gpu/emulator/Fixture.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

using namespace fovea::emulator;

// A box over two edges of an 8 x 64 tensor of bf16, swizzled by 128 bytes.
TEST(EmulatorHopper, BoxesAreFilledWithZerosAndSwizzled) {
  std::vector<uint16_t> tensor(8 * 64), back(8 * 64);
  for (uint32_t i = 0; i < tensor.size(); ++i)
    tensor[i] = uint16_t(i + 1);
  fovea_emulator_tensor_map_t map = {tensor.data(), 2,       2, {64, 8},
                                     {2, 128},      {64, 8}, 3};
  fovea_emulator_tensor_map_t backMap = map;
  backMap.base = back.data();
  for (uint32_t seed = 0; seed < 5; ++seed) {
    Kernel kernel;
    kernel.seed = seed;
    ASSERT_EQ(kernel.run([&](UnitPtr unit, uint32_t thread) {
      uint32_t base = calls().shared_memory(unit), bar = base + 2048;
      if (!thread)
        calls().mbarrier_init(unit, bar, 1);
      calls().warp_barrier(unit);
      int32_t at[2] = {-8, 4};
      if (!thread) {
        calls().mbarrier_arrive_expect_tx(unit, bar, 1024);
        calls().tma_load(unit, 2, base, &map, at, bar);
      }
      calls().mbarrier_wait(unit, bar, 0);
      for (uint32_t row = 0; row < 8; ++row)
        for (uint32_t c = thread; c < 64; c += 32) {
          uint16_t want =
              c >= 8 && row < 4 ? uint16_t((row + 4) * 64 + c - 8 + 1) : 0;
          uint32_t offset = row * 128 + ((c / 8 ^ row) * 16) + c % 8 * 2;
          EXPECT_EQ(loadShared<uint16_t>(unit, offset), want);
        }
      calls().warp_barrier(unit);
      if (!thread) {
        calls().tma_store(unit, 2, &backMap, at, base);
        calls().bulk_commit(unit);
        calls().bulk_wait(unit, 0);
      }
    }),
              0)
        << kernel.message;
    for (uint32_t i = 0; i < back.size(); ++i)
      EXPECT_EQ(back[i], i >= 256 && i % 64 < 56 ? tensor[i] : 0);
  }
}

namespace {
struct WgmmaCase {
  uint32_t kind, n, format;
  bool registers, transpose;
};
} // namespace

// d += a b, twice, with operands of 32 bytes of depth in 128-byte rows.
static void checkWgmma(WgmmaCase test) {
  bool wide = test.kind < 2;
  uint32_t depth = wide ? 16 : 32, n = test.n, size = wide ? 2 : 1;
  std::mt19937 random(test.kind + n);
  std::vector<int> a(64 * depth), b(n * depth);
  for (auto *matrix : {&a, &b})
    for (int &x : *matrix)
      x = int(random() % 15) - 7;
  auto encode = [&](int x) -> uint32_t {
    return test.kind == 4 ? uint32_t(uint8_t(x))
                          : calls().pack(test.format, float(x), 0) &
                                (wide ? 0xffff : 0xff);
  };
  auto swizzled = [](uint32_t offset) { return offset ^ (offset >> 3 & 0x70); };
  Kernel kernel;
  kernel.threads = 128;
  kernel.sharedBytes = 65536;
  ASSERT_EQ(kernel.run([&](UnitPtr unit, uint32_t t) {
    auto put = [&](uint32_t offset, int x) {
      uint32_t bits = encode(x);
      calls().store_shared(unit, calls().shared_memory(unit) + swizzled(offset),
                           &bits, size);
    };
    for (uint32_t i = t; i < 64 * depth; i += 128)
      put(i / depth * 128 + i % depth * size, a[i]);
    for (uint32_t i = t; i < n * depth; i += 128) {
      uint32_t r = i / depth, k = i % depth;
      put(8192 + (test.transpose ? r / 64 * 8192 + k * 128 + r % 64 * 2
                                 : r * 128 + k * size),
          b[i]);
    }
    calls().fence_async_proxy(unit);
    calls().barrier(unit, 0, 128);
    auto describe = [&](uint32_t offset) {
      uint64_t address = calls().shared_memory(unit) + offset;
      return address >> 4 | uint64_t(8192 >> 4) << 16 |
             uint64_t(1024 >> 4) << 32 | 1ull << 62;
    };
    uint32_t row = t / 32 * 16 + t % 32 / 4, registers[4] = {};
    for (uint32_t i = 0; i < 4; ++i)
      for (uint32_t e = 0; e < 4 / size; ++e)
        registers[i] |= encode(a[(row + 8 * (i & 1)) * depth +
                                 4 / size * (t % 4) + e + 16 / size * (i >> 1)])
                        << (8 * size * e);
    std::vector<uint32_t> acc(n / 2);
    uint32_t flags = (test.transpose ? 1 : 0) | (test.registers ? 4 : 0);
    calls().wgmma_fence(unit);
    // The first product leaves out what the accumulators held.
    for (uint32_t turn = 0; turn < 2; ++turn)
      calls().wgmma(unit, test.kind, n, flags | (turn ? 0 : 2), describe(0),
                    registers, describe(8192), acc.data(), acc.data());
    calls().wgmma_commit(unit);
    float early;
    memcpy(&early, acc.data(), 4);
    EXPECT_TRUE(early != early); // NaN until the wait
    calls().wgmma_wait(unit, 0, n / 2, acc.data(), acc.data());
    for (uint32_t i = 0; i < n / 2; ++i) {
      uint32_t r = row + 8 * (i / 2 % 2), c = i / 4 * 8 + t % 4 * 2 + i % 2;
      int sum = 0;
      for (uint32_t k = 0; k < depth; ++k)
        sum += 2 * a[r * depth + k] * b[c * depth + k];
      float number = float(sum);
      uint32_t want = uint32_t(sum);
      if (test.kind != 4)
        memcpy(&want, &number, 4);
      EXPECT_EQ(acc[i], want) << "thread " << t << " register " << i;
    }
  }),
            0)
      << kernel.message;
}

TEST(EmulatorHopper, WgmmaAgreesWithThePlainProduct) {
  checkWgmma({0, 16, FOVEA_EMULATOR_F16, false, false});
  checkWgmma({1, 128, FOVEA_EMULATOR_BF16, false, false});
  checkWgmma({1, 128, FOVEA_EMULATOR_BF16, true, true});
  checkWgmma({2, 64, FOVEA_EMULATOR_E4M3, true, false});
  checkWgmma({3, 8, FOVEA_EMULATOR_E5M2, false, false});
  checkWgmma({4, 32, FOVEA_EMULATOR_S8, true, false});
}

alignas(16) static uint8_t data[64];

static void expectFault(int32_t error, const std::string &says,
                        const Body &body, uint32_t threads = 32) {
  Kernel kernel;
  kernel.threads = threads;
  EXPECT_EQ(kernel.run(body), error) << kernel.message;
  EXPECT_NE(kernel.message.find(says), std::string::npos) << kernel.message;
}

TEST(EmulatorHopper, FaultsAreReported) {
  auto copy = [](UnitPtr unit, uint32_t expected) {
    uint32_t base = calls().shared_memory(unit), bar = base + 2048;
    calls().mbarrier_init(unit, bar, 1);
    calls().mbarrier_arrive_expect_tx(unit, bar, expected);
    calls().bulk_copy(unit, base, data, 64, bar);
    return bar;
  };
  expectFault(FOVEA_EMULATOR_IN_FLIGHT, "got a read before it",
              [&](UnitPtr unit, uint32_t thread) {
                if (!thread) {
                  copy(unit, 64);
                  loadShared<uint32_t>(unit, 0);
                }
              });
  expectFault(FOVEA_EMULATOR_DEADLOCK,
              "wait at the mbarrier at shared offset 2048, parity 1",
              [&](UnitPtr unit, uint32_t thread) {
                if (!thread)
                  calls().mbarrier_wait(unit, copy(unit, 64), 1 - 1),
                      calls().mbarrier_wait(
                          unit, calls().shared_memory(unit) + 2048, 1);
              });
  expectFault(FOVEA_EMULATOR_DEADLOCK, "parity 0",
              [&](UnitPtr unit, uint32_t thread) {
                if (!thread)
                  calls().mbarrier_wait(unit, copy(unit, 128), 0);
              });
  expectFault(FOVEA_EMULATOR_INVALID, "expected an mbarrier that was made",
              [&](UnitPtr unit, uint32_t) {
                calls().mbarrier_arrive(unit, calls().shared_memory(unit));
              });
  expectFault(FOVEA_EMULATOR_INVALID, "expected at most 1 arrivals",
              [&](UnitPtr unit, uint32_t thread) {
                if (!thread)
                  calls().mbarrier_arrive(unit, copy(unit, 64));
              });
  fovea_emulator_tensor_map_t map = {data, 1, 4, {16}, {4}, {16}, 0};
  int32_t zero = 0;
  auto store = [&](UnitPtr unit, bool fence, bool wait) {
    for (uint32_t i = 0; i < 16; ++i)
      storeShared(unit, 4 * i, i);
    if (fence)
      calls().fence_async_proxy(unit);
    calls().tma_store(unit, 1, &map, &zero, calls().shared_memory(unit));
    calls().bulk_commit(unit);
    if (wait)
      calls().bulk_wait(unit, 0);
  };
  expectFault(FOVEA_EMULATOR_PROXY,
              "expected thread 0 to fence the async proxy after its store",
              [&](UnitPtr unit, uint32_t) { store(unit, false, true); });
  expectFault(FOVEA_EMULATOR_INVALID, "expected a bulk_wait for all stores",
              [&](UnitPtr unit, uint32_t) { store(unit, true, false); });
  expectFault(
      FOVEA_EMULATOR_INVALID, "expected a descriptor of the 128-byte swizzle",
      [&](UnitPtr unit, uint32_t) {
        uint32_t acc[4] = {}, registers[4] = {};
        calls().wgmma(unit, 1, 8, 4, 0, registers, 0, acc, acc);
        calls().wgmma_commit(unit);
        calls().wgmma_wait(unit, 0, 4, acc, acc);
      },
      128);
  expectFault(
      FOVEA_EMULATOR_INVALID, "whole warpgroups of 128 threads",
      [&](UnitPtr unit, uint32_t) { calls().wgmma_fence(unit); }, 96);
}
