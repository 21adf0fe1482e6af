// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The masks that have a word. Behaviour: one file per family under masks/.
#ifndef FOVEA_DIALECTS_SEL_SELATTRS
#define FOVEA_DIALECTS_SEL_SELATTRS

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "dialects/sel/SelDialect.td"
include "dialects/sel/SelInterfaces.td"

class Sel_Attr<string name, string keyword, list<Trait> traits = []>
    : AttrDef<Sel_Dialect, name, traits> {
  let mnemonic = keyword;
}

class Sel_Mask<string name, string keyword, list<string> optional = []>
    : Sel_Attr<name, keyword, [
        DeclareAttrInterfaceMethods<Sel_MaskAttrInterface, optional>]>;

// A mask as an attribute of an op.
def Sel_MaskAttr : Attr<
    CPred<"::llvm::isa<::fovea::sel::MaskAttrInterface>($_self)">,
    "a mask"> {
  let storageType = "::fovea::sel::MaskAttrInterface";
  let returnType = "::fovea::sel::MaskAttrInterface";
  let convertFromStorage = "$_self";
}

def Sel_ArgAttr : Sel_Attr<"Arg", "arg"> {
  let summary = "Stand for a run-time number or table in sugar";
  let description = [{
    `#sel.arg<i>` is operand i of the op's run-time numbers and tables for this
    kind of sugar. In a clause it is written as the operand with its type:
    `window(%w : tensor<32xi32>)`. Operands are numbered in the order in which
    they are written, and every one is used once [mask_c6].

    A run-time number is a scalar (index, i32, i64) or a tensor of rank 1 of
    i32 or i64 with one entry per query head [number_c1].
  }];
  let parameters = (ins "unsigned":$index);
  let assemblyFormat = "`<` $index `>`";
}

def Sel_GroupAttr : Sel_Attr<"Group", "group"> {
  let summary = "Hold arguments that belong together under a word";
  let description = [{
    An argument of a mask that is written `word(args)`, as `spans(..)` in
    `documents(spans(%start : tensor<?xi32>, %end : tensor<?xi32>))`. The
    arguments are numbers, words and run-time numbers; groups do not nest. Each
    mask lists the groups that it has.
  }];
  let parameters = (ins StringRefParameter<>:$word,
                        ArrayRefParameter<"::mlir::Attribute">:$arguments);
  let assemblyFormat = "`<` $word `,` $arguments `>`";
}

def Sel_Alignment : I32EnumAttr<"Alignment", "which corner is aligned",
    [I32EnumAttrCase<"bottom_right", 0>, I32EnumAttrCase<"top_left", 1>]> {
  let cppNamespace = "::fovea::sel";
}

