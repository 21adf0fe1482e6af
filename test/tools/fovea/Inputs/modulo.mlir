// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A mask that divides by an argument.
!q = tensor<?x2x?x64xf32>
func.func @modulo(%q: !q, %k: !q, %v: !q, %n: index) -> !q
    attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %x = arith.remsi %j, %n : index
        %y = arith.divui %i, %n : index
        %keep = arith.cmpi sle, %x, %y : index
        sel.yield %keep : i1 } : (!q, !q, !q) -> !q
  return %o : !q
}
