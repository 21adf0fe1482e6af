// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// As cache.mlir, with the last W tokens in a ring and the first four beside it;
// what is between is gone.
!c = !kv.cache<heads = ${KV:8}, dim = ${D:128}, layout = ring, segments = [first(4) : ${T:bf16}, recent(${W}) : ${T:bf16}], else = drop>
!q = tensor<?x${H:32}x${D:128}x${T:bf16}>
!k = tensor<?x${KV:8}x${D:128}x${T:bf16}>

func.func @ring(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
