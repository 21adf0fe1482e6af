// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The attention of one decoder layer: appends the rows of a step to the cache,
// then attends to all tokens so far. One kernel for prompts, chunks and single
// tokens; the keys come rotated.
!c = !kv.cache<heads = ${KV}, dim = ${D}, layout = paged<16>, segments = [all : ${F:f32}]>
!q = tensor<?x${H}x${D}xf32>
!k = tensor<?x${KV}x${D}x${F:f32}>
func.func @attend(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
