// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Shared question: a question of %question tokens and several answers. An answer sees the
// question and itself, causally. FlashMask case 6, LongCA-bench `share_question` (there
// document 0 is the question), reward models.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @share_question(%q: !q, %k: !k, %v: !k,
    %answer: tensor<?xi32>, %question: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (documents(%answer : tensor<?xi32>) or prefix(%question : index)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
