// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pages of codes behind sinks and before a window: the list restricts only its
// own segment.
// RUN: fovea verify %s --shape=b=3,rows=[1,1,1],sk=[70,1,130]
// RUN: fovea verify %s -D T=f16 --target=sm_80-emulated --shape=b=3,rows=[1,1,1],sk=[70,1,130]
// RUN: fovea verify %s --shape=b=3,rows=[3,1,40],sk=[300,1,500]
// RUN: fovea verify %s -D T=f16 --target=sm_80-emulated --shape=b=3,rows=[3,1,40],sk=[300,1,500]
!c = !kv.cache<heads = 2, dim = 64, layout = paged<8>, segments = [first(4) : ${T:f32}, older : #kv.int8<per tok>, recent(16) : ${T:f32} in contiguous], new = ${T:f32}, keep = [bounds = minmax(k) per page, m = mean(k) per page]>
!q = tensor<?x4x64x${T:f32}>
!t = tensor<?x2x64x${T:f32}>
!s = !sel.scores<per = (b, h, q : 1), unit = page>
!l = !kv.list<per = (b, h, q : 1), unit = page, order = any>
func.func @oq(%q: !q, %k: !t, %v: !t, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !t, !t
  %s = sel.score %q, %c1 pooled(m) : !q, !c -> !s
  %n = sel.normalize %s softmax(keys) : !s
  %l = sel.choose %n top_p(0.5) force(last(1), first(1)) : !s -> !l
  %o = attn.attention %q, %c1 over(%l : !l) mask(causal) score(softcap(20.0)) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
