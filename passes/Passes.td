// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All passes, in alphabetical order of their flags.
#ifndef FOVEA_PASSES_PASSES
#define FOVEA_PASSES_PASSES

include "mlir/Pass/PassBase.td"

def AttnExpandScores : Pass<"attn-expand-scores"> {
  let summary = "Turn score modifiers from words into regions";
  let description = [{
    Replaces the clause `score(..)` of every attention by the region that the
    modifiers' `expand` builds, applied left to right. The region computes what
    the words mean; it is what a person wants to read and a test wants to
    check. Lowering does not need it.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

def SelExpandMasks : Pass<"sel-expand-masks"> {
  let summary = "Turn masks from words into regions";
  let description = [{
    Replaces the clause `mask(..)` of every attention by the region that
    `expand` builds. Lowering does not need it.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // FOVEA_PASSES_PASSES
