// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One layer's attention in a step of speculative decoding: new rows see the
// committed tokens, their ancestors in the tree of drafts and themselves. The
// parents come with the batch; without them rows are a chain, so that the same
// kernel takes prompts and single tokens. Positions, which ALiBi reads, are
// those that a row has once its path is accepted.
!c = !kv.cache<heads = ${KV}, dim = ${D}, layout = paged<16>, segments = [all : f32]>
!q = tensor<?x${H}x${D}xf32>
!k = tensor<?x${KV}x${D}xf32>
func.func @step(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(tree) score(alibi(0.0625)) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
