// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Everything of dialect kv: formats, caches, pyramids, lists, ops.
#ifndef FOVEA_DIALECTS_KV_KV_H
#define FOVEA_DIALECTS_KV_KV_H

#include "dialects/kv/KVAttrs.h"
#include "dialects/kv/KVCache.h"
#include "dialects/kv/KVDialect.h"
#include "dialects/kv/KVInterfaces.h"
#include "dialects/kv/KVOps.h"
#include "dialects/kv/KVTypes.h"

#endif // FOVEA_DIALECTS_KV_KV_H
