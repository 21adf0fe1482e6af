// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The class of dialect attn and the names of its function attributes.
#ifndef FOVEA_DIALECTS_ATTN_ATTNDIALECT_H
#define FOVEA_DIALECTS_ATTN_ATTNDIALECT_H

#include "mlir/IR/Dialect.h"

#include "dialects/attn/AttnDialect.h.inc"

namespace fovea::attn {

/// Marks a function that is compiled.
inline constexpr llvm::StringLiteral kernelAttrName = "attn.kernel";
/// The outside name of an argument.
inline constexpr llvm::StringLiteral nameAttrName = "attn.name";
/// The names of an argument's dims.
inline constexpr llvm::StringLiteral dimsAttrName = "attn.dims";

} // namespace fovea::attn

#endif // FOVEA_DIALECTS_ATTN_ATTNDIALECT_H
