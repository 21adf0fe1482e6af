// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// MMInference's heads with a 2D-boundary; the kernel is not published, this is the most
// plausible definition. Rows and keys are permuted by their modality, so that each pair
// of modalities is a rectangle with a pattern of its own: position[i] is the original
// token of place i, modality[i] is 0 for text. Of the past, by original positions, text
// sees all text, and vision near it; vision sees text near it, and the lines of a grid
// of vision.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>
!t = tensor<?xi32>

func.func @mm_2d_boundary(%q: !q, %k: !k, %v: !k,
    %position: !t {attn.dims = "sk"}, %modality: !t {attn.dims = "sk"},
    %period: index, %phase: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %window = arith.constant ${W:12} : index
      %zero = arith.constant 0 : i32
      %qe = tensor.extract %position[%i] : !t
      %ke = tensor.extract %position[%j] : !t
      %qp = arith.index_cast %qe : i32 to index
      %kp = arith.index_cast %ke : i32 to index
      %past = arith.cmpi sle, %kp, %qp : index
      %qm = tensor.extract %modality[%i] : !t
      %km = tensor.extract %modality[%j] : !t
      %qtext = arith.cmpi eq, %qm, %zero : i32
      %ktext = arith.cmpi eq, %km, %zero : i32
      // The same modality: all text, or lines of vision.
      %r = arith.remsi %kp, %period : index
      %line = arith.cmpi eq, %r, %phase : index
      %own = arith.ori %qtext, %line : i1
      // The other one.
      %d = arith.subi %qp, %kp : index
      %near = arith.cmpi slt, %d, %window : index
      %same = arith.cmpi eq, %qtext, %ktext : i1
      %shown = arith.select %same, %own, %near : i1
      %keep = arith.andi %shown, %past : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
