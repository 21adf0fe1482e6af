// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// S2-Attention / DKernel: blocks of B tokens; the L blocks that end with the query's
// own, and every V-th block, in each head with another phase: block J where (J + head
// * step + off) mod V == 0, so first[h] is -(head * step + off) mod V. Phi-3-small: B
// = 64, L = 16, V = 8.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @s2_attention(%q: !q, %k: !k, %v: !k,
    %first: tensor<${H:4}xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and blocks(${B:16}, window(${L:2}) or columns(${V:4}, %first : tensor<${H:4}xi32>, 1)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
