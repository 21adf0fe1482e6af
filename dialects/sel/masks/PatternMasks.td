// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Masks of blocks, strides, global tokens, and the choice between masks by
// head. Included by SelAttrs.td, which has the base classes.
#ifndef FOVEA_DIALECTS_SEL_MASKS_PATTERNMASKS
#define FOVEA_DIALECTS_SEL_MASKS_PATTERNMASKS

def Sel_ChunkedAttr : Sel_Mask<"Chunked", "chunked"> {
  let summary = "Keep the keys of the query's own block";
  let description = [{
    `chunked(n)` cuts the tokens into blocks of n and keeps the keys of the
    query's block: floor(k / n) == floor(q / n). `chunked(n, first)` lets a
    block begin at the token `first`: floor((k - first) / n) ==
    floor((q - first) / n); the tokens before it are in blocks of n too, of
    which the one that holds token 0 may be short.

    A literal n is from 1 to 2^31 - 1, a literal first from 0 [chunked_c1]. A
    run-time n below 1 keeps nothing.

    Source: Llama 4 (chunked attention), LongLoRA (groups, shifted by half a
    group for half of the heads).

    Example:

    ```mlir
    func.func @chunked(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(causal and chunked(8192))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  // `first` is null where it is not written: 0.
  let parameters = (ins "::mlir::Attribute":$size,
                        OptionalParameter<"::mlir::Attribute">:$first);
  let assemblyFormat = "`<` $size (`,` $first^)? `>`";
}

def Sel_BlockCausalAttr : Sel_Mask<"BlockCausal", "block_causal",
                                   ["simplify"]> {
  let summary = "Hide the blocks after the query's own";
  let description = [{
    `block_causal(n)` keeps floor(k / n) <= floor(q / n): everything before the
    query's block of n tokens, and that block to both sides.
    `block_causal(n, first)` lets a block begin at the token `first`, as in
    `chunked`. `block_causal(1)` is `causal`.

    A literal n is from 1 to 2^31 - 1, a literal first from 0
    [block_causal_c1]. A run-time n below 1 keeps nothing.

    Source: block diffusion (Fast-dLLM v2, dInfer), frames of video.

    Example:

    ```mlir
    func.func @block_causal(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(block_causal(32))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins "::mlir::Attribute":$size,
                        OptionalParameter<"::mlir::Attribute">:$first);
  let assemblyFormat = "`<` $size (`,` $first^)? `>`";
}

def Sel_BlocksAttr : Sel_Mask<"Blocks", "blocks",
                              ["simplify", "getConstant"]> {
  let summary = "Apply a mask to blocks of tokens";
  let description = [{
    `blocks(n, mask)` keeps k where `mask` keeps the block floor(k / n) for the
    query in the block floor(q / n): what the mask says of tokens is said of
    blocks of n. `blocks(64, window(16))` is the query's block and the 15
    before it, whole; `chunked(n)` is `blocks(n, window(1))` and
    `block_causal(n)` is `blocks(n, causal)`. Tables by token inside it are by
    block.

    A literal n is from 1 to 2^31 - 1 [blocks_c1]; a run-time n below 1 keeps
    nothing. The mask does not count rows of the call: `causal(top_left)` is
    not legal in it [blocks_c2].

    Source: S2-Attention and LongGen (local blocks, strided blocks),
    DuoAttention's prefill (sink and window rounded to blocks of 128).

    Example:

    ```mlir
    func.func @blocks(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                      %phase: tensor<8xi32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask(causal and blocks(64, window(16) or columns(8, %phase : tensor<8xi32>, 1)))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins "::mlir::Attribute":$size, "::mlir::Attribute":$mask);
  let assemblyFormat = "`<` $size `,` $mask `>`";
}

def Sel_DilatedAttr : Sel_Mask<"Dilated", "dilated", ["getConstant"]> {
  let summary = "Keep every n-th key before and behind the query";
  let description = [{
    `dilated(n)` keeps the keys whose distance from the query is a multiple of
    n: (q - k) mod n == 0, on both sides. `dilated(1)` keeps everything.

    A literal n is from 1 to 2^31 - 1 [dilated_c1]. A run-time n below 1 keeps
    nothing.

    Source: Longformer (dilated windows), Sparse Transformer (strided).

    Example:

    ```mlir
    func.func @dilated(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(window(256) and dilated(4))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins "::mlir::Attribute":$step);
  let assemblyFormat = "`<` $step `>`";
}

def Sel_ColumnsAttr : Sel_Mask<"Columns", "columns", ["getConstant"]> {
  let summary = "Keep columns that repeat";
  let description = [{
    `columns(period, first, n)` keeps n neighbouring keys in every `period`,
    for every query: (k - first) mod period < n, where mod is never negative.
    `first` names one of the columns and may be greater than the period.
    Unlike `dilated`, the columns do not move with the query: a key that a
    query past the diagonal no longer sees is never needed again.

    Literals: the period is from 1, first and n are from 0 [columns_c1]. No
    columns keep nothing, as many as the period everything. A run-time period
    below 1 keeps nothing.

    Source: Sparse Transformer (fixed), S2-Attention (strided blocks, first by
    head), LaCache (rungs), MMInference (grid).

    Example:

    ```mlir
    func.func @columns(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask(causal and (chunked(128) or columns(128, 120, 8)))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins "::mlir::Attribute":$period, "::mlir::Attribute":$first,
                        "::mlir::Attribute":$count);
  let assemblyFormat = "`<` $period `,` $first `,` $count `>`";
}

def Sel_QueriesAttr : Sel_Mask<"Queries", "queries", ["getConstant"]> {
  let summary = "Show everything to the first queries";
  let description = [{
    `queries(n)` keeps every key for the tokens q < n and none for the others:
    rows where `prefix` has columns. `not queries(n)` are the rows from n on. A
    literal n is from 0 to 2^31 - 1 [queries_c1]; `queries(0)` keeps nothing.

    Source: MInference's tri-shape (dense last rows), FlashMask's causal
    blockwise (the last block sees all) and QK-sparse masks.

    Example:

    ```mlir
    func.func @queries(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                       %last: index)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask(causal and (sink(128) or window(3968) or not queries(%last : index)))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins "::mlir::Attribute":$count);
  let assemblyFormat = "`<` $count `>`";
}

def Sel_GlobalAttr : Sel_Mask<"Global", "global", ["getConstant"]> {
  let summary = "Let the first tokens see and be seen by all";
  let description = [{
    `global(n)` keeps q < n or k < n: the first n tokens see everything and
    everything sees them. It is `prefix(n) or queries(n)`. A literal n is from
    0 to 2^31 - 1 [global_c1]; `global(0)` keeps nothing.

    Source: Longformer, BigBird (global tokens).

    Example:

    ```mlir
    func.func @global(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(global(16) or window(512, 512))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins "::mlir::Attribute":$count);
  let assemblyFormat = "`<` $count `>`";
}

def Sel_HeadsAttr : Sel_Mask<"Heads", "heads", ["simplify", "getConstant"]> {
  let summary = "Choose between masks by head";
  let description = [{
    `heads(%class : tensor<32xi32>, a, b, ..)` gives query head h the mask
    number class[h], counted from 0. A scalar instead of the tensor chooses for
    all heads, which lets layers of different kinds share one kernel. A class
    below 0, or from the number of masks on, keeps nothing. The masks may be
    any expressions; `heads` is itself a mask in an expression.

    What mask_s3 says of reads outside of tables holds for all of the masks,
    the chosen one or not: the tables of each must cover all tokens.

    The class is a run-time number [heads_c1], and there is at least one mask
    [mask_c7].

    Source: DuoAttention, LServe (retrieval and streaming heads), LongLoRA
    (shifted heads), MInference (a pattern per head), LongGen (per layer).

    Example:

    ```mlir
    func.func @heads(%q: tensor<?x32x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                     %class: tensor<32xi32>)
        -> tensor<?x32x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask(causal and heads(%class : tensor<32xi32>, causal, sink(64) or window(256)))
          : (tensor<?x32x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x32x?x64xf32>
      return %o : tensor<?x32x?x64xf32>
    }
    ```
  }];
  // `class` is a word of C++.
  let parameters = (ins "::mlir::Attribute":$choice,
                        ArrayRefParameter<"::mlir::Attribute">:$masks);
  let assemblyFormat = "`<` $choice `,` $masks `>`";
}

def Sel_SlicesAttr : Sel_Mask<"Slices", "slices"> {
  let summary = "Keep the pairs of a list of slices";
  let description = [{
    Takes slices as MagiAttention and LongCA-bench write masks: a table i32
    [n, 5], or [batch or 1, n, 5], with a row (q0, q1, k0, k1, type) for each
    slice, n from 1 to 64 [slices_c1]. A pair is kept where some slice has
    q0 <= q < q1 and k0 <= k < k1 and, by its type,

    * 0, full: all of these;
    * 1, causal: k - q <= k1 - q1, the diagonal ends in the corner (q1, k1);
    * 2, inverse causal: k - q >= k0 - q0, it begins in the corner (q0, k0);
    * 3, both.

    A slice of another type, or without rows or keys, keeps nothing, so that a
    table may be longer than its list. Slices may overlap. Each costs plan and
    kernel some comparisons: where a word or a table by token says the same it
    is faster.

    Source: MagiAttention (attention slices), LongCA-bench.

    Example:

    ```mlir
    func.func @slices(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                      %list: tensor<8x5xi32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k mask(slices(%list : tensor<8x5xi32>))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins "::mlir::Attribute":$table);
  let assemblyFormat = "`<` $table `>`";
}

def Sel_FlashMaskAttr : Sel_Mask<"FlashMask", "flashmask"> {
  let summary = "Hide keys from intervals of rows";
  let description = [{
    Takes the tables of FlashMask as they are, i32 [batch, head, key, column]:
    for each key the ends of the intervals of rows that do not see it. With
    start and end below ([s, e)) and above ([t, u)) the diagonal, key k is kept
    for row q where

    * `flashmask(causal, %rows)` with one column s: k <= q < s;
    * `flashmask(causal, %rows)` with two, s and e: k <= q, and not s <= q < e;
    * `flashmask(%rows)` with two, s and u: u <= q < s;
    * `flashmask(%rows)` with four, s, e, t and u: neither s <= q < e nor
      t <= q < u.

    Rows are tokens q, so that the same table serves a prompt as a whole and in
    chunks; where sq is sk these are the rows of FlashMask. The first extent may
    be 1, for all of the batch; the second is 1, the KV heads, the query heads
    or another divisor of these, n of H: query head h reads rows[b, floor(h /
    (H / n))] [flashmask_c1]. Other numbers of columns have no meaning
    [flashmask_c2]. A key without an entry is hidden.

    Source: FlashMask (the argument startend_row_indices of Paddle's
    flashmask_attention).

    Example:

    ```mlir
    func.func @flashmask(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                         %rows: tensor<?x1x?x1xi32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask(flashmask(causal, %rows : tensor<?x1x?x1xi32>))
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let parameters = (ins "::mlir::Attribute":$table,
                        OptionalParameter<"::mlir::UnitAttr">:$causal);
  let assemblyFormat = "`<` $table (`,` $causal^)? `>`";
}

#endif // FOVEA_DIALECTS_SEL_MASKS_PATTERNMASKS
