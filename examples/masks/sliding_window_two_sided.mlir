// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two-sided sliding window, |q - k| <= W. Longformer's encoder, ModernBERT's local
// layers, LongCA-bench `sliding_window`.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @sliding_window_two_sided(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(window(${W:32}, ${W:32}))
      : (!q, !k, !k) -> !q
  return %o : !q
}
