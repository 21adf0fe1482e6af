// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of mask words, and what the files of the mask families share.
// A new mask adds its attribute to SelAttrs.td, a file here, and one line to
// Words.cpp.
#ifndef FOVEA_DIALECTS_SEL_MASKS_MASKS_H
#define FOVEA_DIALECTS_SEL_MASKS_MASKS_H

#include "dialects/sel/SelAttrs.h"
#include "llvm/ADT/ArrayRef.h"

namespace fovea::sel {

using EmitError = llvm::function_ref<mlir::InFlightDiagnostic()>;

/// How the word of a mask is read.
struct MaskWord {
  llvm::StringRef word;
  /// Builds the mask from its arguments as `getArguments` gives them, or emits
  /// an error and returns null.
  mlir::Attribute (*build)(mlir::MLIRContext *context,
                           llvm::ArrayRef<mlir::Attribute> arguments,
                           EmitError emitError);
  /// The arguments behind the first are mask expressions.
  bool ofMasks = false;
  /// The words of the groups that the mask may have as arguments.
  llvm::ArrayRef<llvm::StringRef> groups = {};
};

/// All masks that have a word, in alphabetical order.
llvm::ArrayRef<MaskWord> maskWords();

/// Builders of the words, one per mask.
mlir::Attribute buildBlockCausal(mlir::MLIRContext *,
                                 llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildBlocks(mlir::MLIRContext *,
                            llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildCausal(mlir::MLIRContext *,
                            llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildChunked(mlir::MLIRContext *,
                             llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildColumns(mlir::MLIRContext *,
                             llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildDilated(mlir::MLIRContext *,
                             llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildDocuments(mlir::MLIRContext *,
                               llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildFlashMask(mlir::MLIRContext *,
                               llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildGlobal(mlir::MLIRContext *,
                            llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildHeads(mlir::MLIRContext *, llvm::ArrayRef<mlir::Attribute>,
                           EmitError);
mlir::Attribute buildNeighborhood(mlir::MLIRContext *,
                                  llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildPrefix(mlir::MLIRContext *,
                            llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildQueries(mlir::MLIRContext *,
                             llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildSink(mlir::MLIRContext *, llvm::ArrayRef<mlir::Attribute>,
                          EmitError);
mlir::Attribute buildSlices(mlir::MLIRContext *,
                            llvm::ArrayRef<mlir::Attribute>, EmitError);
mlir::Attribute buildTree(mlir::MLIRContext *, llvm::ArrayRef<mlir::Attribute>,
                          EmitError);
mlir::Attribute buildWindow(mlir::MLIRContext *,
                            llvm::ArrayRef<mlir::Attribute>, EmitError);

/// The groups of `documents`, in alphabetical order.
llvm::ArrayRef<llvm::StringRef> documentsGroups();

/// The groups of `neighborhood`, in alphabetical order.
llvm::ArrayRef<llvm::StringRef> neighborhoodGroups();

/// Whether `attribute` is the keyword `inf`.
bool isInfinite(mlir::Attribute attribute);

/// Checks that `number` is an integer literal from `least` to 2^31 - 1, or a
/// run-time number for `queryHeads` heads (number_c1). `what` names it, `label`
/// is the mask's.
llvm::LogicalResult verifyNumber(EmitError emitError, mlir::Attribute number,
                                 mlir::TypeRange operandTypes,
                                 int64_t queryHeads, int64_t least,
                                 llvm::StringRef what, llvm::StringRef label);

/// Checks that there are at least `least` attributes, and that each is a mask
/// that verifies (mask_c7). `word` is the mask's that holds them.
llvm::LogicalResult verifyMasks(EmitError emitError,
                                llvm::ArrayRef<mlir::Attribute> masks,
                                size_t least, llvm::StringRef word,
                                mlir::TypeRange operandTypes,
                                int64_t queryHeads);

} // namespace fovea::sel

#endif // FOVEA_DIALECTS_SEL_MASKS_MASKS_H
