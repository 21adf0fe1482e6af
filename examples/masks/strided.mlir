// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sparse Transformer, strided: the last L keys, and every L-th key before them.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @strided(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (window(${L:32}) or dilated(${L:32})))
      : (!q, !k, !k) -> !q
  return %o : !q
}
