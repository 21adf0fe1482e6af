// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The class of dialect kv.
#ifndef FOVEA_DIALECTS_KV_KVDIALECT_H
#define FOVEA_DIALECTS_KV_KVDIALECT_H

#include "mlir/IR/Dialect.h"

#include "dialects/kv/KVDialect.h.inc"

#endif // FOVEA_DIALECTS_KV_KVDIALECT_H
