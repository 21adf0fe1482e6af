// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Causal sliding window: the last W keys, the query's own included, 0 <= q - k < W.
// Longformer, Mistral 7B, LongCA-bench `sliding_window_causal`, FlashMask case 3.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @sliding_window(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(window(${W:64}))
      : (!q, !k, !k) -> !q
  return %o : !q
}
