// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Seeded random numbers that are the same on every platform and compiler: the
// standard library's distributions are not. For inputs of verify and bench and
// for the end-to-end table.
#ifndef FOVEA_TOOLS_FOVEA_RANDOM_H
#define FOVEA_TOOLS_FOVEA_RANDOM_H

#include <cstdint>

namespace fovea {

/// SplitMix64.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}

  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  /// In [0, 1), a multiple of 2^-53.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// In [low, high].
  int64_t integer(int64_t low, int64_t high) {
    uint64_t range = static_cast<uint64_t>(high - low) + 1;
    return low + static_cast<int64_t>(range ? next() % range : next());
  }

  /// Nearly normal, mean 0, variance 1, within [-3.5, 3.5]: the sum of four
  /// uniform 16-bit numbers. Integer arithmetic and one multiplication, so no
  /// mathematical library can change a bit.
  double normal() {
    uint64_t bits = next();
    int64_t sum = 0;
    for (int part = 0; part < 4; ++part)
      sum += static_cast<int64_t>((bits >> (16 * part)) & 0xffff);
    // The sum has mean 2 * 65535 and variance 4 * (2^32 - 1) / 12.
    return static_cast<double>(sum - 2 * 65535) * 2.6429e-5;
  }

private:
  uint64_t state;
};

} // namespace fovea

#endif // FOVEA_TOOLS_FOVEA_RANDOM_H
