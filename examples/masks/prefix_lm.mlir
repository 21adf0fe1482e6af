// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Prefix language model: everybody sees the first %prefix keys, and otherwise the
// past. T5, LongCA-bench `prefix_lm_causal`, FlashMask case 10.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @prefix_lm(%q: !q, %k: !k, %v: !k, %prefix: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal or prefix(%prefix : index))
      : (!q, !k, !k) -> !q
  return %o : !q
}
