/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * With DLPack's header first, ours uses its declarations; compares them with
 * those that stand in without it (headers.c).
 */
#include <dlpack/dlpack.h>
#include <fovea/runtime.h>
#include <stdio.h>
#include <string.h>

extern const size_t fovea_own_dltensor[];

static const size_t real[] = {sizeof(DLTensor),
                              offsetof(DLTensor, data),
                              offsetof(DLTensor, device),
                              offsetof(DLTensor, ndim),
                              offsetof(DLTensor, dtype),
                              offsetof(DLTensor, shape),
                              offsetof(DLTensor, strides),
                              offsetof(DLTensor, byte_offset),
                              sizeof(DLDevice),
                              offsetof(DLDevice, device_id),
                              sizeof(DLDataType),
                              offsetof(DLDataType, bits),
                              offsetof(DLDataType, lanes),
                              kDLCPU,
                              kDLCUDA,
                              kDLInt,
                              kDLUInt,
                              kDLFloat,
                              kDLBfloat};

/* DLPack's managed tensors hold our tensors. */
static fovea_tensor *tensorOf(DLManagedTensor *managed) {
  return &managed->dl_tensor;
}

int main(void) {
  DLManagedTensor managed;
  if (tensorOf(&managed) != &managed.dl_tensor)
    return 1;
  if (memcmp(real, fovea_own_dltensor, sizeof real) != 0) {
    fprintf(stderr, "expected DLTensor to be laid out as DLPack's\n");
    return 1;
  }
  return 0;
}
