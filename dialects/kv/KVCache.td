// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The type of a KV cache: a list of segments of the token axis. Included by
// KVTypes.td. Spelling and verification: KVCache.cpp, KVCacheSpelling.cpp.
#ifndef FOVEA_DIALECTS_KV_KVCACHE
#define FOVEA_DIALECTS_KV_KVCACHE

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "dialects/kv/KVDialect.td"

// The numbers are those of the bundle's records.
def KV_SegmentKind : I32EnumAttr<"SegmentKind", "a segment of a cache",
    [I32EnumAttrCase<"all", 0>, I32EnumAttrCase<"first", 1>,
     I32EnumAttrCase<"older", 2>, I32EnumAttrCase<"recent", 3>,
     I32EnumAttrCase<"fresh", 4, "new">]> {
  let cppNamespace = "::fovea::kv";
}

def KV_CacheRope : I32EnumAttr<"CacheRope", "where keys are rotated",
    [I32EnumAttrCase<"after", 0>, I32EnumAttrCase<"before", 1>,
     I32EnumAttrCase<"slot", 2>]> {
  let cppNamespace = "::fovea::kv";
}

def KV_KeptKind : I32EnumAttr<"KeptKind", "what append keeps of a page",
    [I32EnumAttrCase<"minmax", 0>, I32EnumAttrCase<"mean", 1>]> {
  let cppNamespace = "::fovea::kv";
}

def KV_CacheType : TypeDef<KV_Dialect, "Cache"> {
  let mnemonic = "cache";
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let summary = "Store the keys and values of sequences in segments";
  let description = [{
    The keys and values of the sequences of a batch. A cache is an ordered list
    of segments of the token axis, each with its own formats and layout;
    attention over it sees the tokens of all segments. How many tokens and which
    sequences there are is known at run time: a batch accompanies every call.

    | keyword | meaning |
    |---|---|
    | `heads = 8` | KV heads |
    | `dim = 128`, `dim = (192, 128)` | numbers per token and head, of keys and values |
    | `segments = [..]` | in token order: `all` alone, or `first(n)`, `older`, `recent(n)` |
    | `else = drop` | tokens that are in no segment are gone |
    | `layout = contiguous` | a sequence's tokens lie together, [head, token, chan]; the default |
    | `layout = token_major` | the same as [token, head, chan] |
    | `layout = paged<16>`, `paged<16, token_major>` | pages of 16 tokens |
    | `layout = ring` | contiguous; says that `recent` wraps |
    | `new = bf16` | the element type of appended rows |
    | `rope = after`, `before`, `slot` | keys are rotated when they come; the kernel rotates them by token, or by place |
    | `keep = [bounds = minmax(k) per page]` | numbers that append keeps of every page |

    Keywords stand in any order, are printed in the order heads, dim, layout,
    segments, else, new, rope, keep, and are omitted where they are the default.

    **Segments.** Behind the name and a colon stands the format, `f32`, `f16`,
    `bf16` or a number format such as `#kv.int8<per tok>`, or a pair of them for
    keys and values; `in layout` gives the segment a layout of its own. `all`
    holds every token, `first(n)` the first n, `recent(n)` the last n that were
    committed, in a ring of exactly n slots, `older` those between. Rows that
    were appended since the last commit are the last segment, `new`, in the
    precision `new`: the default is the first plain format among the segments, k
    before v, else f32. Where the only segment is `all` in that very format,
    new rows lie in their final place and there is no segment `new`.

    On commit tokens move: from `new` to `recent` (rounded to its format), from
    there to `older` (encoded from what `recent` held) or away. A token enters
    `first` while that has room.

    **Metadata.** `minmax(k)` is f32 [page, head, 2, dim], the least and the
    greatest key number by channel, `mean(k)` f32 [page, head, dim], over the
    decoded tokens that a page of `all` or `older` really holds.

    * cache_c1: there are `heads`, `dim` and `segments`; heads are from 1 to
      65536;
    * cache_c2: dims are from 1 to 576;
    * cache_c3: a page holds 1 to 65536 tokens;
    * cache_c4: segments are `all` alone, or some of `first`, `older`, `recent`
      in that order;
    * cache_c5: `first` and `recent` count from 1 to 2147483647 tokens, `all` and
      `older` have no count;
    * cache_c6: `else = drop` stands exactly where neither `all` nor `older`
      does;
    * cache_c7: a format is f32, f16, bf16 or a number format;
    * cache_c8: `new` is f32, f16 or bf16;
    * cache_c9: `keep` needs a paged `all` or `older`, its names are words and
      differ;
    * cache_c10: rotation in the kernel (`before`, `slot`) needs an even key dim;
    * cache_c11: `ring` needs a segment `recent`; a segment's own `ring` is that
      of `recent`.

    Source: sinks and a ring as in StreamingLLM, page bounds as in Quest, a
    recent window in front of encoded tokens as in KIVI.

    Example:

    ```mlir
    !t = tensor<?x8x128xbf16>
    !q = tensor<?x32x128xbf16>
    !c = !kv.cache<heads = 8, dim = 128, layout = paged<16>,
                   segments = [first(4) : bf16, older : #kv.int8<per tok>,
                               recent(64) : bf16 in contiguous]>
    func.func @cache(%q: !q, %k: !t, %v: !t, %c: !c) -> (!q, !c)
        attributes {attn.kernel} {
      %c1 = kv.append %c, %k, %v : !c, !t, !t
      %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
      return %o, %c1 : !q, !c
    }
    ```
  }];
  let parameters = (ins
    "int64_t":$heads, "int64_t":$keyDim, "int64_t":$valueDim,
    "::fovea::kv::CacheLayout":$layout,
    ArrayRefParameter<"::fovea::kv::CacheSegment">:$segments,
    "bool":$drop,
    "::mlir::Type":$newType,
    "::fovea::kv::CacheRope":$rope,
    ArrayRefParameter<"::fovea::kv::CacheKept">:$kept);
  let extraClassDeclaration = [{
    /// The storage of every segment in token order, `new` included where there
    /// is one: what lowering and the manifest read, and nothing else of the
    /// type's segments and layouts.
    ::llvm::SmallVector<::fovea::kv::SegmentPlan> getSegmentPlans() const;
    /// Whether appended rows have a segment of their own.
    bool hasNewSegment() const;
    /// The segment whose pages `unit = page` counts and `keep` describes (`all`
    /// or `older`), as an index into getSegmentPlans() const; -1 if there is none or
    /// it has no pages.
    int64_t getPagedSegment() const;
    /// The metadata called `name`, or null.
    const ::fovea::kv::CacheKept *findKept(::llvm::StringRef name) const;
    /// Keys and values as attention sees them, [b, heads, tokens, dim] of the
    /// element type of appended rows.
    ::mlir::RankedTensorType getKeyTensorType() const;
    ::mlir::RankedTensorType getValueTensorType() const;
  }];
}

#endif // FOVEA_DIALECTS_KV_KVCACHE
