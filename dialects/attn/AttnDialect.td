// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The dialect attn: what is computed.
#ifndef FOVEA_DIALECTS_ATTN_ATTNDIALECT
#define FOVEA_DIALECTS_ATTN_ATTNDIALECT

include "mlir/IR/OpBase.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::fovea::attn";
  let summary = "Say what attention computes";
  let description = [{
    Attention over keys and values that `kv` stores, with the masks of `sel`,
    score modifiers and probability modifiers. The dialect knows no tile
    sizes, no memory spaces and no targets.

    Attributes of functions and their arguments:

    * `attn.kernel` (unit) marks a `func.func` that is compiled. It has a body
      [kernel_c1]; its arguments are tensors, index, i1, i32, i64 or f32, its
      results tensors [kernel_c2]. Caches are
      arguments too; one that is returned is the last value of an argument, and
      is returned once [kernel_c9].
    * `attn.name` (string) names an argument outside the compiler. It is an
      identifier and no other argument has it [kernel_c3].
    * `attn.dims` (string) names the dims of a tensor argument, as in
      `"b h sq d"`: one word per dim [kernel_c4]. Equal words of dynamic dims
      are equal numbers.

    Any other attribute that begins with `attn.` is an error [kernel_c5].
  }];
  let dependentDialects = [
    "::fovea::kv::KVDialect", "::fovea::sel::SelDialect",
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let extraClassDeclaration = [{
    void registerModifiers();
  }];
}

#endif // FOVEA_DIALECTS_ATTN_ATTNDIALECT
