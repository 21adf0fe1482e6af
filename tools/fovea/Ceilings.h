// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What this machine can do at most, measured in the same process as what is
// held against it: f32 fused multiply-adds, bf16 products of a matrix unit, and
// reads from memory.
#ifndef FOVEA_TOOLS_FOVEA_CEILINGS_H
#define FOVEA_TOOLS_FOVEA_CEILINGS_H

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace fovea::cli {

/// Takes samples; each is one slice of time on `threads` threads.
class CeilingMeter {
public:
  /// `wide`: use AVX-512 where the measured code does.
  CeilingMeter(int threads, bool wide);
  ~CeilingMeter();
  CeilingMeter(const CeilingMeter &) = delete;
  CeilingMeter &operator=(const CeilingMeter &) = delete;

  /// GFLOP/s of f32 multiply-adds, about `seconds` long.
  double fma(double seconds);
  /// GFLOP/s of bf16 products of the matrix unit, which this machine has.
  double matrix(double seconds);
  /// GB/s of reads from a buffer larger than the caches.
  double read(double seconds);
  /// GB/s of reading the same `bytes` again and again: what of them fits a
  /// cache comes from there. At most the buffer of `read`.
  double readAgain(size_t bytes);
  int threads() const { return nThreads; }

private:
  void prepareBuffer();

  int nThreads;
  bool wide;
  float *buffer = nullptr;
  size_t bufferBytes = 0, position = 0;
};

/// Whether AVX-512 (AVX2 and FMA) code runs here.
bool hostHasAVX512();
bool hostHasAVX2();

double secondsNow();
double median(std::vector<double> samples);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_CEILINGS_H
