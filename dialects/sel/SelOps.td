// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops of dialect sel.
#ifndef FOVEA_DIALECTS_SEL_SELOPS
#define FOVEA_DIALECTS_SEL_SELOPS

include "mlir/IR/EnumAttr.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/kv/KVTypes.td"
include "dialects/sel/SelAttrs.td"
include "dialects/sel/SelDialect.td"
include "dialects/sel/SelTypes.td"

class Sel_Op<string mnemonic, list<Trait> traits = []>
    : Op<Sel_Dialect, mnemonic, traits>;

def Sel_YieldOp : Sel_Op<"yield", [Pure, Terminator]> {
  let summary = "End a mask region";
  let description = [{
    Gives the predicate's value for one (batch, head, query, key): an i1, true
    where the query sees the key, or an i32 level: 0 skip, 1 full, a greater
    level of the pyramid for its pooled row.
  }];
  let arguments = (ins AnyTypeOf<[I1, I32]>:$keep);
  let assemblyFormat = "$keep attr-dict `:` type($keep)";
}

def Sel_AncestorOp : Sel_Op<"ancestor", [Pure, AttrSizedOperandSegments]> {
  let summary = "Whether the query descends from the key";
  let description = [{
    For mask regions, and what `tree` expands to. `in %parents[%k, %q]`: whether
    token k lies on the path q, parents[q], parents[parents[q]], ..; q itself
    does. The table is an argument of the kernel, tensor<?xi32> by token or
    tensor<?x?xi32> with the batch as first index [tree_c1]. An entry that is
    negative, or not less than its own index, ends a path.

    Without a table: whether the pair's key is a committed token, or an ancestor
    of its query or the query itself among the uncommitted rows of the batch;
    over a cache only [tree_c2].

    ```mlir
    func.func @ancestor(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                        %parents: tensor<?xi32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask { ^bb0(%b: index, %h: index, %qi: index, %ki: index):
            %x = sel.ancestor in %parents[%ki, %qi] : tensor<?xi32>
            sel.yield %x : i1
          }
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let arguments = (ins Optional<AnyRankedTensor>:$parents,
                       Variadic<Index>:$indices);
  let results = (outs I1:$result);
  let assemblyFormat = [{
    (`in` $parents^ `[` $indices `]` `:` type($parents))? attr-dict
  }];
  let hasVerifier = 1;
}

def Sel_CoordinatesOp : Sel_Op<"coordinates", [Pure]> {
  let summary = "Place a token on a grid";
  let description = [{
    For mask and modifier regions: the places of a token on the two or three axes
    of a row-major grid, the last axis fastest, so that masks of images and
    videos are written in coordinates. With sizes h and w token t is at
    (floor(t / w), t - w * floor(t / w)); a third size is before them. Tokens
    past the grid are at places of the first axis past its size; those before
    token 0 are at places below 0 of it.

    Sizes are integer literals from 1 to 2^31 - 1 or index values
    [coordinates_c1, coordinates_c2]. By a size below 1 nothing can be divided:
    the pair is hidden (mask_s3).

    ```mlir
    func.func @coordinates(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask { ^bb0(%b: index, %h: index, %qi: index, %ki: index):
            %y, %x = sel.coordinates %qi grid(64, 48)
            %v, %u = sel.coordinates %ki grid(64, 48)
            %column = arith.cmpi eq, %x, %u : index
            sel.yield %column : i1
          }
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```
  }];
  let arguments = (ins Index:$token, Variadic<Index>:$sizes,
                       DenseI64ArrayAttr:$staticSizes);
  let results = (outs Variadic<Index>:$places);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The size of each axis, a literal or a value.
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedSizes();
  }];
}

def Sel_SegmentOp : Sel_Op<"segment", [Pure]> {
  let summary = "Find the segment that holds a token";
  let description = [{
    For mask regions, and what `documents(cu_seqlens(..))` expands to.
    `%t of %c` in a table c of n boundaries: segment i is the tokens c[i] to
    c[i + 1] - 1.

    * `index` is the number of entries that are at most t, less one: the segment
      that holds t (of equal boundaries the last, as the segments between them
      are empty), -1 before the first boundary, n - 1 from the last one on;
    * [`begin`, `end`) are the tokens of that segment. Where no segment holds t
      the range is empty: both are the first boundary before it, and the last
      one from it on (0 if the table has no entry).

    All three ascend with t, so that a mask is solved for whole tiles.

    The table is an argument of the kernel, tensor<?xi32>, or tensor<?x?xi32>
    with the row in brackets, usually the batch [segment_c1]. Its entries ascend
    and may repeat [segment_s1]. It is read when the call is planned, not again
    by its runs.

    ```mlir
    func.func @segment(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                       %cu: tensor<?xi32>)
        -> tensor<?x8x?x64xf32> attributes {attn.kernel} {
      %o = attn.attention %q, %k, %k
          mask { ^bb0(%b: index, %h: index, %qi: index, %ki: index):
            %i, %begin, %end = sel.segment %qi of %cu : tensor<?xi32>
            %behind = arith.cmpi sle, %begin, %ki : index
            sel.yield %behind : i1
          }
          : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
          -> tensor<?x8x?x64xf32>
      return %o : tensor<?x8x?x64xf32>
    }
    ```

    Source: the cu_seqlens of FlashAttention.
  }];
  let arguments = (ins Index:$token, AnyRankedTensor:$boundaries,
                       Optional<Index>:$row);
  let results = (outs Index:$index, Index:$begin, Index:$end);
  let assemblyFormat = [{
    $token `of` $boundaries (`[` $row^ `]`)? attr-dict `:` type($boundaries)
  }];
  let hasVerifier = 1;
}

def Sel_PoolOp : Sel_Op<"pool", [Pure]> {
  let summary = "Pool keys and values over groups of tokens";
  let description = [{
    Row j of level n is the mean, in f32, of the tokens
    [j * n, min((j + 1) * n, length)) of a sequence, rounded to the element
    type. Groups are anchored at token 0; the last group's mean is over the
    tokens that it has. Level 1 is the tensor itself.

    * pool_c1: `levels` are those of the result's type;
    * pool_c2: the result is of the types of `key` and `value`.

    Example: see `!kv.pyramid`.
  }];
  let arguments = (ins AnyRankedTensor:$key, AnyRankedTensor:$value,
                       DenseI64ArrayAttr:$levels);
  let results = (outs KV_PyramidType:$output);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Sel_ScoreOp : Sel_Op<"score", [Pure, AttrSizedOperandSegments]> {
  let summary = "Score blocks of keys for blocks of queries";
  let description = [{
    `pooled`: the queries of a block and the keys of a unit are averaged (in
    f32, over those that exist: rows of the call, keys below the length), and
    the score is scale times the dot product of the two averages. The default
    scale is 1/sqrt(dim). A pair of blocks in which no query sees any key gets
    -inf; otherwise the mask does not change the score. Every query head is
    scored against its own KV head.

    `offset` and `lengths` are as in `attn.attention`.

    Over a cache, `%q, %c`, every row is scored against the pages of the segment
    `all` or `older`, by the metadata that the cache keeps of them: with
    `bound(name)`, where name is a minmax, the score is scale times the sum over
    the channels of max(q * least, q * greatest), a bound of what any key of the
    page can reach; with `pooled(name)`, where name is a mean, scale times the
    dot product with it. Queries and keys are taken as they are stored, without
    the rotation of `rope`. A page without tokens gets -inf.

    * score_c1: `query` and `key` are as in attention_c1, c3, c4, c5, c6, c8
      and c9, and c22 over a cache;
    * score_c2: `offset` and `lengths` are i32 tensors of rank 1 over the
      batch;
    * score_c3: `scale` is finite;
    * score_c4: `bound` names a minmax, and `pooled` a mean, of the cache, and
      neither names anything without a cache;
    * score_c5: the units are pages over a cache and keys otherwise;
    * score_c6: over a cache there is no mask, offset or lengths, and the rows
      are token-major or one per sequence.

    Source: block-mean scoring as in SpargeAttn and MoBA, page bounds as in
    Quest.

    Example:

    ```mlir
    func.func @score(%q: tensor<?x32x?x128xbf16>, %k: tensor<?x8x?x128xbf16>)
        -> tensor<?x32x?x128xbf16> attributes {attn.kernel} {
      %s = sel.score %q, %k pooled mask(causal) scale(0.125)
          : tensor<?x32x?x128xbf16>, tensor<?x8x?x128xbf16>
          -> !sel.scores<per = (b, h, q : 64), unit = k : 64>
      %n = sel.normalize %s softmax(keys)
          : !sel.scores<per = (b, h, q : 64), unit = k : 64>
      %l = sel.choose %n top_p(0.9) force(diagonal, first(1))
          : !sel.scores<per = (b, h, q : 64), unit = k : 64>
          -> !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
      %o = attn.attention %q, %k, %k
          over(%l : !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>)
          mask(causal)
          : (tensor<?x32x?x128xbf16>, tensor<?x8x?x128xbf16>,
             tensor<?x8x?x128xbf16>) -> tensor<?x32x?x128xbf16>
      return %o : tensor<?x32x?x128xbf16>
    }
    ```
  }];
  let arguments = (ins AnyRankedTensor:$query,
                       AnyTypeOf<[AnyRankedTensor, KV_CacheType]>:$key,
                       Variadic<AnyType>:$maskOperands,
                       Optional<AnyType>:$offset, Optional<AnyType>:$lengths,
                       OptionalAttr<Sel_MaskAttr>:$mask,
                       OptionalAttr<F64Attr>:$scale,
                       UnitAttr:$bound, OptionalAttr<StrAttr>:$kept);
  let results = (outs Sel_ScoresType:$output);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
  let extraClassDeclaration = [{
    /// The type of the cache that is scored, or null.
    ::fovea::kv::CacheType getCache() {
      return ::llvm::dyn_cast<::fovea::kv::CacheType>(getKey().getType());
    }
    /// The scale as written, or 1/sqrt(dim).
    double getScaleOrDefault();
  }];
}

def Sel_NormalizeOp : Sel_Op<"normalize", [Pure, SameOperandsAndResultType]> {
  let summary = "Turn scores into shares of attention mass";
  let description = [{
    `softmax(keys)`: for every owner the softmax over the units, in f32. A
    score of -inf becomes 0, and so does every unit of an owner that has no
    finite score. NaN propagates to its own owner only.

    Example: see `sel.score`.
  }];
  let arguments = (ins Sel_ScoresType:$scores);
  let results = (outs Sel_ScoresType:$output);
  let assemblyFormat = [{
    $scores `softmax` `(` `keys` `)` attr-dict `:` qualified(type($scores))
  }];
}

def Sel_ChooseOp : Sel_Op<"choose", [Pure]> {
  let summary = "Choose the units with the greatest scores";
  let description = [{
    For every owner, units in descending order of score, ties to the lower
    index; a score of -inf (or, behind `normalize`, a share of 0) is never
    chosen, and neither is NaN.

    * `top_k(n)`: the first n units, or fewer if there are not as many. A
      run-time n is an integer scalar or a tensor of i32 or i64 by query head.
    * `top_p(t)`: the shortest beginning whose shares sum, in f32 and in that
      order, to at least t. A run-time t is an f32 scalar or a tensor of f32 by
      query head.
    * `force(diagonal, first(n), last(n))`: `diagonal` are the units that hold
      a key token equal to a query token of the block, `first` and `last` count
      units of the sequence. Forced units are taken first, in ascending order,
      then the others; top_p counts the forced mass, top_k the forced units.
      They are chosen whatever n and t are, but never if their score is -inf.

    * choose_c1: exactly one of top_k and top_p;
    * choose_c2: a literal n is at least 1, a literal t in (0, 1];
    * choose_c3: top_p has a `normalize` upstream;
    * choose_c4: result and scores have the same blocks;
    * choose_c5: the type of a run-time number.

    Over a cache the units are pages: `first` and `last` count those of the
    sequence's segment, `diagonal` is the page that holds the row's own token.

    With `order = ascending` the chosen indices are sorted, with `order = any`
    their order is that of choice.

    Example:

    ```mlir
    func.func @choose(%q: tensor<?x4x?x64xf32>, %k: tensor<?x4x?x64xf32>,
                      %n: index)
        -> tensor<?x4x?x64xf32> attributes {attn.kernel} {
      %s = sel.score %q, %k pooled
          : tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>
          -> !sel.scores<per = (b, h, q : 32), unit = k : 16>
      %l = sel.choose %s top_k(%n : index) force(last(1))
          : !sel.scores<per = (b, h, q : 32), unit = k : 16>
          -> !kv.list<per = (b, h, q : 32), unit = k : 16, order = ascending>
      %o = attn.attention %q, %k, %k
          over(%l : !kv.list<per = (b, h, q : 32), unit = k : 16,
                             order = ascending>)
          : (tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>)
          -> tensor<?x4x?x64xf32>
      return %o : tensor<?x4x?x64xf32>
    }
    ```
  }];
  let arguments = (ins Sel_ScoresType:$scores, Optional<AnyType>:$amount,
                       OptionalAttr<I64Attr>:$topK,
                       OptionalAttr<F64Attr>:$topP,
                       UnitAttr:$forceDiagonal,
                       DefaultValuedAttr<I64Attr, "0">:$forceFirst,
                       DefaultValuedAttr<I64Attr, "0">:$forceLast);
  let results = (outs KV_ListType:$output);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Whether the op chooses by number; otherwise it chooses by mass.
    bool isTopK();
  }];
}

def Sel_ChooseLevelsOp : Sel_Op<"assign", [Pure]> {
  let summary = "Assign a level to every unit by its share";
  let description = [{
    For every owner, units in descending order of share, ties to the lower
    index. A unit gets the first level whose `top_share` bound is greater than
    the sum, in f32 and in that order, of the shares before it, and level 0
    beyond the last bound. The unit that crosses a bound so still belongs to
    it, as in `top_p`, and the first unit gets the finest level. A share of 0
    or NaN gets level 0.

    `force(1 : diagonal, first(n), last(n))` then gives the named units level 1
    unless their share is 0; units are named as in `sel.choose`.

    This is a second op beside `sel.choose`, whose result is a list: a level
    map has another type and another rule.

    * assign_c1: `levels` are ascending powers of two from 1;
    * assign_c2: as many bounds as levels, ascending, in (0, 1];
    * assign_c3: the scores have a `normalize` upstream;
    * assign_c4: result and scores have the same blocks.

    Source: Pyramid Sparse Attention.

    Example:

    ```mlir
    !t = tensor<?x4x?x64xf32>
    !s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
    !l = !sel.levels<per = (b, h, q : 64), unit = k : 64>
    !p = !kv.pyramid<levels = [1, 2, 4, 8], of = !t>
    func.func @assign(%q: !t, %k: !t, %v: !t) -> !t attributes {attn.kernel} {
      %p = sel.pool %k, %v levels(1, 2, 4, 8) reduce(mean) : !t, !t -> !p
      %s = sel.score %q, %k pooled mask(causal) : !t, !t -> !s
      %n = sel.normalize %s softmax(keys) : !s
      %l = sel.assign %n levels(1, 2, 4, 8) top_share(0.05, 0.20, 0.45, 0.95)
          force(1 : diagonal, first(1)) : !s -> !l
      %o = attn.attention %q, %p levels(%l : !l) mask(causal) : (!t, !p) -> !t
      return %o : !t
    }
    ```
  }];
  let arguments = (ins Sel_ScoresType:$scores,
                       DenseI64ArrayAttr:$levels, DenseF64ArrayAttr:$topShare,
                       UnitAttr:$forceDiagonal,
                       DefaultValuedAttr<I64Attr, "0">:$forceFirst,
                       DefaultValuedAttr<I64Attr, "0">:$forceLast);
  let results = (outs Sel_LevelsType:$output);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Sel_LevelsOp : Sel_Op<"levels", [Pure]> {
  let summary = "Take a level map from a tensor";
  let description = [{
    `map` is i8 [b, hq, ceildiv(sq, n), ceildiv(sk, m)] for the result
    `per = (b, h, q : n), unit = k : m` [levels_c2]. What the values mean: see
    `!sel.levels`.

    Example: see `!kv.pyramid`.
  }];
  let arguments = (ins AnyRankedTensor:$map);
  let results = (outs Sel_LevelsType:$output);
  let assemblyFormat = "$map attr-dict `:` type($map) `->` qualified(type($output))";
  let hasVerifier = 1;
}

#endif // FOVEA_DIALECTS_SEL_SELOPS
