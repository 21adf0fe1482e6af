// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Absolute values of indices beside run-time numbers: the plan asks these parts
// of the region as they are written.
// RUN: fovea verify %s --shape=b=1,sq=37,sk=75 --arg n=3 | FileCheck %s
// RUN: fovea verify %s --shape=b=1,sq=37,sk=75 --arg n=-3 -D "MORE=math.absi %m : index" | FileCheck %s
// CHECK: ok
!q = tensor<?x2x?x8xf32>
func.func @near(%q: !q, %k: !q, %v: !q, %n: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %two = arith.constant 2 : index
      %d = arith.subi %i, %j : index
      %a = math.absi %d : index
      %m = arith.muli %n, %two : index
      %far = ${MORE:arith.addi %m, %two : index}
      %keep = arith.cmpi sle, %a, %far : index
      sel.yield %keep : i1
  } : (!q, !q, !q) -> !q
  return %o : !q
}
