// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// LongLoRA, S2-Attn without varlen attention: shifted heads roll the sequence of n
// tokens by half a group, so that its ends share a group, and are causal in the rolled
// order: the first half group sees the last. shift[h] is 0 or G / 2.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @long_lora_wrap(%q: !q, %k: !k, %v: !k,
    %shift: tensor<${H:4}xi32>,
    %n: index,
    %group: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %s = tensor.extract %shift[%h] : tensor<${H:4}xi32>
      %roll = arith.index_cast %s : i32 to index
      %left = arith.subi %n, %roll : index
      %qs = arith.addi %i, %left : index
      %ks = arith.addi %j, %left : index
      %q1 = arith.remsi %qs, %n : index
      %k1 = arith.remsi %ks, %n : index
      %qg = arith.divsi %q1, %group : index
      %kg = arith.divsi %k1, %group : index
      %same = arith.cmpi eq, %qg, %kg : index
      %past = arith.cmpi sle, %k1, %q1 : index
      %keep = arith.andi %same, %past : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
