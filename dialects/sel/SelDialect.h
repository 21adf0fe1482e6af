// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The class of dialect sel.
#ifndef FOVEA_DIALECTS_SEL_SELDIALECT_H
#define FOVEA_DIALECTS_SEL_SELDIALECT_H

#include "mlir/IR/Dialect.h"

#include "dialects/sel/SelDialect.h.inc"

#endif // FOVEA_DIALECTS_SEL_SELDIALECT_H
