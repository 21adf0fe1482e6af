// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops of dialect kv.
#ifndef FOVEA_DIALECTS_KV_KVOPS
#define FOVEA_DIALECTS_KV_KVOPS

include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/kv/KVTypes.td"
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

def KV_AppendOp : KV_Op<"append", [Pure, AllTypesMatch<["cache", "output"]>]> {
  let summary = "Append the rows of the call to a cache";
  let description = [{
    Adds the keys and values of every sequence's rows behind its last token and
    gives the cache with them: the result stands for the same memory, so nothing
    else may read the cache as it was. Rows are token-major, [rows, heads, dim],
    or [b, heads, rows, dim]. The rows stay new until the host commits or
    trims them; attention over the result sees them.

    A cache that rotates in the kernel takes keys without rotation. NaN and
    infinity are stored as they are.

    * append_c1: `key` and `value` are plain, of the cache's `new` type, of one
      rank and as many rows, with the cache's heads and dims;
    * append_c2: `cache` is an argument of the kernel;
    * append_c3: nothing else uses `cache`;
    * append_c4: the kernel returns the result.

    Example: see `!kv.cache`.
  }];
  let arguments = (ins KV_CacheType:$cache, AnyRankedTensor:$key,
                       AnyRankedTensor:$value);
  let results = (outs KV_CacheType:$output);
  let assemblyFormat = [{
    $cache `,` $key `,` $value attr-dict `:` qualified(type($cache)) `,`
    type($key) `,` type($value)
  }];
  let hasVerifier = 1;
}

#endif // FOVEA_DIALECTS_KV_KVOPS
