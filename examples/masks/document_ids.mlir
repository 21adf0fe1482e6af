// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Documents by ids: a token sees the tokens with its own id, to both sides. The ids need
// not ascend, so that sequences may be interleaved.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @document_ids(%q: !q, %k: !k, %v: !k,
    %ids: tensor<?xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(documents(%ids : tensor<?xi32>)) : (!q, !k, !k) -> !q
  return %o : !q
}
