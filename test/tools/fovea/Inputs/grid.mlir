// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A neighbourhood of 9 x 9 on a grid of width 256.
!x = tensor<?x1x?x32xf32>
func.func @grid(%q: !x, %k: !x, %v: !x) -> !x attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %w = arith.constant 256 : index
        %r = arith.constant 4 : index
        %iy = arith.divui %i, %w : index
        %ix = arith.remui %i, %w : index
        %jy = arith.divui %j, %w : index
        %jx = arith.remui %j, %w : index
        %ay = arith.subi %iy, %jy : index
        %by = arith.subi %jy, %iy : index
        %ax = arith.subi %ix, %jx : index
        %bx = arith.subi %jx, %ix : index
        %dy = arith.maxsi %ay, %by : index
        %dx = arith.maxsi %ax, %bx : index
        %d = arith.maxsi %dx, %dy : index
        %near = arith.cmpi sle, %d, %r : index
        sel.yield %near : i1 } ${ORDER:} : (!x, !x, !x) -> !x
  return %o : !x
}
