// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// StreamingLLM's cache as plain tensors: key j is slot j of a ring, slot_token[j] the
// token in it, and the query's token lies %dropped tokens behind its place in the
// cache. Sinks and the last `recent` tokens are visible, in whatever order the ring
// holds them. The rotation by slot is not part of a mask: examples/systems/streaming-
// llm.mlir does all of it.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @lambda_slots(%q: !q, %k: !k, %v: !k,
    %slot_token: tensor<?xi32> {attn.dims = "sk"},
    %dropped: index,
    %recent: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %sinks = arith.constant ${S:4} : index
      %t = tensor.extract %slot_token[%j] : tensor<?xi32>
      %token = arith.index_cast %t : i32 to index
      %query = arith.addi %i, %dropped : index
      %begin = arith.subi %query, %recent : index
      %sink = arith.cmpi slt, %token, %sinks : index
      %late = arith.cmpi sgt, %token, %begin : index
      %past = arith.cmpi sle, %token, %query : index
      %window = arith.andi %late, %past : i1
      %keep = arith.ori %sink, %window : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
