// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sparse Transformer, fixed: the query's own block of L keys, and the last C keys of
// every block.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @fixed(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (chunked(${L:32}) or columns(${L:32}, ${FIRST:28}, ${C:4})))
      : (!q, !k, !k) -> !q
  return %o : !q
}
