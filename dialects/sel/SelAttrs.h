// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The classes of the masks and of run-time numbers in sugar.
#ifndef FOVEA_DIALECTS_SEL_SELATTRS_H
#define FOVEA_DIALECTS_SEL_SELATTRS_H

#include "dialects/sel/SelInterfaces.h"
#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinAttributes.h"

#include "dialects/sel/SelEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/sel/SelAttrs.h.inc"

namespace fovea::sel {

/// `mask` as it is written, with `%0`, `%1`, .. for run-time numbers.
std::string spellMask(MaskAttrInterface mask);

/// The arguments of sugar that stand for operands, in the order in which they
/// are written.
llvm::SmallVector<ArgAttr> runtimeArguments(mlir::Attribute sugar);

/// An equivalent mask, simpler where a rule applies; null when the mask hides
/// nothing. The rules are in docs/spec.md (mask folds).
MaskAttrInterface foldMask(MaskAttrInterface mask);

/// Whether `type` is a plain table of i32 with one axis, or with the batch
/// before it: parents [tree_c1], boundaries [segment_c1].
bool isTokenTable(mlir::Type type);

/// Whether run-time argument `operand` of `sugar` is a table of boundaries,
/// as in documents(cu_seqlens(..)).
bool isBoundaries(mlir::Attribute sugar, unsigned operand);

/// Whether that is a list of `slices`.
bool isSlices(mlir::Attribute sugar, unsigned operand);

/// Renumbers the run-time arguments of `sugar` in the order in which they are
/// written and lists in `kept` the operands that are still used, in the new
/// order.
mlir::Attribute renumberArguments(mlir::Attribute sugar,
                                  llvm::SmallVectorImpl<unsigned> &kept);

} // namespace fovea::sel

#endif // FOVEA_DIALECTS_SEL_SELATTRS_H
