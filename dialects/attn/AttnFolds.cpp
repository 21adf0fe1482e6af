// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Canonicalisation of attn's ops.
#include "dialects/attn/AttnOps.h"

using namespace mlir;
using namespace fovea;
using namespace fovea::attn;

namespace {
/// Simplifies the mask and drops operands that it no longer uses.
template <typename OpT>
struct FoldMask : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    sel::MaskAttrInterface mask = op.getMaskAttr();
    if (!mask)
      return rewriter.notifyMatchFailure(op, "has no mask in sugar");
    SmallVector<unsigned> kept;
    sel::MaskAttrInterface folded = sel::foldMask(mask);
    if (folded)
      folded =
          cast<sel::MaskAttrInterface>(sel::renumberArguments(folded, kept));
    else
      op.emitRemark() << "the mask '" << sel::spellMask(mask)
                      << "' hides nothing and is dropped";
    if (folded == mask)
      return rewriter.notifyMatchFailure(op, "the mask is simple");
    SmallVector<Value> operands;
    for (unsigned index : kept)
      operands.push_back(op.getMaskOperands()[index]);
    rewriter.modifyOpInPlace(op, [&] {
      op.getMaskOperandsMutable().assign(operands);
      if (folded)
        op.setMaskAttr(folded);
      else
        op.removeMaskAttr();
    });
    return success();
  }
};
} // namespace

void AttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                              MLIRContext *context) {
  patterns.add<FoldMask<AttentionOp>>(context);
}

void PartialOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                            MLIRContext *context) {
  patterns.add<FoldMask<PartialOp>>(context);
}
