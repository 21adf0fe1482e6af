// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random eviction, FlashMask case 12: key k is visible to the rows k <= q < evicted[h,
// k], with a table of when each head drops each key.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @random_eviction(%q: !q, %k: !k, %v: !k,
    %evicted: tensor<${H:4}x?xi32> {attn.dims = "h sk"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %e = tensor.extract %evicted[%h, %j] : tensor<${H:4}x?xi32>
      %end = arith.index_cast %e : i32 to index
      %past = arith.cmpi sle, %j, %i : index
      %held = arith.cmpi slt, %i, %end : index
      %keep = arith.andi %past, %held : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
