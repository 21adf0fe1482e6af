// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic on extents that come from files and callers: an overflow is a
// value of its own, so that a chain of operations is checked once at its end.
#ifndef FOVEA_RUNTIME_BASE_CHECKED_H
#define FOVEA_RUNTIME_BASE_CHECKED_H

#include <cstdint>

namespace fovea::rt {

/// A non-negative 64-bit number, or "too large".
struct Extent {
  int64_t value = 0;
  bool ok = true;

  static Extent invalid() { return {0, false}; }
};

inline Extent operator+(Extent a, Extent b) {
  Extent r;
  r.ok = a.ok && b.ok && !__builtin_add_overflow(a.value, b.value, &r.value);
  return r;
}

inline Extent operator*(Extent a, Extent b) {
  Extent r;
  r.ok = a.ok && b.ok && !__builtin_mul_overflow(a.value, b.value, &r.value);
  return r;
}

/// ceil(a / b) for a of either sign and b > 0.
inline int64_t ceilDiv(int64_t a, int64_t b) {
  return a / b + (a % b > 0 ? 1 : 0);
}

/// `a` rounded up to a multiple of the power of two `to`.
inline Extent roundUp(Extent a, int64_t to) {
  Extent r = a + Extent{to - 1};
  r.value &= -to;
  return r;
}

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_BASE_CHECKED_H
