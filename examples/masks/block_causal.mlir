// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Block-causal: the query's block of N tokens to both sides, and everything before it.
// The clean half of block diffusion and its inference; video by frames.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @block_causal(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(block_causal(${N:32}))
      : (!q, !k, !k) -> !q
  return %o : !q
}
