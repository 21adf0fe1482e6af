// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Causal, bottom-right: the last query sees every key. FlashAttention's alignment
// since version 2.1, LongCA-bench `causal`, FlashMask case 2.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @causal(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal)
      : (!q, !k, !k) -> !q
  return %o : !q
}
