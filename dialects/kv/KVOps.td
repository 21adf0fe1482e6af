// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops of dialect kv.
#ifndef FOVEA_DIALECTS_KV_KVOPS
#define FOVEA_DIALECTS_KV_KVOPS

include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/kv/KVDialect.td"

class KV_Op<string mnemonic, list<Trait> traits = []>
    : Op<KV_Dialect, mnemonic, traits>;

def KV_EncodeOp : KV_Op<"encode", [Pure]> {
  let summary = "Encode a plain tensor in a number format";
  let description = [{
    Rounds every row of `input` [b, heads, tok, chan] to the format of the
    result's type, as the format's own page defines. A row at or past the
    length is encoded like any other. NaN and infinity: see the format.

    * encode_c1: `input` has no format and `output` has one;
    * encode_c2: `input` and `output` have the same shape and element type.

    Example:

    ```mlir
    func.func @encode(%x: tensor<?x8x?x128xbf16>)
        -> tensor<?x8x?x128xbf16, #kv.int8<per tok>> attributes {attn.kernel} {
      %e = kv.encode %x : tensor<?x8x?x128xbf16>
          -> tensor<?x8x?x128xbf16, #kv.int8<per tok>>
      return %e : tensor<?x8x?x128xbf16, #kv.int8<per tok>>
    }
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

#endif // FOVEA_DIALECTS_KV_KVOPS
