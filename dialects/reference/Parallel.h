// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of attention are independent: they are shared out over a few threads so
// that verifying a large shape takes seconds. Private to the interpreter.
#ifndef FOVEA_DIALECTS_REFERENCE_PARALLEL_H
#define FOVEA_DIALECTS_REFERENCE_PARALLEL_H

#include "llvm/ADT/STLFunctionalExtras.h"

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace fovea::reference {

/// Calls body(begin, end) on disjoint ranges that cover [0, n), concurrently.
inline void forRanges(int64_t n,
                      llvm::function_ref<void(int64_t, int64_t)> body) {
  constexpr int64_t worthwhile = 64; // rows per thread
  int64_t threads = std::min<int64_t>(
      std::max(1u, std::thread::hardware_concurrency()), n / worthwhile);
  if (threads <= 1)
    return body(0, n);
  std::vector<std::thread> workers;
  for (int64_t t = 0; t < threads; ++t)
    workers.emplace_back(body, n * t / threads, n * (t + 1) / threads);
  for (std::thread &worker : workers)
    worker.join();
}

} // namespace fovea::reference

#endif // FOVEA_DIALECTS_REFERENCE_PARALLEL_H
