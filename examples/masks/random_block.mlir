// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Block-sparse by a run-time table: block (q / 16, k / 16) of head h is visible where
// its byte is not 0. BigBird's random blocks, LongCA-bench's uniform block-sparse
// masks, any block mask that a program has made.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @random_block(%q: !q, %k: !k, %v: !k,
    %blocks: tensor<${H:4}x?x?xi8> {attn.dims = "h rows columns"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %size = arith.constant ${B:16} : index
      %zero = arith.constant 0 : i8
      %row = arith.divsi %i, %size : index
      %column = arith.divsi %j, %size : index
      %byte = tensor.extract %blocks[%h, %row, %column] : tensor<${H:4}x?x?xi8>
      %keep = arith.cmpi ne, %byte, %zero : i8
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
