// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The classes of the number formats.
#ifndef FOVEA_DIALECTS_KV_KVATTRS_H
#define FOVEA_DIALECTS_KV_KVATTRS_H

#include "dialects/kv/KVInterfaces.h"
#include "mlir/IR/Attributes.h"
#include "mlir/IR/TensorEncoding.h"

#define GET_ATTRDEF_CLASSES
#include "dialects/kv/KVAttrs.h.inc"

#endif // FOVEA_DIALECTS_KV_KVATTRS_H
