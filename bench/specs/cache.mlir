// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A serving step over a cache: appends the rows, then causal attention to all
// tokens. L is the layout, F the format of what is committed, T the type of
// rows: -D L='paged<16>' -D F='#kv.int8<per tok>'.
!c = !kv.cache<heads = ${KV:8}, dim = ${D:128}, layout = ${L:paged<16>}, segments = [all : ${F:bf16}], new = ${T:bf16}>
!q = tensor<?x${H:32}x${D:128}x${T:bf16}>
!k = tensor<?x${KV:8}x${D:128}x${T:bf16}>

func.func @step(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
