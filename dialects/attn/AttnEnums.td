// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The words of attn's clauses. Apart from the ops, for the C++ classes of the
// enums of kv must not be generated again.
#ifndef FOVEA_DIALECTS_ATTN_ATTNENUMS
#define FOVEA_DIALECTS_ATTN_ATTNENUMS

include "mlir/IR/EnumAttr.td"

def Attn_RopePairs : I32EnumAttr<"RopePairs", "channels that rotate together",
    [I32EnumAttrCase<"halves", 0>, I32EnumAttrCase<"pairs", 1>]> {
  let cppNamespace = "::fovea::attn";
}

#endif // FOVEA_DIALECTS_ATTN_ATTNENUMS
