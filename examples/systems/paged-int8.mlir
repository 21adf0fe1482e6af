// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Continuous batching over a paged int8 cache: the rows of all sequences lie one
// behind the other, so that prefill chunks and decodes share one call. Rows are
// bf16 until they are committed.
!q = tensor<?x32x128xbf16>   // rows, heads, dim
!k = tensor<?x8x128xbf16>
!c = !kv.cache<heads = 8, dim = 128, layout = paged<16>, new = bf16,
               segments = [all : #kv.int8<per tok>]>

func.func @serve(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
