// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What folds away asks for nothing (mask_s3): the reference hides no pair for a
// division by 0 or a shift that nobody needs.
// DEFINE: %{verify} = fovea verify %s --shape=b=1,sq=5,sk=9 --arg zero=0 --arg wide=64
// RUN: %{verify} -D "OP=arith.divsi %i, %zero : index" | FileCheck %s
// RUN: %{verify} -D "OP=arith.shli %i, %wide : index" | FileCheck %s
// RUN: %{verify} -D "OP=arith.subi %i, %i : index" | FileCheck %s
// RUN: %{verify} -D "OP=arith.divsi %i, %zero : index" -D "USE=arith.muli %x, %none : index" | FileCheck %s
// RUN: %{verify} -D "OP=arith.divsi %i, %zero : index" -D "USE=arith.subi %x, %x : index" | FileCheck %s
// CHECK: ok

// Where somebody needs it the pairs are hidden, and both agree.
// RUN: %{verify} -D "OP=arith.divsi %i, %zero : index" -D "USE=arith.addi %x, %none : index" | FileCheck %s --check-prefix=HIDDEN
// HIDDEN: ok
!q = tensor<?x2x?x8xf32>
func.func @folds(%q: !q, %k: !q, %v: !q, %zero: index, %wide: index) -> !q
    attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %none = arith.constant 0 : index
      %x = ${OP}
      %y = ${USE:arith.addi %none, %none : index}
      %least = arith.subi %j, %y : index
      %keep = arith.cmpi sle, %least, %i : index
      sel.yield %keep : i1
  } : (!q, !q, !q) -> !q
  return %o : !q
}
