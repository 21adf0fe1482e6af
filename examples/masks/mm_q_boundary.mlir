// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// MMInference's heads with a Q-boundary; the kernel is not published, this is the most
// plausible definition. Rows are permuted by their modality, so that each modality's
// are contiguous and have a pattern of their own; keys stay where they are. position[i]
// is the original token of row i, modality[i] is 0 for text. Of the past, text sees the
// first keys and those near it (an A-shape), vision the lines of a grid and those near.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>
!t = tensor<?xi32>

func.func @mm_q_boundary(%q: !q, %k: !k, %v: !k,
    %position: !t {attn.dims = "sk"}, %modality: !t {attn.dims = "sk"},
    %period: index, %phase: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %sink = arith.constant ${SINK:4} : index
      %window = arith.constant ${W:16} : index
      %near = arith.constant ${NEAR:6} : index
      %zero = arith.constant 0 : i32
      %qe = tensor.extract %position[%i] : !t
      %qp = arith.index_cast %qe : i32 to index
      %past = arith.cmpi sle, %j, %qp : index
      %d = arith.subi %qp, %j : index
      // Text.
      %first = arith.cmpi slt, %j, %sink : index
      %recent = arith.cmpi slt, %d, %window : index
      %shape = arith.ori %first, %recent : i1
      // Vision.
      %r = arith.remsi %j, %period : index
      %line = arith.cmpi eq, %r, %phase : index
      %local = arith.cmpi slt, %d, %near : index
      %grid = arith.ori %line, %local : i1
      %m = tensor.extract %modality[%i] : !t
      %text = arith.cmpi eq, %m, %zero : i32
      %shown = arith.select %text, %shape, %grid : i1
      %keep = arith.andi %shown, %past : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
