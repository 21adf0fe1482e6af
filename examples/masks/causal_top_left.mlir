// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Causal, top-left: row i of the call sees the keys 0 to i, whatever their number.
// PyTorch's is_causal and FlexAttention's causal_mask without an offset.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @causal_top_left(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal(top_left))
      : (!q, !k, !k) -> !q
  return %o : !q
}
