// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a score modifier tells the compiler, and what attention and partial
// share.
#ifndef FOVEA_DIALECTS_ATTN_ATTNINTERFACES
#define FOVEA_DIALECTS_ATTN_ATTNINTERFACES

include "mlir/IR/OpBase.td"

def Attn_ScoreAttrInterface : AttrInterface<"ScoreAttrInterface"> {
  let cppNamespace = "::fovea::attn";
  let description = [{
    A score modifier written as a word. Its behaviour is `verifyScore` and
    `expand`; the other methods are its spelling.
  }];
  let methods = [
    InterfaceMethod<[{
        Checks the numbers and tables of the modifier. `operandTypes` are the
        types that #sel.arg<i> stands for; `shape` is that of the scores,
        [b, query heads, sq, sk].
      }],
      "::llvm::LogicalResult", "verifyScore",
      (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError,
           "::mlir::TypeRange":$operandTypes,
           "::llvm::ArrayRef<int64_t>":$shape)>,
    InterfaceMethod<"Builds the modified score, f32, from `score`, f32.",
      "::mlir::Value", "expand",
      (ins "::fovea::attn::ScoreBuilder &":$builder, "::mlir::Value":$score)>,
    InterfaceMethod<"The arguments as they are written after the word.",
      "::llvm::SmallVector<::mlir::Attribute>", "getArguments">,
    InterfaceMethod<"The word of the modifier.",
      "::llvm::StringRef", "getWord", (ins),
      /*methodBody=*/[{ return ConcreteAttr::getMnemonic(); }]>,
  ];
}

def Attn_AttentionOpInterface : OpInterface<"AttentionOpInterface"> {
  let cppNamespace = "::fovea::attn";
  let description = [{
    What `attn.attention` and `attn.partial` have in common: everything but
    their results.
  }];
  let methods = [
    InterfaceMethod<[{
        [b, query heads, sq, dim], or token-major rows [rows, query heads,
        dim] over a cache.
      }],
      "::mlir::Value", "getQuery">,
    InterfaceMethod<"Key and value, one pyramid, or one cache.",
      "::mlir::OperandRange", "getSource">,
    InterfaceMethod<"What #sel.arg stands for in the mask.",
      "::mlir::OperandRange", "getMaskOperands">,
    InterfaceMethod<"What #sel.arg stands for in the score modifiers.",
      "::mlir::OperandRange", "getScoreOperands">,
    InterfaceMethod<"The chosen blocks, or null.", "::mlir::Value", "getList">,
    InterfaceMethod<"The level map, or null.", "::mlir::Value", "getLevels">,
    InterfaceMethod<"The q_offset of each sequence, or null.",
      "::mlir::Value", "getOffset">,
    InterfaceMethod<"The number of keys of each sequence, or null.",
      "::mlir::Value", "getLengths">,
    InterfaceMethod<"The table of rotations, or null.",
      "::mlir::Value", "getRope">,
    InterfaceMethod<"Which channels rotate together; none without a table.",
      "::std::optional<::fovea::attn::RopePairs>", "getRopePairs">,
    InterfaceMethod<"The score of each query head's sink, or null.",
      "::mlir::Value", "getSinkLogits">,
    InterfaceMethod<"The mask as sugar, or null.",
      "::fovea::sel::MaskAttrInterface", "getMaskAttr">,
    InterfaceMethod<"The score modifiers as sugar, or null.",
      "::mlir::ArrayAttr", "getScoreAttr">,
    InterfaceMethod<"The grid whose boxes are tiles, or null.",
      "::fovea::attn::OrderAttr", "getOrderAttr">,
    InterfaceMethod<"The scale as written, or null.",
      "::mlir::FloatAttr", "getScaleAttr">,
    InterfaceMethod<"(b, h, q, k) -> i1 or i32; empty if absent.",
      "::mlir::Region &", "getMaskRegion">,
    InterfaceMethod<"(s, b, h, q, k) -> f32; empty if absent.",
      "::mlir::Region &", "getScoreRegion">,
    InterfaceMethod<"(p, b, h, q, k) -> f32; empty if absent.",
      "::mlir::Region &", "getProbRegion">,
  ];
  let extraSharedClassDeclaration = [{
    ::mlir::RankedTensorType getQueryType() {
      return ::llvm::cast<::mlir::RankedTensorType>($_op.getQuery().getType());
    }
    /// The pyramid that is the source, or null.
    ::fovea::kv::PyramidType getPyramid() {
      return ::llvm::dyn_cast<::fovea::kv::PyramidType>(
          $_op.getSource().front().getType());
    }
    /// The type of the cache that is the source, or null.
    ::fovea::kv::CacheType getCache() {
      return ::llvm::dyn_cast<::fovea::kv::CacheType>(
          $_op.getSource().front().getType());
    }
    /// Whether the rows are token-major: [rows, query heads, dim].
    bool hasRaggedRows() { return getQueryType().getRank() == 3; }
    /// The type of the keys (of level 1, for a pyramid).
    ::mlir::RankedTensorType getKeyType() {
      return ::fovea::attn::detail::keyType($_op.getSource());
    }
    /// The type of the values (of level 1, for a pyramid).
    ::mlir::RankedTensorType getValueType() {
      return ::fovea::attn::detail::valueType($_op.getSource());
    }
    int64_t getQueryHeads() { return getQueryType().getDimSize(1); }
    int64_t getKVHeads() { return getKeyType().getDimSize(1); }
    int64_t getKeyDim() { return getQueryType().getShape().back(); }
    int64_t getValueDim() { return getValueType().getShape().back(); }
    /// The scale as written, or 1/sqrt(dim).
    double getScaleOrDefault() {
      return ::fovea::attn::detail::scaleOrDefault($_op.getScaleAttr(),
                                                   getKeyDim());
    }
    /// Whether there is a mask, as sugar or as a region.
    bool hasMask() { return $_op.getMaskAttr() || !$_op.getMaskRegion().empty(); }
    /// Whether the mask is a region that gives levels.
    bool maskGivesLevels() {
      return ::fovea::attn::detail::yieldsLevels($_op.getMaskRegion());
    }
  }];
}

#endif // FOVEA_DIALECTS_ATTN_ATTNINTERFACES
