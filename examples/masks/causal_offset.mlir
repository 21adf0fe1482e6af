// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Causal with an explicit offset: row i of sequence b is the token i + offset[b]. A
// chunk of a prompt in a cache that is longer than the sequence (ONNX Attention,
// SARATHI).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @causal_offset(%q: !q, %k: !k, %v: !k,
    %offset: tensor<?xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal)
      offset(%offset : tensor<?xi32>)
      : (!q, !k, !k) -> !q
  return %o : !q
}
