// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// DuoAttention and LServe: retrieval heads (class 0) are dense, streaming heads (class
// 1) have sinks and a window, in original positions. The classes come from a table
// that was found offline; query heads have that of their KV head. DuoAttention: 64 and
// 256; LServe's prefill: 128 and 8192, its decode 128 and 256.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @duo_attention(%q: !q, %k: !k, %v: !k,
    %class: tensor<${H:4}xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and heads(%class : tensor<${H:4}xi32>, causal, sink(${S:8}) or window(${W:32})))
      : (!q, !k, !k) -> !q
  return %o : !q
}
