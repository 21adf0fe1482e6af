// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The public headers as C++.
#define fovea_own_dltensor fovea_own_dltensor_of_cpp
#include "test/capi/headers.c"
