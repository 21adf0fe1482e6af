// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Segments of the query and of the key, in tables by batch: a token sees its own
// segment, the one before, and the first token of every one.
// RUN: fovea verify %s --shape=b=2,sq=70,sk=97
!q = tensor<?x2x?x16xf32>

func.func @segments(%q: !q, %k: !q, %v: !q,
    %cu: tensor<?x?xi32> {attn.dims = "b sk"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %one = arith.constant 1 : index
      %own, %begin, %end = sel.segment %i of %cu[%b] : tensor<?x?xi32>
      %other, %first, %last = sel.segment %j of %cu[%b] : tensor<?x?xi32>
      %back = arith.subi %own, %other : index
      %same = arith.cmpi eq, %own, %other : index
      %before = arith.cmpi eq, %back, %one : index
      %near = arith.ori %same, %before : i1
      %starts = arith.cmpi eq, %j, %first : index
      %keep = arith.ori %near, %starts : i1
      sel.yield %keep : i1
  } : (!q, !q, !q) -> !q
  return %o : !q
}
