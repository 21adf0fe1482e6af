// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packed sequences by cu_seqlens, as FlashAttention's functions for varying lengths
// take them: document i is the tokens cu_seqlens[i] to cu_seqlens[i + 1] - 1.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @document_cu_seqlens(%q: !q, %k: !k, %v: !k,
    %cu_seqlens: tensor<?xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and documents(cu_seqlens(%cu_seqlens : tensor<?xi32>))) : (!q, !k, !k) -> !q
  return %o : !q
}
