// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A tensor in host memory, as kernels take it: the driver's arguments, random
// inputs and the results that verify compares.
#ifndef FOVEA_TOOLS_FOVEA_HOSTTENSOR_H
#define FOVEA_TOOLS_FOVEA_HOSTTENSOR_H

#include <fovea/abi.h>
#include <fovea/runtime.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fovea {

/// `bytes` of memory; the process ends if there is none.
void *allocateHostBytes(size_t bytes);
void freeHostBytes(void *p);

/// Memory as an inference engine holds it: cache lines for small tensors,
/// huge pages where the system has them for large ones. Without them a decode
/// over a gigabyte of keys would time page-table walks.
template <typename T>
struct HostAllocator {
  using value_type = T;
  HostAllocator() = default;
  template <typename U>
  HostAllocator(const HostAllocator<U> &) {}
  T *allocate(size_t n) {
    return static_cast<T *>(allocateHostBytes(n * sizeof(T)));
  }
  void deallocate(T *p, size_t) { freeHostBytes(p); }
  template <typename U>
  bool operator==(const HostAllocator<U> &) const {
    return true;
  }
  template <typename U>
  bool operator!=(const HostAllocator<U> &) const {
    return false;
  }
};
using HostBytes = std::vector<uint8_t, HostAllocator<uint8_t>>;

/// Row-major, of any element type.
struct HostTensor {
  fovea_dtype dtype = FOVEA_DTYPE_NONE;
  std::vector<int64_t> shape;
  HostBytes bytes;

  HostTensor() = default;
  /// Zeros.
  HostTensor(fovea_dtype dtype, std::vector<int64_t> shape);

  int64_t size() const;
  /// Element `i` in row-major order; every stored value is a double exactly,
  /// but i64 beyond 2^53.
  double get(int64_t i) const;
  /// Stores `value` rounded to the element type (ties to even; integers
  /// saturate).
  void set(int64_t i, double value);
  std::vector<double> values() const;

  /// A view for the C interface; it refers to this tensor's memory and shape.
  fovea_tensor view();
};

/// The values of `from`, rounded to `dtype`.
HostTensor converted(const HostTensor &from, fovea_dtype dtype);

} // namespace fovea

#endif // FOVEA_TOOLS_FOVEA_HOSTTENSOR_H
