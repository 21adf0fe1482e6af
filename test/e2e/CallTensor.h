// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// f32 tensors as tests hand them to the C interface.
#ifndef FOVEA_TEST_E2E_CALLTENSOR_H
#define FOVEA_TEST_E2E_CALLTENSOR_H

#include <fovea/runtime.h>

#include <gtest/gtest.h>

#include <vector>

namespace fovea::e2e {

/// Row-major, zero until it is filled.
struct CallTensor {
  explicit CallTensor(std::vector<int64_t> dims) : shape(std::move(dims)) {
    int64_t n = 1;
    for (int64_t extent : shape)
      n *= extent;
    data.resize(size_t(n));
    dl.data = data.data();
    dl.device = {kDLCPU, 0};
    dl.dtype = {kDLFloat, 32, 1};
    dl.ndim = int(shape.size());
    dl.shape = shape.data();
  }
  CallTensor(const CallTensor &) = delete;
  fovea_value value() {
    fovea_value v = {};
    v.kind = FOVEA_TENSOR;
    v.u.tensor = &dl;
    return v;
  }
  std::vector<int64_t> shape;
  std::vector<float> data;
  DLTensor dl = {};
};

#define ASSERT_FOVEA(call) ASSERT_EQ(call, FOVEA_OK) << fovea_message()

} // namespace fovea::e2e

#endif // FOVEA_TEST_E2E_CALLTENSOR_H
