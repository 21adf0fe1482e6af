// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The classes of kv's ops.
#ifndef FOVEA_DIALECTS_KV_KVOPS_H
#define FOVEA_DIALECTS_KV_KVOPS_H

#include "dialects/kv/KVAttrs.h"
#include "dialects/kv/KVTypes.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "dialects/kv/KVOps.h.inc"

#endif // FOVEA_DIALECTS_KV_KVOPS_H
