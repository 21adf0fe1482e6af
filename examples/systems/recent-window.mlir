// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A residual window as in KIVI, with int8: the last 128 tokens and the sinks
// stay in bf16, what falls out of the window is encoded into pages.
!q = tensor<?x32x128xbf16>
!k = tensor<?x8x128xbf16>
!c = !kv.cache<heads = 8, dim = 128, layout = paged<32>,
               segments = [first(4) : bf16 in contiguous, older : #kv.int8<per tok>,
                           recent(128) : bf16 in ring]>

func.func @window(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
