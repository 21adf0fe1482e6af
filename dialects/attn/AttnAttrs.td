// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The score modifiers that have a word. Behaviour: AttnAttrs.cpp.
#ifndef FOVEA_DIALECTS_ATTN_ATTNATTRS
#define FOVEA_DIALECTS_ATTN_ATTNATTRS

include "mlir/IR/AttrTypeBase.td"
include "dialects/attn/AttnDialect.td"
include "dialects/attn/AttnInterfaces.td"

def Attn_OrderAttr : AttrDef<Attn_Dialect, "Order"> {
  let summary = "Walk the tokens of a grid by boxes";
  let description = [{
    `order(grid(t, h, w))`: the tokens [0, t * h * w) of queries and keys are
    the points of a row-major grid, and the kernel visits them box by box, so
    that a tile of tokens is a box of the grid: a neighbourhood then touches
    few tiles. The kernel computes where each row lies; no tensor is permuted,
    and every token index that a mask or a modifier sees is the token's own:
    results are the same up to rounding. Tokens behind the grid, such as the
    text beside an image, follow in their order.

    `box(..)` gives the extents of the box; without it the compiler takes one
    that divides the grid if it can. A tile in a mask (sliding tiles) that is
    also the box has no partial tiles.

    Over a cache there is no order: it grows, so that most steps see a part of
    a grid and have few queries of it, and its pages hold tokens in the order in
    which they were appended, finer than which nothing moves. Append the tokens
    of a grid box by box there, and give the mask a table of their places; or
    attend to a whole grid as tensors before its tokens are appended.

    * order_c1: a grid has 1 to 3 extents from 1 on, and from 64 to 2^24 points;
    * order_c2: a box has an extent for each of the grid's, from 1 to it;
    * order_c3: there is a key and a value, no cache, pyramid, list, `offset` or
      `lengths`;
    * order_c4: queries and keys are equally many and at least the points of
      the grid (checked when the call is planned).

    Example:

    ```mlir
    func.func @frame(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
            %w = arith.constant 16 : index
            %iy = arith.divui %i, %w : index
            %jy = arith.divui %j, %w : index
            %same = arith.cmpi eq, %iy, %jy : index
            sel.yield %same : i1 }
          order(grid(12, 16), box(4, 16))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let mnemonic = "order";
  let parameters = (ins ArrayRefParameter<"int64_t">:$grid,
                        OptionalArrayRefParameter<"int64_t">:$box);
  let assemblyFormat = "`<` `[` $grid `]` (`,` `[` $box^ `]`)? `>`";
}

class Attn_Score<string name, string keyword>
    : AttrDef<Attn_Dialect, name, [
        DeclareAttrInterfaceMethods<Attn_ScoreAttrInterface>]> {
  let mnemonic = keyword;
  let parameters = (ins "::mlir::Attribute":$amount);
  let assemblyFormat = "`<` $amount `>`";
}

// A number of a score modifier is a literal, an f32 scalar, or a tensor of f32
// with one entry per query head [real_c1].

def Attn_SoftcapAttr : Attn_Score<"Softcap", "softcap"> {
  let summary = "Bound the scores smoothly";
  let description = [{
    `softcap(c)`: s becomes c * tanh(s / c). c is positive [softcap_c1].

    Source: Gemma 2.

    Example:

    ```mlir
    func.func @softcap(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(causal) score(softcap(50.0))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
}

def Attn_AlibiAttr : Attn_Score<"Alibi", "alibi"> {
  let summary = "Add a linear bias on distance";
  let description = [{
    `alibi(m)`: s becomes s + m * (k - q), where k and q are token indices. For
    a positive slope m the bias of a past key is negative and grows with its
    distance. Slopes are usually a `tensor<32xf32>`, one per query head.

    Source: Train Short, Test Long (ALiBi).

    Example:

    ```mlir
    func.func @alibi(%q: tensor<?x32x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                     %m: tensor<32xf32>)
        -> tensor<?x32x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(causal)
          score(alibi(%m : tensor<32xf32>))
          : (tensor<?x32x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x32x?x64xf32>
      return %o : tensor<?x32x?x64xf32>
    }
    ```
  }];
}

def Attn_BiasAttr : Attn_Score<"Bias", "bias"> {
  let summary = "Add a tensor to the scores";
  let description = [{
    `bias(%t : tensor<?x32x?x?xf16>)`: s becomes s + t[b, h, i, k], where i is
    the row of the query in the call, q - q_offset. t is f32, f16 or bf16
    [b or 1, query heads or 1, sq, sk]; a static 1 is broadcast [bias_c1]. A
    bias of -inf hides the key; a row of which all keys are hidden in that way
    gives 0 and lse -inf.

    Example:

    ```mlir
    func.func @bias(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                    %t: tensor<1x8x?x?xf16>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k score(bias(%t : tensor<1x8x?x?xf16>))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
}

def Attn_ScaleAttr : Attn_Score<"Scale", "scale"> {
  let summary = "Multiply the scores";
  let description = [{
    `scale(x)` inside `score(..)`: s becomes s * x, in its place among the
    other modifiers. The clause `scale(x)` of the op instead replaces the
    default 1/sqrt(dim).

    Example:

    ```mlir
    func.func @scale(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                     %x: f32)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k score(softcap(30.0), scale(%x : f32))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
}

def Attn_ScoreArrayAttr : TypedArrayAttrBase<
    Attr<CPred<"::llvm::isa<::fovea::attn::ScoreAttrInterface>($_self)">,
         "a score modifier">,
    "score modifiers">;

#endif // FOVEA_DIALECTS_ATTN_ATTNATTRS
