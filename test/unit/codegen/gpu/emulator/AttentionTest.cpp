// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A whole kernel: attention of 64 queries to 512 keys by one CTA of 128
// threads, with double-buffered copies. Shows that the parts fit, and the time.
#include "test/support/Times.h"
#include "test/unit/codegen/gpu/emulator/Fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

using namespace fovea::emulator;

static constexpr int dim = 128, queries = 64, keys = 512, tile = 64;
using Halves = std::vector<uint16_t>;

static float number(uint16_t bits) {
  float out[2];
  calls().unpack(FOVEA_EMULATOR_BF16, bits, out);
  return out[0];
}

// Rows of 256 bytes; the 16-byte chunks are swizzled by the row.
static uint32_t chunkAt(uint32_t row, uint32_t chunk) {
  return row * 256 + ((chunk ^ (row & 7)) * 16);
}

static void loadTile(UnitPtr unit, uint32_t thread, uint32_t to,
                     const uint16_t *from) {
  for (uint32_t i = thread; i < tile * 16; i += 128)
    calls().copy_async(unit, to + chunkAt(i / 16, i % 16), from + i * 8, 16,
                       16);
}

static void attend(UnitPtr unit, uint32_t thread, const Halves &q,
                   const Halves &k, const Halves &v, std::vector<float> &o) {
  const auto &call = calls();
  uint32_t lane = thread % 32, warp = thread / 32;
  uint32_t base = call.shared_memory(unit), bytes = tile * 256;
  auto issue = [&](int step) {
    loadTile(unit, thread, base + (1 + 2 * (step % 2)) * bytes,
             k.data() + step * tile * dim);
    loadTile(unit, thread, base + (2 + 2 * (step % 2)) * bytes,
             v.data() + step * tile * dim);
    call.copy_async_commit(unit);
  };
  loadTile(unit, thread, base, q.data());
  issue(0);
  float out[16][4] = {}, most[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  for (int step = 0; step < keys / tile; ++step) {
    if (step + 1 < keys / tile)
      issue(step + 1);
    call.copy_async_wait(unit, step + 1 < keys / tile ? 1 : 0);
    call.barrier(unit, 0, 128);
    uint32_t ks = base + (1 + 2 * (step % 2)) * bytes, vs = ks + bytes;
    float s[8][4] = {};
    for (uint32_t d = 0; d < dim / 16; ++d) {
      uint32_t a[4], b[4];
      call.ldmatrix(unit, 4, 0,
                    base + chunkAt(warp * 16 + lane % 16, 2 * d + lane / 16),
                    a);
      for (uint32_t n = 0; n < 8; n += 2) {
        call.ldmatrix(unit, 4, 0,
                      ks + chunkAt(8 * n + lane % 8 + lane / 16 * 8,
                                   2 * d + lane / 8 % 2),
                      b);
        for (int i = 0; i < 2; ++i) {
          auto *c = reinterpret_cast<uint32_t *>(s[n + i]);
          call.mma(unit, FOVEA_EMULATOR_BF16, a, b + 2 * i, c, c);
        }
      }
    }
    const float scale = 1.4426950408889634f / std::sqrt(float(dim));
    for (int h = 0; h < 2; ++h) {
      float top = most[h];
      for (auto &row : s)
        top = std::max({top, row[2 * h] * scale, row[2 * h + 1] * scale});
      for (uint32_t x : {1, 2}) {
        uint32_t bits;
        memcpy(&bits, &top, 4);
        bits = call.shuffle(unit, FOVEA_EMULATOR_XOR, bits, x);
        float other;
        memcpy(&other, &bits, 4);
        top = std::max(top, other);
      }
      float shrink = call.exp2_approx(most[h] - top);
      most[h] = top;
      sum[h] *= shrink;
      for (auto &row : out)
        row[2 * h] *= shrink, row[2 * h + 1] *= shrink;
      for (auto &row : s)
        for (int e = 2 * h; e < 2 * h + 2; ++e) {
          row[e] = call.exp2_approx(row[e] * scale - top);
          sum[h] += row[e];
        }
    }
    for (uint32_t j = 0; j < tile / 16; ++j) {
      uint32_t a[4], b[4];
      for (int i = 0; i < 4; ++i)
        a[i] = call.pack(FOVEA_EMULATOR_BF16, s[2 * j + i / 2][2 * (i % 2)],
                         s[2 * j + i / 2][2 * (i % 2) + 1]);
      for (uint32_t n = 0; n < 16; n += 2) {
        call.ldmatrix(unit, 4, 1,
                      vs + chunkAt(16 * j + lane % 16, n + lane / 16), b);
        for (int i = 0; i < 2; ++i) {
          auto *c = reinterpret_cast<uint32_t *>(out[n + i]);
          call.mma(unit, FOVEA_EMULATOR_BF16, a, b + 2 * i, c, c);
        }
      }
    }
    call.barrier(unit, 0, 128);
  }
  for (int h = 0; h < 2; ++h) {
    for (uint32_t x : {1, 2}) {
      uint32_t bits;
      memcpy(&bits, &sum[h], 4);
      bits = call.shuffle(unit, FOVEA_EMULATOR_XOR, bits, x);
      float other;
      memcpy(&other, &bits, 4);
      sum[h] += other;
    }
    for (uint32_t n = 0; n < 16; ++n)
      for (int e = 0; e < 2; ++e) {
        float value = out[n][2 * h + e] * call.rcp_approx(sum[h]);
        uint32_t row = warp * 16 + lane / 4 + 8 * h;
        call.store_global(unit, &o[row * dim + 8 * n + 2 * (lane % 4) + e],
                          &value, 4, FOVEA_EMULATOR_WEAK);
      }
  }
}

TEST(EmulatorAttention, AgreesWithThePlainSumInTime) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  Halves q(queries * dim), k(keys * dim), v(keys * dim);
  for (Halves *tensor : {&q, &k, &v})
    for (uint16_t &x : *tensor)
      x = uint16_t(calls().pack(FOVEA_EMULATOR_BF16, normal(random), 0));
  for (uint32_t seed : {0u, 9u}) {
    std::vector<float> o(queries * dim, NAN);
    Kernel kernel;
    kernel.threads = 128;
    kernel.sharedBytes = 5 * tile * 256;
    kernel.seed = seed;
    kernel.ranges = {{q.data(), q.size() * 2, 0, 0},
                     {k.data(), k.size() * 2, 0, 0},
                     {v.data(), v.size() * 2, 0, 0},
                     {o.data(), o.size() * 4, 1, 0}};
    double start = times::threadMs();
    ASSERT_EQ(kernel.run([&](UnitPtr unit, uint32_t thread) {
      attend(unit, thread, q, k, v, o);
    }),
              0)
        << kernel.message;
    double seconds = (times::threadMs() - start) / 1000;
    RecordProperty("seconds", std::to_string(seconds));
    EXPECT_TIME_BELOW(seconds, 0.5);
    double worst = 0;
    for (int i = 0; i < queries; ++i) {
      std::vector<double> p(keys);
      double most = -INFINITY, total = 0;
      for (int j = 0; j < keys; ++j) {
        for (int d = 0; d < dim; ++d)
          p[j] += double(number(q[i * dim + d])) * number(k[j * dim + d]);
        p[j] /= std::sqrt(double(dim));
        most = std::max(most, p[j]);
      }
      for (double &x : p)
        total += x = std::exp(x - most);
      for (int d = 0; d < dim; ++d) {
        double sum = 0;
        for (int j = 0; j < keys; ++j)
          sum += p[j] / total * number(v[j * dim + d]);
        double error = std::fabs(sum - o[i * dim + d]);
        worst = std::isnan(error) ? INFINITY : std::max(worst, error);
      }
    }
    // The weights were rounded to bf16: 2^-9 of a value of at most about 1.
    EXPECT_LT(worst, 4e-3) << "seed " << seed;
  }
}
