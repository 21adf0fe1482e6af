// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tree verification over a cache: new rows see the committed tokens, their
// ancestors among the uncommitted rows and themselves; the parents come with the
// batch. Positions are committed + depth. SpecInfer, EAGLE, LongSpec.
!q = tensor<?x${H:4}x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x${D:32}x${T:f32}>
!c = !kv.cache<heads = ${KV:2}, dim = ${D:32}, layout = paged<${P:16}>, new = ${T:f32}, segments = [all : ${T:f32}]>

func.func @tree_cache(%q: !q, %k: !k, %v: !k, %cache: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %cache, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(tree) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
