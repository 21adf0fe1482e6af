// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The number formats. One definition here and one block in KVAttrs.cpp each.
#ifndef FOVEA_DIALECTS_KV_KVATTRS
#define FOVEA_DIALECTS_KV_KVATTRS

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/TensorEncoding.td"
include "dialects/kv/KVDialect.td"
include "dialects/kv/KVInterfaces.td"

class KV_Format<string name, string keyword>
    : AttrDef<KV_Dialect, name,
        [DeclareAttrInterfaceMethods<KV_FormatAttrInterface>,
         DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let mnemonic = keyword;
}

def KV_Int8Attr : KV_Format<"Int8", "int8"> {
  let summary = "Store 8-bit integers with one scale per token and head";
  let description = [{
    Symmetric 8-bit integers. For token t of head h of sequence b, with row x
    of `chan` numbers:

    * scale[b, h, t] = max |x| / 127, in f32; 0 when the row is all zero;
    * code[b, h, t, c] = x[c] / scale rounded to the nearest integer, ties to
      even, in [-127, 127]; 0 when the scale is 0;
    * decoded: code * scale in f32, rounded to the element type.

    -128 is never written; read from outside it decodes like any other code.
    A row with NaN or infinity has a scale that is not finite, and decodes to
    numbers that are not finite.

    Stored as two tensors: `codes`, i8 [b, h, tok, chan], and `scale`, f32
    [b, h, tok]. A kernel argument `%k` of a coded type is passed as `k.codes`
    and `k.scale`.

    The type it encodes has rank 4, static heads and chan, and element type
    f32, f16 or bf16 [format_c1].

    Source: the symmetric per-token quantisation of KV caches common to
    serving engines; the restriction to [-127, 127] keeps it symmetric.

    Example:

    ```mlir
    func.func @int8(%q: tensor<?x32x?x128xf32>,
                    %k: tensor<?x8x?x128xf32, #kv.int8<per tok>>,
                    %v: tensor<?x8x?x128xf32, #kv.int8<per tok>>)
        -> tensor<?x32x?x128xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %v
          : (tensor<?x32x?x128xf32>,
             tensor<?x8x?x128xf32, #kv.int8<per tok>>,
             tensor<?x8x?x128xf32, #kv.int8<per tok>>)
          -> tensor<?x32x?x128xf32>
      return %o : tensor<?x32x?x128xf32>
    }
    ```
  }];
  let hasCustomAssemblyFormat = 1;
}

#endif // FOVEA_DIALECTS_KV_KVATTRS
