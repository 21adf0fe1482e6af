// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The interface of masks.
#ifndef FOVEA_DIALECTS_SEL_SELINTERFACES_H
#define FOVEA_DIALECTS_SEL_SELINTERFACES_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/TypeRange.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"

namespace fovea::sel {
class MaskBuilder;
} // namespace fovea::sel

#include "dialects/sel/SelAttrInterfaces.h.inc"

#endif // FOVEA_DIALECTS_SEL_SELINTERFACES_H
