// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The canonicalisation that every op with a mask in sugar shares: sel's and
// attn's ops add it.
#ifndef FOVEA_DIALECTS_SEL_FOLDMASKPATTERN_H
#define FOVEA_DIALECTS_SEL_FOLDMASKPATTERN_H

#include "dialects/sel/SelAttrs.h"

#include "mlir/IR/PatternMatch.h"

namespace fovea::sel {

/// Simplifies the mask and drops operands that it no longer uses.
template <typename OpT>
struct FoldMaskPattern : mlir::OpRewritePattern<OpT> {
  using mlir::OpRewritePattern<OpT>::OpRewritePattern;

  mlir::LogicalResult
  matchAndRewrite(OpT op, mlir::PatternRewriter &rewriter) const override {
    MaskAttrInterface mask = op.getMaskAttr();
    if (!mask)
      return rewriter.notifyMatchFailure(op, "has no mask in sugar");
    llvm::SmallVector<unsigned> kept;
    MaskAttrInterface folded = foldMask(mask);
    if (folded)
      folded = mlir::cast<MaskAttrInterface>(renumberArguments(folded, kept));
    else
      op.emitRemark() << "the mask '" << spellMask(mask)
                      << "' hides nothing and is dropped";
    if (folded == mask)
      return rewriter.notifyMatchFailure(op, "the mask is simple");
    llvm::SmallVector<mlir::Value> operands;
    for (unsigned index : kept)
      operands.push_back(op.getMaskOperands()[index]);
    rewriter.modifyOpInPlace(op, [&] {
      op.getMaskOperandsMutable().assign(operands);
      if (folded)
        op.setMaskAttr(folded);
      else
        op.removeMaskAttr();
    });
    return mlir::success();
  }
};

} // namespace fovea::sel

#endif // FOVEA_DIALECTS_SEL_FOLDMASKPATTERN_H
