// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops of dialect attn.
#ifndef FOVEA_DIALECTS_ATTN_ATTNOPS
#define FOVEA_DIALECTS_ATTN_ATTNOPS

include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/attn/AttnAttrs.td"
include "dialects/attn/AttnDialect.td"
include "dialects/attn/AttnEnums.td"
include "dialects/attn/AttnInterfaces.td"
include "dialects/kv/KVTypes.td"
include "dialects/sel/SelAttrs.td"
include "dialects/sel/SelTypes.td"

class Attn_Op<string mnemonic, list<Trait> traits = []>
    : Op<Attn_Dialect, mnemonic, traits>;

class Attn_AttentionBase<string mnemonic>
    : Attn_Op<mnemonic, [Pure, AttrSizedOperandSegments,
                         Attn_AttentionOpInterface]> {
  let arguments = (ins
    AnyType:$query, Variadic<AnyType>:$source,
    Variadic<AnyType>:$maskOperands, Variadic<AnyType>:$scoreOperands,
    Optional<KV_ListType>:$list, Optional<Sel_LevelsType>:$levels,
    Optional<AnyType>:$offset, Optional<AnyType>:$lengths,
    Optional<AnyType>:$rope, Optional<AnyType>:$sinkLogits,
    OptionalAttr<Sel_MaskAttr>:$mask,
    OptionalAttr<Attn_ScoreArrayAttr>:$score,
    OptionalAttr<F64Attr>:$scale,
    OptionalAttr<Attn_RopePairs>:$ropePairs,
    OptionalAttr<Attn_OrderAttr>:$order);
  let regions = (region AnyRegion:$maskRegion, AnyRegion:$scoreRegion,
                        AnyRegion:$probRegion);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let hasCanonicalizer = 1;
}

