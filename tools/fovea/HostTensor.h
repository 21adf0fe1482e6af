// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A tensor in host memory, as kernels take it: the driver's arguments, random
// inputs and the results that verify compares.
#ifndef FOVEA_TOOLS_FOVEA_HOSTTENSOR_H
#define FOVEA_TOOLS_FOVEA_HOSTTENSOR_H

#include <fovea/abi.h>
#include <fovea/runtime.h>

#include <cstdint>
#include <vector>

namespace fovea {

/// Row-major, of any element type.
struct HostTensor {
  fovea_dtype dtype = FOVEA_DTYPE_NONE;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

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

} // namespace fovea

#endif // FOVEA_TOOLS_FOVEA_HOSTTENSOR_H
