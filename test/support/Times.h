// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Times that tests bound, on machines that others use too. Includes nothing of
// ours.
#ifndef FOVEA_TEST_SUPPORT_TIMES_H
#define FOVEA_TEST_SUPPORT_TIMES_H

#include <algorithm>
#include <ctime>
#include <limits>

namespace times {

/// Whether times say anything: optimised, and without a sanitizer.
#ifdef FOVEA_TEST_TIMES
constexpr bool kBound = true;
#else
constexpr bool kBound = false;
#endif

/// Milliseconds of this thread: those of others do not count.
inline double threadMs() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) * 1e3 + double(t.tv_nsec) * 1e-6;
}

/// The least time of some rounds, where `round` returns its own in any unit.
/// Neighbours slow whatever shares caches with them, so rounds go on, up to 25
/// times as many, until one is below `wanted`.
template <typename Round>
double fastest(int rounds, double wanted, Round round) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < rounds || (kBound && best >= wanted && i < 25 * rounds);
       ++i)
    best = std::min(best, double(round()));
  return best;
}

} // namespace times

/// Bounds a time where times say anything.
#define EXPECT_TIME_BELOW(time, wanted)                                        \
  if constexpr (!times::kBound) {                                              \
  } else                                                                       \
    EXPECT_LT(time, wanted)

#endif
