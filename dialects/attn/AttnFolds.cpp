// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Canonicalisation of attn's ops.
#include "dialects/attn/AttnOps.h"
#include "dialects/sel/FoldMaskPattern.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::attn;

void AttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                              MLIRContext *context) {
  patterns.add<sel::FoldMaskPattern<AttentionOp>>(context);
}

void PartialOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                            MLIRContext *context) {
  patterns.add<sel::FoldMaskPattern<PartialOp>>(context);
}
