// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ceilings of this machine.
#include "tools/fovea/Ceilings.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <immintrin.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace fovea::cli {

double secondsNow() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double median(std::vector<double> samples) {
  if (samples.empty())
    return 0;
  std::sort(samples.begin(), samples.end());
  size_t half = samples.size() / 2;
  return samples.size() % 2 ? samples[half]
                            : (samples[half - 1] + samples[half]) / 2;
}

bool hostHasAVX512() {
  return __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512vl");
}

bool hostHasAVX2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

// Independent chains: enough to cover the latency of two FMA units, few enough
// for the registers. The empty asm keeps the compiler from folding rounds.
static constexpr int kChains = 12;

__attribute__((target("avx2,fma"), noinline)) static float
fmaAVX2(int64_t rounds) {
  __m256 a[kChains];
  for (int i = 0; i < kChains; ++i)
    a[i] = _mm256_set1_ps(0.1f * float(i));
  __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
  asm volatile("" : "+x"(x), "+x"(y));
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i)
      a[i] = _mm256_fmadd_ps(a[i], x, y);
    asm volatile("" : "+x"(a[0]), "+x"(a[1]), "+x"(a[2]), "+x"(a[3]));
  }
  __m256 sum = a[0];
  for (int i = 1; i < kChains; ++i)
    sum = _mm256_add_ps(sum, a[i]);
  return sum[0];
}

__attribute__((target("avx512f"), noinline)) static float
fmaAVX512(int64_t rounds) {
  __m512 a[kChains];
  for (int i = 0; i < kChains; ++i)
    a[i] = _mm512_set1_ps(0.1f * float(i));
  __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
  asm volatile("" : "+v"(x), "+v"(y));
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i)
      a[i] = _mm512_fmadd_ps(a[i], x, y);
    asm volatile("" : "+v"(a[0]), "+v"(a[1]), "+v"(a[2]), "+v"(a[3]));
  }
  __m512 sum = a[0];
  for (int i = 1; i < kChains; ++i)
    sum = _mm512_add_ps(sum, a[i]);
  return sum[0];
}

/// Four sums: enough to cover the latency. Each of the four products is one of
/// 16 x 32 by 32 x 16 numbers.
__attribute__((target("amx-tile,amx-bf16"), noinline)) static void
dotsAMX(int64_t rounds) {
  alignas(64) unsigned char shapes[64] = {1};
  for (int tile = 0; tile < 8; ++tile)
    shapes[16 + 2 * tile] = 64, shapes[48 + tile] = 16;
  // g++ 12 takes the load for one of 8 bytes.
  asm volatile("" : : "r"(shapes) : "memory");
  _tile_loadconfig(shapes);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  for (int64_t r = 0; r < rounds; ++r) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_release();
}

__attribute__((target("avx2"), noinline)) static float
readAVX2(const float *data, size_t n) {
  __m256 sum[8];
  for (__m256 &s : sum)
    s = _mm256_setzero_ps();
  for (size_t i = 0; i < n; i += 64) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j)
      sum[j] = _mm256_add_ps(sum[j], _mm256_load_ps(data + i + 8 * j));
    asm volatile("" : "+x"(sum[0]), "+x"(sum[1]), "+x"(sum[2]), "+x"(sum[3]));
    asm volatile("" : "+x"(sum[4]), "+x"(sum[5]), "+x"(sum[6]), "+x"(sum[7]));
  }
  for (int j = 1; j < 8; ++j)
    sum[0] = _mm256_add_ps(sum[0], sum[j]);
  return sum[0][0];
}

__attribute__((target("avx512f"), noinline)) static float
readAVX512(const float *data, size_t n) {
  __m512 sum[4];
  for (__m512 &s : sum)
    s = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += 64) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      sum[j] = _mm512_add_ps(sum[j], _mm512_load_ps(data + i + 16 * j));
    asm volatile("" : "+v"(sum[0]), "+v"(sum[1]), "+v"(sum[2]), "+v"(sum[3]));
  }
  for (int j = 1; j < 4; ++j)
    sum[0] = _mm512_add_ps(sum[0], sum[j]);
  return sum[0][0];
}

