// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The types of dialect kv: pyramids and lists of chosen blocks. Caches:
// KVCache.td.
#ifndef FOVEA_DIALECTS_KV_KVTYPES
#define FOVEA_DIALECTS_KV_KVTYPES

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "dialects/kv/KVCache.td"
include "dialects/kv/KVDialect.td"

def KV_ListOrder : I32EnumAttr<"ListOrder", "the order of a list",
    [I32EnumAttrCase<"any", 0>, I32EnumAttrCase<"ascending", 1>]> {
  let cppNamespace = "::fovea::kv";
}

class KV_Type<string name, string keyword> : TypeDef<KV_Dialect, name> {
  let mnemonic = keyword;
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def KV_PyramidType : KV_Type<"Pyramid", "pyramid"> {
  let summary = "Hold keys and values pooled over groups of tokens";
  let description = [{
    Keys and values at several resolutions. Row j of level n is pooled from the
    tokens [j * n, min((j + 1) * n, length)): groups are anchored at token 0,
    and the last one may hold fewer tokens than n. Level 1 is the tensor
    itself. `of` is the type of the keys, or `(keys, values)` where they
    differ.

    Levels are powers of two, ascending, the first is 1 [pyramid_c1]. Keys and
    values have rank 4, a float element type, no format, equal batch, heads
    and length, and static heads and dim [pyramid_c2].

    Source: Pyramid Sparse Attention (levels 1, 2, 4, 8).

    Example:

    ```mlir
    func.func @pyramid(%q: tensor<?x4x?x64xf32>, %k: tensor<?x4x?x64xf32>,
                       %v: tensor<?x4x?x64xf32>, %map: tensor<?x4x?x?xi8>)
        -> tensor<?x4x?x64xf32> attributes {attn.kernel} {
      %p = sel.pool %k, %v levels(1, 2, 4, 8) reduce(mean)
          : tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>
          -> !kv.pyramid<levels = [1, 2, 4, 8], of = tensor<?x4x?x64xf32>>
      %l = sel.levels %map : tensor<?x4x?x?xi8>
          -> !sel.levels<per = (b, h, q : 64), unit = k : 64>
      %o = attn.attention %q, %p
          levels(%l : !sel.levels<per = (b, h, q : 64), unit = k : 64>)
          mask(causal)
          : (tensor<?x4x?x64xf32>,
             !kv.pyramid<levels = [1, 2, 4, 8], of = tensor<?x4x?x64xf32>>)
          -> tensor<?x4x?x64xf32>
      return %o : tensor<?x4x?x64xf32>
    }
    ```
  }];
  let parameters = (ins
    ArrayRefParameter<"int64_t", "tokens per row of each level">:$levels,
    "::mlir::RankedTensorType":$key,
    "::mlir::RankedTensorType":$value);
}

def KV_ListType : KV_Type<"List", "list"> {
  let summary = "List the chosen key blocks of each block of queries";
  let description = [{
    For every owner, a list of block indices and its length: unit j stands for
    the keys [j * m, (j + 1) * m) for `unit = k : m`, and for `unit = page` for
    page j of the segment `all` or `older` of a cache. The owner is a query head of a
    sequence and a block of queries; block i holds the queries
    [i * n, (i + 1) * n) of the call for `per = (b, h, q : n)`. No index
    appears twice. `order` says whether the indices ascend.

    Both block sizes are at least 1, and a list of pages has q : 1 [list_c1].

    Example:

    ```mlir
    func.func @list(%q: tensor<?x4x?x64xf32>, %k: tensor<?x4x?x64xf32>,
                    %v: tensor<?x4x?x64xf32>)
        -> tensor<?x4x?x64xf32> attributes {attn.kernel} {
      %s = sel.score %q, %k pooled mask(causal)
          : tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>
          -> !sel.scores<per = (b, h, q : 64), unit = k : 64>
      %l = sel.choose %s top_k(8) force(diagonal)
          : !sel.scores<per = (b, h, q : 64), unit = k : 64>
          -> !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
      %o = attn.attention %q, %k, %v
          over(%l : !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>)
          mask(causal)
          : (tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>)
          -> tensor<?x4x?x64xf32>
      return %o : tensor<?x4x?x64xf32>
    }
    ```
  }];
  let parameters = (ins
    "int64_t":$queryBlock, "int64_t":$unit,
    "::fovea::kv::ListOrder":$order);
  let extraClassDeclaration = [{
    /// Whether the units are the pages of a cache.
    bool countsPages() { return getUnit() == ::fovea::kv::pageUnit; }
  }];
}

#endif // FOVEA_DIALECTS_KV_KVTYPES
