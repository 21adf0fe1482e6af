// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One KV head of wide keys for all query heads, with sinks and a window in the
// mask.
// RUN: fovea verify %s --shape=b=2,rows=[5,1],sk=[30,300]
!c = !kv.cache<heads = 1, dim = (576, 512), layout = paged<16>, segments = [all : bf16]>
!q = tensor<?x16x576xbf16>
!o = tensor<?x16x512xbf16>
!k = tensor<?x1x576xbf16>
!v = tensor<?x1x512xbf16>
func.func @mla(%q: !q, %k: !k, %v: !v, %c: !c) -> (!o, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !v
  %o = attn.attention %q, %c1 mask(causal and (window(64) or sink(4))) : (!q, !c) -> !o
  return %o, %c1 : !o, !c
}
