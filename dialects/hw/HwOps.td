// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every operation of the hw dialect.
#ifndef FOVEA_DIALECTS_HW_HWOPS_TD
#define FOVEA_DIALECTS_HW_HWOPS_TD

include "dialects/hw/HwThreads.td"
include "dialects/hw/HwMemory.td"
include "dialects/hw/HwAsync.td"
include "dialects/hw/HwMatrix.td"
include "dialects/hw/HwMath.td"

#endif // FOVEA_DIALECTS_HW_HWOPS_TD