def Sel_CausalAttr : Sel_Mask<"Causal", "causal"> {
  let summary = "Hide the future";
  let description = [{
    `causal` keeps k <= q, where q is the token that query i stands for:
    i + q_offset[b], by default i + Sk[b] - Sq. The last query so sees every
    key: the lower right corner of the score matrix is aligned.

    `causal(top_left)` means offset 0, whatever the call's offset is: key k is
    kept for k <= i. With more queries than keys and the default offset, the
    first queries see nothing: their rows are 0 with lse -inf.

    Example:

    ```mlir
    func.func @causal(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(causal(top_left))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins EnumParameter<Sel_Alignment>:$alignment);
  let assemblyFormat = "`<` $alignment `>`";
}

def Sel_WindowAttr : Sel_Mask<"Window", "window",
                              ["simplify", "getConstant"]> {
  let summary = "Keep the keys near the query";
  let description = [{
    `window(l, r)` keeps k in [q - l, q + r]. `window(n)` is
    `window(n - 1, 0)`: n keys, the query's own included. `inf` is a side
    without bound: `window(inf, 0)` is `causal`.

    A literal l or r is from 0 to 2^31 - 1, a literal n from 1 [window_c1]. A
    run-time n of 0, or a side that makes the interval empty, keeps nothing.

    Source: Longformer, Mistral 7B; the window counts the query itself.

    Example:

    ```mlir
    func.func @window(%q: tensor<?x32x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                      %w: tensor<32xi32>)
        -> tensor<?x32x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask(causal and (window(%w : tensor<32xi32>) or sink(4)))
          : (tensor<?x32x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x32x?x64xf32>
      return %o : tensor<?x32x?x64xf32>
    }
    ```
  }];
  // `right` is null for window(n); then `left` is n. A StringAttr is `inf`.
  let parameters = (ins "::mlir::Attribute":$left,
                        OptionalParameter<"::mlir::Attribute">:$right);
  let assemblyFormat = "`<` $left (`,` $right^)? `>`";
}

def Sel_SinkAttr : Sel_Mask<"Sink", "sink", ["getConstant"]> {
  let summary = "Keep the first keys";
  let description = [{
    `sink(n)` keeps k < n: the attention sinks of StreamingLLM. `sink(0)` keeps
    nothing. A literal n is from 0 to 2^31 - 1 [sink_c1]. Alone it also shows
    the future to the first queries: write `causal and (sink(4) or ..)`.

    Source: Efficient Streaming Language Models with Attention Sinks.

    Example:

    ```mlir
    func.func @sink(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(causal and (sink(4) or window(256)))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins "::mlir::Attribute":$count);
  let assemblyFormat = "`<` $count `>`";
}

def Sel_PrefixAttr : Sel_Mask<"Prefix", "prefix", ["getConstant"]> {
  let summary = "Show a prefix to every query";
  let description = [{
    `prefix(n)` keeps k < n for every query, those inside the prefix included:
    `causal or prefix(n)` is the mask of a prefix language model. The predicate
    is that of `sink`; the words differ because the intentions do, and the
    compiler's advice names them. A literal n is from 0 to 2^31 - 1
    [prefix_c1].

    Source: T5 (prefix language model).

    Example:

    ```mlir
    func.func @prefix(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                      %n: index)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(causal or prefix(%n : index))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins "::mlir::Attribute":$count);
  let assemblyFormat = "`<` $count `>`";
}

def Sel_DocumentsAttr : Sel_Mask<"Documents", "documents"> {
  let summary = "Keep the keys of the query's own document";
  let description = [{
    `documents(%ids : tensor<?xi32>)` keeps k where ids[k] == ids[q]. Ids need
    not ascend.

    `documents(spans(%start : tensor<?xi32>, %end : tensor<?xi32>))` keeps k
    where start[q] <= k < end[q]: the tables say for every token where its
    document begins and ends, or any other range of keys that it sees
    [documents_c2].

    `documents(cu_seqlens(%c : tensor<?xi32>))`: document i is the tokens
    c[i] to c[i + 1] - 1, and a query sees the keys of its own. The entries
    ascend, may repeat (an empty document) and are read when the call is
    planned, not again by its runs: `sel.segment`. A token before the first
    entry or from the last one on belongs to no document, sees nothing and is
    seen by none. With a `tensor<?x?xi32>` the first index is the batch.

    Tables are by token; a `tensor<?x?xi32>` is by batch and token
    [documents_c1]. q and k are token indices: a token without an entry sees
    nothing and, with ids, is seen by none.

    Source: packed sequences (document masking) as in Llama 3's training;
    `cu_seqlens` are those of FlashAttention's functions for varying lengths.

    Example:

    ```mlir
    func.func @documents(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                         %ids: tensor<?x?xi32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask(causal and documents(%ids : tensor<?x?xi32>))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  // An operand, the ids, or a group of operands.
  let parameters = (ins "::mlir::Attribute":$tables);
  let assemblyFormat = "`<` $tables `>`";
}

def Sel_TreeAttr : Sel_Mask<"Tree", "tree"> {
  let summary = "Keep the query's ancestors and itself";
  let description = [{
    `tree(%parents : tensor<?xi32>)` keeps k where k lies on the path q,
    parents[q], parents[parents[q]], .. With a `tensor<?x?xi32>` the first index
    is the batch [tree_c1]. A parent is less than its child: any other entry
    (negative, at or past its own index) makes its token a root, so that every
    table describes a forest and a query sees no later key. Read when the call
    is planned, not again by its runs.

    `tree` without a table is the tree of the batch over a cache [tree_c2]: a
    query sees all committed tokens, and of the uncommitted rows its ancestors
    and itself. In its mask and modifiers q and k are then positions, the
    number of committed tokens plus the depth of a row (docs/spec.md, section
    7). A batch without parents is a chain: `tree` is then `causal`.

    Source: tree attention of SpecInfer, Medusa, EAGLE and LongSpec.

    Example:

    ```mlir
    func.func @tree(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                    %parents: tensor<?xi32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(tree(%parents : tensor<?xi32>))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  // Null: the tree of the batch.
  let parameters = (ins OptionalParameter<"::mlir::Attribute">:$parents);
  let assemblyFormat = "(`<` $parents^ `>`)?";
}

class Sel_Connective<string name, string keyword>
    : Sel_Mask<name, keyword, ["simplify", "getConstant"]> {
  let parameters = (ins ArrayRefParameter<"::mlir::Attribute">:$masks);
  let assemblyFormat = "`<` $masks `>`";
}

def Sel_AndAttr : Sel_Connective<"And", "and"> {
  let summary = "Keep what all of several masks keep";
  let description = [{
    `a and b`. Binds less than `not` and tighter than `or`. Has at least two
    masks [mask_c7].
  }];
}

def Sel_OrAttr : Sel_Connective<"Or", "or"> {
  let summary = "Keep what any of several masks keeps";
  let description = [{
    `a or b`. Binds less than `and`. Has at least two masks [mask_c7].
  }];
}

def Sel_NotAttr : Sel_Mask<"Not", "not", ["simplify", "getConstant"]> {
  let summary = "Keep what a mask hides";
  let description = [{
    `not a`. Binds tighter than `and`. Keys at or past the length stay hidden.
  }];
  let parameters = (ins "::mlir::Attribute":$mask);
  let assemblyFormat = "`<` $mask `>`";
}

include "dialects/sel/masks/GridMasks.td"
include "dialects/sel/masks/PatternMasks.td"

#endif // FOVEA_DIALECTS_SEL_SELATTRS