def Attn_AttentionOp : Attn_AttentionBase<"attention"> {
  let summary = "Compute softmax attention";
  let description = [{
    For query [b, hq, sq, d], key [b, hk, sk, d] and value [b, hk, sk, dv],
    with query head h reading KV head h / (hq / hk):

    1. s = scale * (q . k) in f32; scale is 1/sqrt(d) or the clause `scale(x)`;
    2. the score modifiers, left to right, or the score region;
    3. the mask: a hidden key has probability exactly 0;
    4. p = softmax over the visible keys and the sink, if there is one, then
       the probability region;
    5. o = the sum of p * v, rounded to the result's element type.

    The second result, if asked for, is lse, f32 [b, hq, sq]: the natural
    logarithm of the sum of exp(s) over the visible keys.

    Clauses, in any order:

    | clause | meaning |
    |---|---|
    | `over(%l : !kv.list<..>)` | only the keys of the listed blocks |
    | `levels(%m : !sel.levels<..>)` | the level of each block; needs a pyramid |
    | `mask(expression)` | masks joined by `and`, `or`, `not`, parentheses |
    | `mask { .. }` | a region (b, h, q, k) that ends in `sel.yield` |
    | `score(softcap(50.0), ..)` | score modifiers, applied left to right |
    | `score { .. }` | a region (s, b, h, q, k) that ends in `attn.yield` |
    | `prob { .. }` | a region (p, b, h, q, k) that ends in `attn.yield` |
    | `scale(x)` | instead of 1/sqrt(d) |
    | `offset(%o : tensor<?xi32>)` | query i of the call is token i + o[b] |
    | `lengths(%n : tensor<?xi32>)` | keys at or past n[b] do not exist |
    | `rope(%t : tensor<?x64x2xf32>, halves)` | rotates queries and keys; over a cache that asks for it |
    | `order(grid(45, 80))` | tiles are boxes of a grid of tokens: #attn.order |
    | `sink_logits(%s : tensor<32xf32>)` | a learned sink per query head |

    Without `lengths` a sequence has sk keys; without `offset` the offset is
    the number of its keys minus sq: the last query is the last token.

    Over a cache (`%q, %c`) the batch of the call gives sequences, rows and
    lengths: the keys of sequence b are its tokens, uncommitted ones included,
    and its rows are its last tokens. The query is then [b, hq, sq, d], or
    token-major [rows, hq, d] with the rows of all sequences one behind the
    other; o has the same shape, lse one dim less. With `rope` the keys are
    stored without rotation, and queries and keys are rotated by their
    positions: t[p, i] is (cos, sin) of pair i at position p, x0' = x0 cos - x1
    sin, x1' = x0 sin + x1 cos, where `halves` pairs the channels i and
    i + d/2, `pairs` 2i and 2i + 1. With `rope = before` a position is the token
    index, with `slot` the rank among the tokens that the cache still has.

    With `sink_logits` every row of query head h sees one key more, whose score
    is s[h] as it stands and whose value is 0: it takes its share of the
    softmax and of lse and adds nothing to o. An entry of -inf is no sink.

    The probability region sees p of the visible keys; a hidden key keeps
    exactly 0, and so does the sink. The result is not normalised again. A
    region that is linear in p (a factor, a gate by head or by position, a
    dropout table) costs one multiplication per pair. With any other region an
    item walks its keys twice, once for the sum of the softmax and once for o,
    and is not split; the compiler says so in a remark.

    In a region q and k are token indices. A region may use scalars and tables
    (tensors) of the function; it holds arith, math and tensor.extract
    (mask_c3, mask_c4).

    Edge cases. A query that sees nothing gives o = 0 and lse = -inf. Keys at
    or past the length are hidden and their values read as 0, whatever the
    memory holds. A value that is not finite at a hidden key inside the length
    is unspecified; NaN or infinity in what is visible reaches its own rows
    only. With a pyramid, a pooled row is visible when all of its tokens are,
    and gets the bias ln(number of its tokens). A row whose score is -inf is
    hidden.

    * attention_c1: `query` is a plain tensor [b, heads, tokens, dim] of f32,
      f16 or bf16, or [rows, heads, dim] over a cache;
    * attention_c2: the source is a key and a value, one pyramid, or one cache;
    * attention_c3: key and value are such tensors, plain or coded;
    * attention_c4: heads and dims are static;
    * attention_c5: query heads are a multiple of KV heads;
    * attention_c6: key dim equals query dim;
    * attention_c7: key and value agree in batch, heads and tokens;
    * attention_c8: dims are from 1 to 576;
    * attention_c9: key batch equals query batch;
    * attention_c10: no extent is 0;
    * attention_c11: o is [b, query heads, sq, value dim] of f32, f16 or bf16;
    * attention_c12: lse is f32 [b, query heads, sq];
    * attention_c13: a mask or score is sugar or a region, not both;
    * attention_c14: a list needs a key and a value, or a cache, and excludes
      levels;
    * attention_c15: a pyramid needs levels, from a map or from the mask
      region, and levels need a pyramid;
    * attention_c16: the unit of a level map is a multiple of the greatest
      level;
    * attention_c17: offset and lengths are i32 over the batch;
    * attention_c18: scale is finite;
    * attention_c19: over a cache there is neither offset nor lengths;
    * attention_c20: a list of pages is over a cache with a paged `all` or
      `older`, any other is not over a cache, and the rows are token-major or
      one per sequence;
    * attention_c21: rope stands exactly where the cache rotates in the kernel;
      the table is tensor<?x(d/2)x2xf32>;
    * attention_c22: the rows of the query are like those that the kernel
      appends to the cache: both token-major or neither;
    * attention_c23: sink_logits is f32 [query heads].

    Example:

    ```mlir
    !q = tensor<?x32x?x128xbf16>
    !k = tensor<?x8x?x128xbf16>
    !lse = tensor<?x32x?xf32>
    func.func @attention(%q: !q, %k: !k, %v: !k, %n: tensor<?xi32>)
        -> (!q, !lse) attributes {attn.kernel} {
      %o, %lse = attn.attention %q, %k, %v
          mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
            %keep = arith.cmpi sle, %j, %i : index
            sel.yield %keep : i1 }
          score { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
            %t = math.tanh %s : f32
            attn.yield %t : f32 }
          lengths(%n : tensor<?xi32>) : (!q, !k, !k) -> (!q, !lse)
      return %o, %lse : !q, !lse
    }
    ```
  }];
  let results = (outs AnyRankedTensor:$output, Optional<AnyRankedTensor>:$lse);
}

