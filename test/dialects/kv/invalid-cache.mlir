// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a cache and kv.append refuse.
// RUN: fovea-opt %s -split-input-file -verify-diagnostics

// expected-error@+1 {{expected a cache to have 'dim' [cache_c1]}}
func.func private @cache_c1(!kv.cache<heads = 8, segments = [all : bf16]>)

// -----

// expected-error@+1 {{expected heads of a cache to be from 1 to 65536, got 0 [cache_c1]}}
func.func private @cache_c1_heads(!kv.cache<heads = 0, dim = 8, segments = [all : bf16]>)

// -----

// expected-error@+1 {{expected 'heads' once}}
func.func private @twice(!kv.cache<heads = 8, heads = 8, dim = 8, segments = [all : bf16]>)

// -----

// expected-error@+1 {{unknown keyword of a cache 'segment': did you mean 'segments'? keywords of a cache are: dim}}
func.func private @keyword(!kv.cache<heads = 8, dim = 8, segment = [all : bf16]>)

// -----

// expected-error@+1 {{expected the dim of a cache to be from 1 to 576, got 577 [cache_c2]}}
func.func private @cache_c2(!kv.cache<heads = 8, dim = (8, 577), segments = [all : bf16]>)

// -----

// expected-error@+1 {{expected a page to hold 1 to 65536 tokens, got 0 [cache_c3]}}
func.func private @cache_c3(!kv.cache<heads = 8, dim = 8, layout = paged<0>, segments = [all : bf16]>)

// -----

// expected-error@+1 {{expected a page to hold 1 to 65536 tokens, got 65537 [cache_c3]}}
func.func private @cache_c3_most(!kv.cache<heads = 8, dim = 8, segments = [all : bf16 in paged<65537>]>)

// -----

// expected-error@+1 {{unknown layout 'page': did you mean 'paged'? layouts are: contiguous, paged, ring, token_major}}
func.func private @layout(!kv.cache<heads = 8, dim = 8, layout = page<16>, segments = [all : bf16]>)

// -----

// expected-error@+1 {{expected segments to be 'all' alone, or some of 'first', 'older', 'recent' in that order, got [recent, older] [cache_c4]}}
func.func private @cache_c4(!kv.cache<heads = 8, dim = 8, segments = [recent(4) : bf16, older : bf16]>)

// -----

// expected-error@+1 {{got [all, recent] [cache_c4]}}
func.func private @cache_c4_all(!kv.cache<heads = 8, dim = 8, segments = [all : bf16, recent(4) : bf16]>)

// -----

// expected-error@+1 {{got [] [cache_c4]}}
func.func private @cache_c4_none(!kv.cache<heads = 8, dim = 8, segments = []>)

// -----

// expected-error@+1 {{unknown segment 'new'; segments are: all, first, older, recent}}
func.func private @segment(!kv.cache<heads = 8, dim = 8, segments = [new : bf16]>)

// -----

// expected-error@+1 {{expected 'recent' to count 1 to 2147483647 tokens, got 0 [cache_c5]}}
func.func private @cache_c5(!kv.cache<heads = 8, dim = 8, segments = [recent : bf16], else = drop>)

// -----

// expected-error@+1 {{expected 'older' to have no count, got 4 [cache_c5]}}
func.func private @cache_c5_none(!kv.cache<heads = 8, dim = 8, segments = [older(4) : bf16]>)

// -----

// expected-error@+1 {{expected 'else = drop', got no segment 'all' or 'older' for the rest [cache_c6]}}
func.func private @cache_c6(!kv.cache<heads = 8, dim = 8, segments = [recent(4) : bf16]>)

// -----

// expected-error@+1 {{expected no 'else = drop' where 'all' or 'older' holds the rest [cache_c6]}}
func.func private @cache_c6_rest(!kv.cache<heads = 8, dim = 8, segments = [all : bf16], else = drop>)

// -----

// expected-error@+1 {{expected the format of 'all' to be f32, f16, bf16 or a number format, got i8 [cache_c7]}}
func.func private @cache_c7(!kv.cache<heads = 8, dim = 8, segments = [all : i8], new = f32>)

// -----

// expected-error@+1 {{expected a format to be f32, f16, bf16 or a number format, got "f8" [cache_c7]}}
func.func private @cache_c7_format(!kv.cache<heads = 8, dim = 8, segments = [all : "f8"]>)

// -----

// expected-error@+1 {{expected 'new' to be f32, f16 or bf16, got 'i8' [cache_c8]}}
func.func private @cache_c8(!kv.cache<heads = 8, dim = 8, segments = [all : bf16], new = i8>)

