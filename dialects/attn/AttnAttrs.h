// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The classes of the score modifiers and the table of their words.
#ifndef FOVEA_DIALECTS_ATTN_ATTNATTRS_H
#define FOVEA_DIALECTS_ATTN_ATTNATTRS_H

#include "dialects/attn/AttnInterfaces.h"
#include "mlir/IR/Attributes.h"

namespace fovea::attn {

/// How the word of a score modifier is read.
struct ScoreWord {
  llvm::StringRef word;
  /// Builds the modifier from its one argument.
  mlir::Attribute (*build)(mlir::Attribute argument);
};

/// All score modifiers that have a word, in alphabetical order.
llvm::ArrayRef<ScoreWord> scoreWords();

} // namespace fovea::attn

#endif // FOVEA_DIALECTS_ATTN_ATTNATTRS_H
