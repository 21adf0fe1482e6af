// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every token-major row chooses pages of its own.
// RUN: fovea verify %s --shape=b=3,rows=[5,1,60],sk=[70,1,130] --arg pages=3
// RUN: fovea verify %s --target=sm_80-emulated --shape=b=3,rows=[5,1,60],sk=[70,1,130] --arg pages=3
!c = !kv.cache<heads = 8, dim = 128, layout = paged<16>, segments = [all : bf16], keep = [bounds = minmax(k) per page]>
!q = tensor<?x32x128xbf16>
!t = tensor<?x8x128xbf16>
!s = !sel.scores<per = (b, h, q : 1), unit = page>
!l = !kv.list<per = (b, h, q : 1), unit = page, order = any>
func.func @rq(%q: !q, %k: !t, %v: !t, %c: !c, %pages: index) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !t, !t
  %s = sel.score %q, %c1 bound(bounds) : !q, !c -> !s
  %l = sel.choose %s top_k(%pages : index) force(last(1)) : !s -> !l
  %o = attn.attention %q, %c1 over(%l : !l) mask(causal) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
