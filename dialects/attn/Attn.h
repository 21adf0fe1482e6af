// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Everything of dialect attn: modifiers, attention, partial, merge.
#ifndef FOVEA_DIALECTS_ATTN_ATTN_H
#define FOVEA_DIALECTS_ATTN_ATTN_H

#include "dialects/attn/AttnAttrs.h"
#include "dialects/attn/AttnDialect.h"
#include "dialects/attn/AttnInterfaces.h"
#include "dialects/attn/AttnOps.h"
#include "dialects/attn/ScoreBuilder.h"
#include "dialects/sel/Sel.h"

#endif // FOVEA_DIALECTS_ATTN_ATTN_H
