// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A neighbourhood of (2 R + 1)^2 on a grid of width W, with -D "ORDER=order(..)"
// walked by boxes.
!x = tensor<?x2x?x64xf32>
func.func @grid(%q: !x, %k: !x, %v: !x) -> !x attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %w = arith.constant ${W:256} : index
        %r = arith.constant ${R:8} : index
        %low = arith.constant -${R:8} : index
        %iy = arith.divui %i, %w : index
        %ix = arith.remui %i, %w : index
        %jy = arith.divui %j, %w : index
        %jx = arith.remui %j, %w : index
        %dy = arith.subi %iy, %jy : index
        %dx = arith.subi %ix, %jx : index
        %a = arith.cmpi sle, %dy, %r : index
        %c = arith.cmpi sge, %dy, %low : index
        %d = arith.cmpi sle, %dx, %r : index
        %e = arith.cmpi sge, %dx, %low : index
        %ac = arith.andi %a, %c : i1
        %de = arith.andi %d, %e : i1
        %near = arith.andi %ac, %de : i1
        sel.yield %near : i1 } ${ORDER:} : (!x, !x, !x) -> !x
  return %o : !x
}
