// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The classes of sel's types.
#ifndef FOVEA_DIALECTS_SEL_SELTYPES_H
#define FOVEA_DIALECTS_SEL_SELTYPES_H

#include "dialects/kv/KVTypes.h"
#include "mlir/IR/Types.h"

#define GET_TYPEDEF_CLASSES
#include "dialects/sel/SelTypes.h.inc"

#endif // FOVEA_DIALECTS_SEL_SELTYPES_H
