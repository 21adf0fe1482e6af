// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The classes of sel's ops and the checks that attn's ops share with them.
#ifndef FOVEA_DIALECTS_SEL_SELOPS_H
#define FOVEA_DIALECTS_SEL_SELOPS_H

#include "dialects/kv/KVTypes.h"
#include "dialects/sel/SelAttrs.h"
#include "dialects/sel/SelTypes.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "dialects/sel/SelOps.h.inc"

namespace fovea::sel {

/// Checks a query and a key against each other: attention_c1, c3, c4, c5, c6,
/// c8, c9 and c10.
llvm::LogicalResult verifyQueryAndKey(mlir::Operation *op, mlir::Type query,
                                      mlir::Type key);

/// Checks one plain or coded operand: attention_c1 (query) or attention_c3,
/// then c4, c8 and c10. `what` names it.
llvm::LogicalResult verifyRows(mlir::Operation *op, llvm::StringRef what,
                               mlir::Type type, bool mayBeCoded,
                               llvm::StringRef label);

/// Checks a query over the cache `source`: as verifyQueryAndKey, with
/// token-major rows [rows, heads, dim] allowed, and attention_c22.
llvm::LogicalResult verifyQueryOverCache(mlir::Operation *op, mlir::Value query,
                                         mlir::Value source);

/// Checks that every row can choose its own pages: rows are token-major or one
/// per sequence.
llvm::LogicalResult verifyOneRowEach(mlir::Operation *op,
                                     mlir::RankedTensorType query,
                                     llvm::StringRef label);

/// Checks offset or lengths: i32 tensors of rank 1 over `batch`.
llvm::LogicalResult verifyPerBatch(mlir::Operation *op, llvm::StringRef what,
                                   mlir::Value value, int64_t batch,
                                   llvm::StringRef label);

/// Checks a mask written as sugar and its operands: mask_c6, mask_c7 and the
/// masks' own constraints.
llvm::LogicalResult verifyMaskSugar(mlir::Operation *op, MaskAttrInterface mask,
                                    mlir::ValueRange operands,
                                    int64_t queryHeads);

/// Checks that sugar uses each of its `operands` once and in order [mask_c6],
/// and that tables of rank 1 by head have `queryHeads` entries.
llvm::LogicalResult verifyArguments(mlir::Operation *op, mlir::Attribute sugar,
                                    mlir::ValueRange operands,
                                    llvm::StringRef label);

/// Whether a mask, sugar (or null) or a region (or null), asks for the tree of
/// the batch.
bool readsBatchTree(MaskAttrInterface mask, mlir::Region *region);

/// Whether static extents `a` and `b` differ; dynamic ones never do.
bool extentsDiffer(int64_t a, int64_t b);

} // namespace fovea::sel

#endif // FOVEA_DIALECTS_SEL_SELOPS_H
