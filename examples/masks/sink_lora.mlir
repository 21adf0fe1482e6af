// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// SinkLoRA, SF-Attn. The published code has none of it; this is the most plausible
// definition: LongLoRA's groups without wrap, and the first S tokens visible to all.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @sink_lora(%q: !q, %k: !k, %v: !k,
    %group: index,
    %first: tensor<${H:4}xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (sink(${S:4}) or chunked(%group : index, %first : tensor<${H:4}xi32>)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
