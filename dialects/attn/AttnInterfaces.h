// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The interfaces of score modifiers and of attention-like ops.
#ifndef FOVEA_DIALECTS_ATTN_ATTNINTERFACES_H
#define FOVEA_DIALECTS_ATTN_ATTNINTERFACES_H

#include "dialects/kv/KVTypes.h"
#include "dialects/sel/SelInterfaces.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"

#include "dialects/attn/AttnEnums.h.inc"

namespace fovea::attn {
class ScoreBuilder;

namespace detail {
/// The types of the keys and values of a source: (key, value), a
/// pyramid or a cache.
mlir::RankedTensorType keyType(mlir::OperandRange source);
mlir::RankedTensorType valueType(mlir::OperandRange source);
/// `scale`, or 1/sqrt(dim) when it is null.
double scaleOrDefault(mlir::FloatAttr scale, int64_t dim);
/// Whether a mask region ends in an i32 level.
bool yieldsLevels(mlir::Region &maskRegion);
} // namespace detail
} // namespace fovea::attn

#include "dialects/attn/AttnAttrInterfaces.h.inc"

// The interface of the ops returns attributes.
#define GET_ATTRDEF_CLASSES
#include "dialects/attn/AttnAttrs.h.inc"

#include "dialects/attn/AttnOpInterfaces.h.inc"

#endif // FOVEA_DIALECTS_ATTN_ATTNINTERFACES_H
