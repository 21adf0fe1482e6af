// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A causal window of its own for every query head, from a run-time table: the lengths
// may change from layer to layer and from call to call without compiling again.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @window_by_head(%q: !q, %k: !k, %v: !k,
    %window: tensor<${H:4}xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(window(%window : tensor<${H:4}xi32>))
      : (!q, !k, !k) -> !q
  return %o : !q
}
