// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// MInference's vertical-slash heads with lists that a program has chosen, per head:
// vertical[h, k] is 1 for the chosen keys, slash[h, d] for the chosen diagonals q - k
// = d. MInference always chooses the first 30 keys and the nearest 100 diagonals.
// FlexPrefill and MMInference use the same pattern.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @vertical_slash_lists(%q: !q, %k: !k, %v: !k,
    %vertical: tensor<${H:4}x?xi8> {attn.dims = "h sk"},
    %slash: tensor<${H:4}x?xi8> {attn.dims = "h sk"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %c0 = arith.constant 0 : index
      %no = arith.constant 0 : i8
      %v1 = tensor.extract %vertical[%h, %j] : tensor<${H:4}x?xi8>
      %d = arith.subi %i, %j : index
      %distance = arith.maxsi %d, %c0 : index
      %s1 = tensor.extract %slash[%h, %distance] : tensor<${H:4}x?xi8>
      %vline = arith.cmpi ne, %v1, %no : i8
      %sline = arith.cmpi ne, %s1, %no : i8
      %line = arith.ori %vline, %sline : i1
      %past = arith.cmpi sge, %d, %c0 : index
      %keep = arith.andi %line, %past : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