// -----

// expected-error@+1 {{expected 'keep' to come with a paged 'all' or 'older' [cache_c9]}}
func.func private @cache_c9(!kv.cache<heads = 8, dim = 8, segments = [all : bf16], keep = [m = mean(k) per page]>)

// -----

// expected-error@+1 {{expected the names in 'keep' to be words that differ, got "m" [cache_c9]}}
func.func private @cache_c9_names(!kv.cache<heads = 8, dim = 8, layout = paged<4>, segments = [all : bf16],
                                            keep = [m = mean(k) per page, m = minmax(k) per page]>)

// -----

// expected-error@+1 {{unknown metadata 'max': did you mean 'mean'? metadata are: mean, minmax}}
func.func private @metadata(!kv.cache<heads = 8, dim = 8, layout = paged<4>, segments = [all : bf16], keep = [m = max(k) per page]>)

// -----

// expected-error@+1 {{expected the key dim to be even where the kernel rotates, got 7 [cache_c10]}}
func.func private @cache_c10(!kv.cache<heads = 8, dim = 7, segments = [all : bf16], rope = slot>)

// -----

// expected-error@+1 {{expected 'layout = ring' to come with a segment 'recent' [cache_c11]}}
func.func private @cache_c11(!kv.cache<heads = 8, dim = 8, layout = ring, segments = [all : bf16]>)

// -----

// expected-error@+1 {{expected 'ring' to be the layout of 'recent', got 'older' [cache_c11]}}
func.func private @cache_c11_segment(!kv.cache<heads = 8, dim = 8, segments = [older : bf16 in ring, recent(4) : bf16]>)

// -----

// expected-error@+1 {{expected units of pages to come with q : 1, got q : 4 [list_c1]}}
func.func private @list_c1(!kv.list<per = (b, h, q : 4), unit = page, order = any>)

// -----

// expected-error@+1 {{expected the query block and the unit to be at least 1, got 1 and 0 [list_c1]}}
func.func private @list_c1_unit(!kv.list<per = (b, h, q : 1), unit = k : -1, order = any>)

// -----

!c = !kv.cache<heads = 8, dim = (16, 8), segments = [all : bf16]>
func.func @append_c1(%c: !c, %k: tensor<?x8x16xbf16>, %v: tensor<?x8x16xbf16>) -> !c attributes {attn.kernel} {
  // expected-error@+1 {{expected key and value to be [rows, 8, dim] or [b, 8, rows, dim] of 'bf16' with dims 16 and 8, got 'tensor<?x8x16xbf16>' and 'tensor<?x8x16xbf16>' [append_c1]}}
  %c1 = kv.append %c, %k, %v : !c, tensor<?x8x16xbf16>, tensor<?x8x16xbf16>
  return %c1 : !c
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : bf16]>
func.func @append_c1_type(%c: !c, %k: tensor<?x8x8xf32>) -> !c attributes {attn.kernel} {
  // expected-error@+1 {{got 'tensor<?x8x8xf32>' and 'tensor<?x8x8xf32>' [append_c1]}}
  %c1 = kv.append %c, %k, %k : !c, tensor<?x8x8xf32>, tensor<?x8x8xf32>
  return %c1 : !c
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : bf16]>
!t = tensor<?x8x8xbf16>
func.func @append_c2(%c: !c, %k: !t) -> !c attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %k : !c, !t, !t
  // expected-error@+1 {{expected the cache to be an argument of the kernel [append_c2]}}
  %c2 = kv.append %c1, %k, %k : !c, !t, !t
  return %c1 : !c
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : bf16]>
!t = tensor<?x8x8xbf16>
func.func @append_c3(%c: !c, %k: !t) -> (!t, !c) attributes {attn.kernel} {
  // expected-error@+1 {{expected nothing else to use the cache, which this op consumes [append_c3]}}
  %c1 = kv.append %c, %k, %k : !c, !t, !t
  // expected-note@+1 {{another use is here}}
  %o = attn.attention %k, %c : (!t, !c) -> !t
  return %o, %c1 : !t, !c
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : bf16]>
!t = tensor<?x8x8xbf16>
func.func @append_c4(%c: !c, %k: !t) -> !t attributes {attn.kernel} {
  // expected-error@+1 {{expected the kernel to return the cache [append_c4]}}
  %c1 = kv.append %c, %k, %k : !c, !t, !t
  %o = attn.attention %k, %c1 : (!t, !c) -> !t
  return %o : !t
}
