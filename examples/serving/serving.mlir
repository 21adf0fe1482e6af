// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One layer's attention in a serving step. The rows of all sequences lie one
// behind the other; which belong to which is told by the batch of the call, so
// that one kernel serves whole prompts, chunks of them, single tokens and any
// mix. Committed tokens are int8, with a scale per token and head.
!c = !kv.cache<heads = ${KV}, dim = ${D}, layout = paged<16>, segments = [all : #kv.int8<per tok>], new = ${T}>
!q = tensor<?x${H}x${D}x${T}>
!k = tensor<?x${KV}x${D}x${T}>
func.func @step(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
