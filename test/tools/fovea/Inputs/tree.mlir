// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps of drafts over a cache: S its segments, M the mask.
!c = !kv.cache<heads = 2, dim = 32, layout = ${L:paged<16>}, segments = [${S:all : f32}]>
!q = tensor<?x4x32xf32>
!k = tensor<?x2x32xf32>
func.func @step(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, tensor<?x4xf32>, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o, %lse = attn.attention %q, %c1 mask(${M:tree}) score(alibi(0.125)) : (!q, !c) -> (!q, tensor<?x4xf32>)
  return %o, %lse, %c1 : !q, tensor<?x4xf32>, !c
}

// Rows that are in the cache already.
func.func @read(%q: !q, %c: !c) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %c mask(${M:tree}) : (!q, !c) -> !q
  return %o : !q
}
