// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensors of f32, or of f16 for a GPU, as tests hand them to the C interface.
#ifndef FOVEA_TEST_E2E_CALLTENSOR_H
#define FOVEA_TEST_E2E_CALLTENSOR_H

#include <fovea/runtime.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace fovea::e2e {

/// Row-major, zero until it is filled. Tests see f32; what a kernel sees of a
/// tensor of f16 is what was packed last.
struct CallTensor {
  explicit CallTensor(std::vector<int64_t> dims, bool half = false)
      : shape(std::move(dims)) {
    int64_t n = 1;
    for (int64_t extent : shape)
      n *= extent;
    data.resize(size_t(n));
    halves.resize(half ? size_t(n) : 0);
    dl.data = half ? static_cast<void *>(halves.data()) : data.data();
    dl.device = {kDLCPU, 0};
    dl.dtype = {kDLFloat, uint8_t(half ? 16 : 32), 1};
    dl.ndim = int(shape.size());
    dl.shape = shape.data();
  }
  CallTensor(const CallTensor &) = delete;
  /// Rounds the numbers to f16, for the kernel and the test alike.
  void pack() {
    for (size_t i = 0; i < halves.size(); ++i) {
      halves[i] = _Float16(data[i]);
      data[i] = halves[i];
    }
  }
  /// What the kernel wrote.
  void fetch() { std::copy(halves.begin(), halves.end(), data.begin()); }
  fovea_value value() {
    pack();
    fovea_value v = {};
    v.kind = FOVEA_TENSOR;
    v.u.tensor = &dl;
    return v;
  }
  std::vector<int64_t> shape;
  std::vector<float> data;
  std::vector<_Float16> halves;
  DLTensor dl = {};
};

#define ASSERT_FOVEA(call) ASSERT_EQ(call, FOVEA_OK) << fovea_message()

} // namespace fovea::e2e

#endif // FOVEA_TEST_E2E_CALLTENSOR_H
