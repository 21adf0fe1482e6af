// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention sinks and a window, the Lambda mask in original positions: k <= q and (k <
// S or q - k < W). The streaming heads of DuoAttention (token mask) and LServe;
// StreamingLLM's keys without its slot positions (lambda_slots.mlir,
// examples/systems/streaming-llm.mlir).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @sink_window(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (sink(${S:4}) or window(${W:64})))
      : (!q, !k, !k) -> !q
  return %o : !q
}
