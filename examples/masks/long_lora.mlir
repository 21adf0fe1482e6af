// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// LongLoRA, S2-Attn with varlen attention: groups of G tokens (a quarter of the
// sequence), causal inside. For half of the heads first[h] is G / 2 instead of 0:
// their groups begin half a group later, with short ones at both ends and no wrap.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @long_lora(%q: !q, %k: !k, %v: !k,
    %group: index,
    %first: tensor<${H:4}xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and chunked(%group : index, %first : tensor<${H:4}xi32>))
      : (!q, !k, !k) -> !q
  return %o : !q
}
