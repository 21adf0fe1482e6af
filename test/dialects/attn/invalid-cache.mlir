// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What attention, scores and kernels refuse over a cache.
// RUN: fovea-opt %s -split-input-file -verify-diagnostics

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32]>
// expected-error@+1 {{expected result 1 to be the last value of a cache argument, returned once [kernel_c9]}}
func.func @kernel_c9_twice(%c: !c) -> (!c, !c) attributes {attn.kernel} {
  return %c, %c : !c, !c
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32]>
!t = tensor<?x8x8xf32>
// expected-error@+1 {{expected result 0 to be the last value of a cache argument, returned once [kernel_c9]}}
func.func @kernel_c9_consumed(%c: !c, %k: !t) -> (!c, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %k : !c, !t, !t
  return %c, %c1 : !c, !c
}

// -----

!q = tensor<?x8x8xf32>
func.func @attention_c1(%q: !q, %k: tensor<?x8x?x8xf32>) {
  // expected-error@+1 {{expected query to be a tensor [b, heads, tokens, dim] of f32, f16 or bf16, got 'tensor<?x8x8xf32>' [attention_c1]}}
  %o = attn.attention %q, %k, %k : (!q, tensor<?x8x?x8xf32>, tensor<?x8x?x8xf32>) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32]>
!q = tensor<?x8x?x8xf32>
func.func @attention_c2(%q: !q, %c: !c) {
  // expected-error@+1 {{expected the source to be a key and a value, one pyramid, or one cache, got '!kv.cache<heads = 8, dim = 8, segments = [all : f32]>', '!kv.cache<heads = 8, dim = 8, segments = [all : f32]>' [attention_c2]}}
  %o = attn.attention %q, %c, %c : (!q, !c, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32]>
!q = tensor<?x12x8xf32>
func.func @attention_c5(%q: !q, %c: !c) {
  // expected-error@+1 {{expected query heads to be a multiple of KV heads, got 12 and 8 [attention_c5]}}
  %o = attn.attention %q, %c : (!q, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = (16, 4), segments = [all : f32]>
!q = tensor<?x8x16xf32>
func.func @attention_c11(%q: !q, %c: !c) {
  // expected-error@+1 {{expected the output to be f32, f16 or bf16 [?, 8, 4], got 'tensor<?x8x16xf32>' [attention_c11]}}
  %o = attn.attention %q, %c : (!q, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32]>
!q = tensor<?x8x8xf32>
func.func @attention_c19(%q: !q, %c: !c, %n: tensor<?xi32>) {
  // expected-error@+1 {{expected no clause 'lengths' over a cache: the batch of the call gives the tokens [attention_c19]}}
  %o = attn.attention %q, %c lengths(%n : tensor<?xi32>) : (!q, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32]>
!q = tensor<?x8x8xf32>
func.func @attention_c19_offset(%q: !q, %c: !c, %n: tensor<?xi32>) {
  // expected-error@+1 {{expected no clause 'offset' over a cache}}
  %o = attn.attention %q, %c offset(%n : tensor<?xi32>) : (!q, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32]>
!q = tensor<?x8x8xf32>
!l = !kv.list<per = (b, h, q : 1), unit = page, order = any>
func.func @attention_c20_contiguous(%q: !q, %c: !c, %l: !l) {
  // expected-error@+1 {{expected a list over a cache to count pages of a paged 'all' or 'older', got '!kv.list<per = (b, h, q : 1), unit = page, order = any>' and '!kv.cache<heads = 8, dim = 8, segments = [all : f32]>' [attention_c20]}}
  %o = attn.attention %q, %c over(%l : !l) : (!q, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, layout = paged<16>, segments = [all : f32]>
!q = tensor<?x8x8xf32>
!l = !kv.list<per = (b, h, q : 1), unit = k : 16, order = any>
func.func @attention_c20_keys(%q: !q, %c: !c, %l: !l) {
  // expected-error@+1 {{expected a list over a cache to count pages}}
  %o = attn.attention %q, %c over(%l : !l) : (!q, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, layout = paged<16>, segments = [all : f32]>
!q = tensor<?x8x?x8xf32>
!l = !kv.list<per = (b, h, q : 1), unit = page, order = any>
func.func @attention_c20_rows(%q: !q, %c: !c, %l: !l) {
  // expected-error@+1 {{expected pages to be chosen for token-major rows or for one row per sequence, got 'tensor<?x8x?x8xf32>' [attention_c20]}}
  %o = attn.attention %q, %c over(%l : !l) : (!q, !c) -> !q
  return
}

// -----

!q = tensor<?x8x1x8xf32>
!l = !kv.list<per = (b, h, q : 1), unit = page, order = any>
func.func @attention_c20_tensors(%q: !q, %l: !l) {
  // expected-error@+1 {{expected a list of pages to come with a cache [attention_c20]}}
  %o = attn.attention %q, %q, %q over(%l : !l) : (!q, !q, !q) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32]>
!q = tensor<?x8x8xf32>
func.func @attention_c21(%q: !q, %c: !c, %t: tensor<?x4x2xf32>) {
  // expected-error@+1 {{expected no clause 'rope' but over a cache with 'rope = before' or 'rope = slot' [attention_c21]}}
  %o = attn.attention %q, %c rope(%t : tensor<?x4x2xf32>, halves) : (!q, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32], rope = before>
!q = tensor<?x8x8xf32>
func.func @attention_c21_missing(%q: !q, %c: !c) {
  // expected-error@+1 {{expected the clause 'rope' over a cache with 'rope = before' [attention_c21]}}
  %o = attn.attention %q, %c : (!q, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32], rope = before>
!q = tensor<?x8x8xf32>
func.func @attention_c21_table(%q: !q, %c: !c, %t: tensor<?x8x2xf32>) {
  // expected-error@+1 {{expected the table of 'rope' to be tensor<?x4x2xf32>, got 'tensor<?x8x2xf32>' [attention_c21]}}
  %o = attn.attention %q, %c rope(%t : tensor<?x8x2xf32>, halves) : (!q, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32], rope = before>
!q = tensor<?x8x8xf32>
func.func @rope_word(%q: !q, %c: !c, %t: tensor<?x4x2xf32>) {
  // expected-error@+1 {{unknown rule of rotation 'halve': did you mean 'halves'? rules of rotation are: halves, pairs}}
  %o = attn.attention %q, %c rope(%t : tensor<?x4x2xf32>, halve) : (!q, !c) -> !q
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, segments = [all : f32]>
!q = tensor<?x8x?x8xf32>
!t = tensor<?x8x8xf32>
func.func @attention_c22(%q: !q, %k: !t, %c: !c) -> (!q, !c) {
  %c1 = kv.append %c, %k, %k : !c, !t, !t
  // expected-error@+1 {{expected the query's rows to be like those appended to the cache, got 'tensor<?x8x?x8xf32>' and 'tensor<?x8x8xf32>' [attention_c22]}}
  %o = attn.attention %q, %c1 : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}

// -----

!c = !kv.cache<heads = 8, dim = 8, layout = paged<16>, segments = [all : f32], keep = [bounds = minmax(k) per page]>
!q = tensor<?x8x8xf32>
!s = !sel.scores<per = (b, h, q : 1), unit = page>
func.func @score_c4(%q: !q, %c: !c) {
  // expected-error@+1 {{expected 'pooled' to name a mean that the cache keeps, got 'bounds' [score_c4]}}
  %s = sel.score %q, %c pooled(bounds) : !q, !c -> !s
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, layout = paged<16>, segments = [all : f32], keep = [bounds = minmax(k) per page]>
!q = tensor<?x8x8xf32>
!s = !sel.scores<per = (b, h, q : 1), unit = page>
func.func @score_c4_unnamed(%q: !q, %c: !c) {
  // expected-error@+1 {{expected 'pooled' to name a mean that the cache keeps, got '' [score_c4]}}
  %s = sel.score %q, %c pooled : !q, !c -> !s
  return
}

// -----

!q = tensor<?x8x?x8xf32>
!s = !sel.scores<per = (b, h, q : 1), unit = k : 16>
func.func @score_c4_tensor(%q: !q) {
  // expected-error@+1 {{expected metadata to be named only over a cache [score_c4]}}
  %s = sel.score %q, %q bound(bounds) : !q, !q -> !s
  return
}

// -----

!q = tensor<?x8x?x8xf32>
!s = !sel.scores<per = (b, h, q : 1), unit = page>
func.func @score_c5(%q: !q) {
  // expected-error@+1 {{expected units of pages over a cache and of keys otherwise, got '!sel.scores<per = (b, h, q : 1), unit = page>' [score_c5]}}
  %s = sel.score %q, %q pooled : !q, !q -> !s
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, layout = paged<16>, segments = [all : f32], keep = [bounds = minmax(k) per page]>
!q = tensor<?x8x8xf32>
!s = !sel.scores<per = (b, h, q : 1), unit = page>
func.func @score_c6(%q: !q, %c: !c) {
  // expected-error@+1 {{expected no mask, offset or lengths over a cache [score_c6]}}
  %s = sel.score %q, %c bound(bounds) mask(causal) : !q, !c -> !s
  return
}

// -----

!c = !kv.cache<heads = 8, dim = 8, layout = paged<16>, segments = [all : f32], keep = [bounds = minmax(k) per page]>
!q = tensor<?x8x?x8xf32>
!s = !sel.scores<per = (b, h, q : 1), unit = page>
func.func @score_c6_rows(%q: !q, %c: !c) {
  // expected-error@+1 {{expected pages to be chosen for token-major rows or for one row per sequence, got 'tensor<?x8x?x8xf32>' [score_c6]}}
  %s = sel.score %q, %c bound(bounds) : !q, !c -> !s
  return
}

// -----

!q = tensor<?x8x?x8xf32>
!s = !sel.scores<per = (b, h, q : 1), unit = k : 16>
func.func @score_rule(%q: !q) {
  // expected-error@+1 {{expected exactly one of the clauses 'pooled' and 'bound'}}
  %s = sel.score %q, %q scale(1.0) : !q, !q -> !s
  return
}

// -----

// expected-error@+1 {{expected a level map to have units of keys, got pages [levels_c1]}}
func.func private @levels_c1(!sel.levels<per = (b, h, q : 1), unit = page>)
