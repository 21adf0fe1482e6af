// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Masks that waste most of a flat tile: a neighbourhood of 7 x 7 in a grid of 64
// columns (without the rule for edges), and every 127th key.
!q = tensor<?x2x?x64xf32>
func.func @grid(%q: !q, %k: !q, %v: !q) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
  ^bb0(%b: index, %h: index, %i: index, %j: index):
    %w = arith.constant 64 : index
    %lo = arith.constant -3 : index
    %hi = arith.constant 3 : index
    %qh = arith.floordivsi %i, %w : index
    %kh = arith.floordivsi %j, %w : index
    %qw = arith.remui %i, %w : index
    %kw = arith.remui %j, %w : index
    %dh = arith.subi %qh, %kh : index
    %dw = arith.subi %qw, %kw : index
    %a = arith.cmpi sge, %dh, %lo : index
    %c = arith.cmpi sle, %dh, %hi : index
    %d = arith.cmpi sge, %dw, %lo : index
    %e = arith.cmpi sle, %dw, %hi : index
    %ac = arith.andi %a, %c : i1
    %de = arith.andi %d, %e : i1
    %m = arith.andi %ac, %de : i1
    sel.yield %m : i1
  } : (!q, !q, !q) -> !q
  return %o : !q
}
func.func @sparse(%q: !q, %k: !q, %v: !q) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
  ^bb0(%b: index, %h: index, %i: index, %j: index):
    %n = arith.constant 127 : index
    %zero = arith.constant 0 : index
    %r = arith.remui %j, %n : index
    %m = arith.cmpi eq, %r, %zero : index
    sel.yield %m : i1
  } : (!q, !q, !q) -> !q
  return %o : !q
}