/// Runs work(thread) on all threads at once; the time from the common start to
/// the last end.
static double timeTogether(int threads, const std::function<void(int)> &work) {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  auto body = [&](int thread) {
    ++ready;
    while (!go)
      std::this_thread::yield();
    work(thread);
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t)
    others.emplace_back(body, t);
  while (ready < threads - 1)
    std::this_thread::yield();
  double start = secondsNow();
  go = true;
  work(0);
  for (std::thread &thread : others)
    thread.join();
  return secondsNow() - start;
}

static std::atomic<float> sink; // keeps results alive

CeilingMeter::CeilingMeter(int threads, bool wide)
    : nThreads(threads), wide(wide && hostHasAVX512()) {}

CeilingMeter::~CeilingMeter() {
  if (buffer)
    munmap(buffer, bufferBytes);
}

double CeilingMeter::fma(double seconds) {
  auto loop = [&](int64_t rounds) {
    sink = wide ? fmaAVX512(rounds) : fmaAVX2(rounds);
  };
  // 12 chains at 2 per cycle: about 2 ns a round at 3 GHz.
  int64_t rounds = std::max<int64_t>(10000, int64_t(seconds * 4e8));
  double time = timeTogether(nThreads, [&](int) { loop(rounds); });
  double flops = 2.0 * kChains * (wide ? 16 : 8) * double(rounds) * nThreads;
  return flops / time * 1e-9;
}

double CeilingMeter::matrix(double seconds) {
  // 64 cycles a round: about 20 ns.
  int64_t rounds = std::max<int64_t>(1000, int64_t(seconds * 4e7));
  double time = timeTogether(nThreads, [&](int) { dotsAMX(rounds); });
  return 2.0 * 4 * 16 * 16 * 32 * double(rounds) * nThreads / time * 1e-9;
}

void CeilingMeter::prepareBuffer() {
  if (buffer)
    return;
  long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  bufferBytes = std::clamp<size_t>(2 * size_t(std::max(cache, 0L)),
                                   size_t(256) << 20, size_t(1) << 30);
  void *memory = mmap(nullptr, bufferBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    bufferBytes = 0;
    return;
  }
  madvise(memory, bufferBytes, MADV_HUGEPAGE);
  buffer = static_cast<float *>(memory);
  std::fill(buffer, buffer + bufferBytes / sizeof(float), 1.0f);
}

double CeilingMeter::read(double seconds) {
  prepareBuffer();
  if (!buffer)
    return 0;
  // About 10 GB/s and thread; the next sample continues where this one ends,
  // so that nothing of it is still in a cache.
  size_t perThread =
      std::clamp<size_t>(size_t(seconds * 1e10) & ~size_t(4095),
                         size_t(4) << 20, bufferBytes / size_t(nThreads) / 2);
  size_t total = perThread * size_t(nThreads);
  if (position + total > bufferBytes)
    position = 0;
  const float *from = buffer + position / sizeof(float);
  position += total;
  double time = timeTogether(nThreads, [&](int thread) {
    const float *mine = from + size_t(thread) * perThread / sizeof(float);
    size_t n = (perThread & ~size_t(255)) / sizeof(float);
    sink = wide ? readAVX512(mine, n) : readAVX2(mine, n);
  });
  return double(perThread & ~size_t(255)) * nThreads / time * 1e-9;
}

double CeilingMeter::readAgain(size_t bytes) {
  prepareBuffer();
  if (!buffer)
    return 0;
  size_t most = bufferBytes / size_t(nThreads);
  size_t perThread =
      std::clamp<size_t>(bytes / size_t(nThreads), 4096, most) & ~size_t(255);
  size_t n = perThread / sizeof(float);
  int times = int(std::max<size_t>((size_t(64) << 20) / perThread, 2));
  // The first round brings it into the caches.
  double time = 0;
  for (int timed = 0; timed < 2; ++timed)
    time = timeTogether(nThreads, [&](int thread) {
      const float *mine = buffer + size_t(thread) * n;
      for (int i = 0; i < (timed ? times : 1); ++i)
        sink = wide ? readAVX512(mine, n) : readAVX2(mine, n);
    });
  return double(perThread) * nThreads * times / time * 1e-9;
}

} // namespace fovea::cli
