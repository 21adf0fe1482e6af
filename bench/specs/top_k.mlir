// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// As dense.mlir, each block of B queries with the N best blocks of B keys.
!q = tensor<?x${H:2}x?x${D:64}x${T:f32}>
!s = !sel.scores<per = (b, h, q : ${B:64}), unit = k : ${B:64}>
!l = !kv.list<per = (b, h, q : ${B:64}), unit = k : ${B:64}, order = ascending>

func.func @top_k(%q: !q, %k: !q, %v: !q) -> !q attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !q, !q -> !s
  %l = sel.choose %s top_k(${N:8}) : !s -> !l
  %o = attn.attention %q, %k, %v over(%l : !l) : (!q, !q, !q) -> !q
  return %o : !q
}