def Attn_PartialOp : Attn_AttentionBase<"partial"> {
  let summary = "Compute the state of attention over part of the keys";
  let description = [{
    `attn.attention` without its last step. For every query, over the keys that
    it sees: m is the greatest score, l the sum of exp(s - m), o the sum of
    exp(s - m) * v, all f32. `attn.merge` joins such states.

    A query that sees nothing gives o = 0, m = -inf and l = 0. With
    `sink_logits` the sink counts in m and l: of the parts that are merged one
    has it. Clauses, edge cases and constraints are those of `attn.attention`,
    with

    * partial_c1: the results are f32, o [b, query heads, sq, value dim], m and
      l [b, query heads, sq];
    * partial_c2: there is no probability region: a part does not know p.

    Example:

    ```mlir
    !t = tensor<?x8x?x64xf32>
    !m = tensor<?x8x?xf32>
    func.func @split(%q: !t, %k0: !t, %v0: !t, %k1: !t, %v1: !t)
        -> !t attributes {attn.kernel} {
      %o0, %m0, %l0 = attn.partial %q, %k0, %v0 : (!t, !t, !t) -> (!t, !m, !m)
      %o1, %m1, %l1 = attn.partial %q, %k1, %v1 mask(causal)
          : (!t, !t, !t) -> (!t, !m, !m)
      %o = attn.merge lse(%o0, %m0, %l0), (%o1, %m1, %l1)
          : (!t, !m, !m), (!t, !m, !m) -> !t
      return %o : !t
    }
    ```
  }];
  let results = (outs AnyRankedTensor:$output, AnyRankedTensor:$max,
                      AnyRankedTensor:$sum);
}

def Attn_MergeOp : Attn_Op<"merge", [Pure]> {
  let summary = "Merge the states of attention over disjoint keys";
  let description = [{
    `lse`: with M the greatest m of the parts, L = sum of l * exp(m - M) and
    O = sum of o * exp(m - M); the result is O / L and, if asked for,
    lse = M + ln L. A part with m = -inf adds nothing; a row of which all
    parts are empty gives 0 and lse -inf. Merging is associative and
    commutative up to rounding. The parts must have been over disjoint keys:
    a key that is in two of them counts twice.

    * merge_c1: at least one part of three tensors;
    * merge_c2: all parts are f32 and agree in shape: o [b, h, s, dv], m and l
      [b, h, s], or without b for token-major rows: [rows, h, dv], [rows, h];
    * merge_c3: o is of that shape and f32, f16 or bf16, lse f32 like m.

    Example: see `attn.partial`.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$parts);
  let results = (outs AnyRankedTensor:$output, Optional<AnyRankedTensor>:$lse);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    unsigned getNumParts() { return getParts().size() / 3; }
    ::mlir::Value getPartOutput(unsigned i) { return getParts()[3 * i]; }
    ::mlir::Value getPartMax(unsigned i) { return getParts()[3 * i + 1]; }
    ::mlir::Value getPartSum(unsigned i) { return getParts()[3 * i + 2]; }
  }];
}

def Attn_YieldOp : Attn_Op<"yield", [Pure, Terminator]> {
  let summary = "End a score or probability region";
  let description = [{
    Gives the modified score or probability of one (batch, head, query, key).
  }];
  let arguments = (ins F32:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

#endif // FOVEA_DIALECTS_ATTN_ATTNOPS
