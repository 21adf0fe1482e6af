// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counts the allocations of a whole program by replacing its malloc: for tests
// that show that a call allocates nothing, or that make each of its allocations
// fail. Include it in one file of a program;
// sanitizers replace malloc themselves, so such a program is built without.
#ifndef FOVEA_TEST_SUPPORT_COUNTALLOCATIONS_H
#define FOVEA_TEST_SUPPORT_COUNTALLOCATIONS_H

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <fovea/runtime.h>

namespace fovea::test {

inline std::atomic<int64_t> allocations{0};

/// Allocations of all threads during `work`.
template <typename Work>
int64_t allocationsDuring(Work work) {
  int64_t before = allocations.load();
  work();
  return allocations.load() - before;
}

inline std::atomic<int64_t> frees{0};
/// Allocations of this thread until one fails; negative: none will.
inline thread_local int64_t untilFailure = -1;

/// False: this one is to fail.
inline bool countAllocation() {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return untilFailure < 0 || untilFailure-- > 0;
}
inline void countFree(const void *p) {
  frees.fetch_add(p != nullptr, std::memory_order_relaxed);
}

/// Makes each allocation of `call` fail in turn, until it succeeds. Returns
/// how many it makes; -1 if one of them was lost.
template <typename Call>
int failEach(Call call) {
  for (int k = 0;; ++k) {
    int64_t before = allocations.load() - frees.load();
    untilFailure = k;
    fovea_status st = call();
    bool met = untilFailure < 0;
    untilFailure = -1;
    int64_t refused = met; // counted, and not made
    int64_t after = allocations.load() - frees.load() - refused;
    if (!met)
      return st == FOVEA_OK ? k : -1;
    if (st != FOVEA_NO_MEMORY || after != before)
      return -1;
  }
}

} // namespace fovea::test

// Visible, or the shared libraries would keep the C library's.
#pragma GCC visibility push(default)
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

void *malloc(size_t n) {
  return fovea::test::countAllocation() ? __libc_malloc(n) : nullptr;
}
void *calloc(size_t n, size_t size) {
  return fovea::test::countAllocation() ? __libc_calloc(n, size) : nullptr;
}
void *realloc(void *p, size_t n) {
  if (!fovea::test::countAllocation())
    return nullptr;
  fovea::test::countFree(p);
  return __libc_realloc(p, n);
}
void *aligned_alloc(size_t align, size_t n) {
  return fovea::test::countAllocation() ? __libc_memalign(align, n) : nullptr;
}
void free(void *p) {
  fovea::test::countFree(p);
  __libc_free(p);
}
}
#pragma GCC visibility pop

#endif // FOVEA_TEST_SUPPORT_COUNTALLOCATIONS_H
