/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Runs the example in the comment of fovea/runtime.h, which CMake extracts to
 * test/capi/runtime_example.inc: what the header shows is what is compiled
 * here.
 */
#include <fovea/runtime.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  enum { ROWS = 40 };
  static float data[4][ROWS];
  int64_t shape[3] = {1, 1, ROWS};
  DLTensor tensors[4] = {{0}};
  for (int i = 0; i < 4; ++i) {
    tensors[i].data = data[i];
    tensors[i].device.device_type = kDLCPU;
    tensors[i].dtype.code = kDLFloat;
    tensors[i].dtype.bits = 32;
    tensors[i].dtype.lanes = 1;
    tensors[i].ndim = 3;
    tensors[i].shape = shape;
  }
  DLTensor q = tensors[0], k = tensors[1], v = tensors[2], o = tensors[3];
#include "test/capi/runtime_example.inc"
  free(workspace);
  fovea_plan_destroy(plan);
  fovea_kernel_release(kernel);
  fovea_bundle_close(bundle);
  fovea_close(ctx);
  int bad = st != FOVEA_OK;
  for (int i = 0; i < ROWS; ++i)
    bad += data[3][i] != 1; /* the test's kernel counts cells */
  return bad != 0;
}
