// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Everything of dialect sel: masks, block scores, level maps, ops.
#ifndef FOVEA_DIALECTS_SEL_SEL_H
#define FOVEA_DIALECTS_SEL_SEL_H

#include "dialects/kv/KV.h"
#include "dialects/sel/MaskBuilder.h"
#include "dialects/sel/SelAttrs.h"
#include "dialects/sel/SelDialect.h"
#include "dialects/sel/SelInterfaces.h"
#include "dialects/sel/SelOps.h"
#include "dialects/sel/SelTypes.h"

#endif // FOVEA_DIALECTS_SEL_SEL_H
