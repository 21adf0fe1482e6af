// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counts the allocations of a whole program by replacing its malloc: for tests
// that show that a call allocates nothing. Include it in one file of a program;
// sanitizers replace malloc themselves, so such a program is built without.
#ifndef FOVEA_TEST_SUPPORT_COUNTALLOCATIONS_H
#define FOVEA_TEST_SUPPORT_COUNTALLOCATIONS_H

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace fovea::test {

inline std::atomic<int64_t> allocations{0};

/// Allocations of all threads during `work`.
template <typename Work>
int64_t allocationsDuring(Work work) {
  int64_t before = allocations.load();
  work();
  return allocations.load() - before;
}

inline void countAllocation() {
  allocations.fetch_add(1, std::memory_order_relaxed);
}

} // namespace fovea::test

// Visible, or the shared libraries would keep the C library's.
#pragma GCC visibility push(default)
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t n) {
  fovea::test::countAllocation();
  return __libc_malloc(n);
}
void *calloc(size_t n, size_t size) {
  fovea::test::countAllocation();
  return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n) {
  fovea::test::countAllocation();
  return __libc_realloc(p, n);
}
void *aligned_alloc(size_t align, size_t n) {
  fovea::test::countAllocation();
  return __libc_memalign(align, n);
}
}
#pragma GCC visibility pop

#endif // FOVEA_TEST_SUPPORT_COUNTALLOCATIONS_H
