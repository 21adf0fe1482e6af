// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Causal blockwise: demonstrations see themselves, causally, and the rows from %test
// on, which are the last block, see everything before them. In-context learning;
// FlashMask case 8, LongCA-bench `causal_blockwise`.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @causal_blockwise(%q: !q, %k: !k, %v: !k,
    %demo: tensor<?xi32>,
    %test: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (documents(%demo : tensor<?xi32>) or not queries(%test : index)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
