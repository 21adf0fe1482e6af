// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The classes of attn's ops.
#ifndef FOVEA_DIALECTS_ATTN_ATTNOPS_H
#define FOVEA_DIALECTS_ATTN_ATTNOPS_H

#include "dialects/attn/AttnAttrs.h"
#include "dialects/attn/AttnInterfaces.h"
#include "dialects/kv/KVTypes.h"
#include "dialects/sel/SelAttrs.h"
#include "dialects/sel/SelTypes.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "dialects/attn/AttnOps.h.inc"

#endif // FOVEA_DIALECTS_ATTN_ATTNOPS_H
