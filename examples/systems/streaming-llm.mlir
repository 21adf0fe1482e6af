// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// StreamingLLM, decode: the first 4 tokens and a ring of the last 1020. Keys are
// stored without rotation; the kernel rotates queries and keys by their place
// in the cache, so that positions never grow beyond 1024.
!q = tensor<?x32x1x128xbf16>
!k = tensor<?x8x1x128xbf16>
!c = !kv.cache<heads = 8, dim = 128, layout = ring, rope = slot, else = drop,
               segments = [first(4) : bf16, recent(1020) : bf16]>

func.func @streaming(%q: !q, %k: !k, %v: !k, %c: !c, %cs: tensor<?x64x2xf32>) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 rope(%cs : tensor<?x64x2xf32>, halves) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
