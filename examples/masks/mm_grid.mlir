// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// MMInference's grid heads; the kernel is not published, this is the most plausible
// definition. Tokens are permuted by their residue modulo the period (a frame or row
// of an image), so that the lines of the grid become blocks: position[s] is the
// original token of place s. Visible are the past, by original positions, where the
// key or the query lies on a line (position mod period == phase) or both are near.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @mm_grid(%q: !q, %k: !k, %v: !k,
    %position: tensor<?xi32> {attn.dims = "sk"},
    %period: index,
    %phase: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %near = arith.constant ${W:8} : index
      %qe = tensor.extract %position[%i] : tensor<?xi32>
      %ke = tensor.extract %position[%j] : tensor<?xi32>
      %qp = arith.index_cast %qe : i32 to index
      %kp = arith.index_cast %ke : i32 to index
      %past = arith.cmpi sle, %kp, %qp : index
      %d = arith.subi %qp, %kp : index
      %local = arith.cmpi slt, %d, %near : index
      %qr = arith.remsi %qp, %period : index
      %kr = arith.remsi %kp, %period : index
      %row = arith.cmpi eq, %qr, %phase : index
      %column = arith.cmpi eq, %kr, %phase : index
      %line = arith.ori %row, %column : i1
      %shown = arith.ori %line, %local : i1
      %keep = arith.andi %shown, %past : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
