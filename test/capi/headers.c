/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Every public header compiles as strict C11 (and as C++, by headers.cpp, which
 * includes this file), and our DLTensor is DLPack's, byte for byte.
 */
#include <fovea/abi.h>
#include <fovea/bundle.h>
#include <fovea/inspect.h>
#include <fovea/jit.h>
#include <fovea/runtime.h>
#include <fovea/tbb.h>

#ifdef __cplusplus
#define ASSERT static_assert
#else
#define ASSERT _Static_assert
#endif

ASSERT(FOVEA_API >> 16 == 1, "version");
ASSERT(sizeof(fovea_abi_item) == 40, "items are packed");
ASSERT(sizeof(fovea_abi_view) == 104, "views are packed");
ASSERT(sizeof(fovea_bundle_header) == 64, "the header is one line");
ASSERT(offsetof(fovea_options, size) == 0, "sizes come first");
ASSERT(offsetof(fovea_jit_options, size) == 0, "sizes come first");
ASSERT(offsetof(fovea_plan_limits, size) == 0, "sizes come first");
ASSERT(offsetof(fovea_abi_args, size) == 0, "sizes come first");

/* Layout of this translation unit's DLTensor, for dlpack.c to compare. */
const size_t fovea_own_dltensor[] = {sizeof(DLTensor),
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
