// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Block-causal inside packed documents, which begin at multiples of the block: a query
// sees its own block of N tokens and the blocks of its document before it. LongCA-
// bench `block_causal_document` (N = 1024).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @block_causal_document(%q: !q, %k: !k, %v: !k,
    %ids: tensor<?xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(documents(%ids : tensor<?xi32>) and block_causal(${N:16}))
      : (!q, !k, !k) -> !q
  return %o : !q
}
