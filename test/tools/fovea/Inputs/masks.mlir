// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Masks in words, with operands, and as a region, for inspect.
!q = tensor<?x2x?x16xf32>
func.func @words(%q: !q, %k: !q, %v: !q, %w: i32, %docs: tensor<?x?xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal and (window(%w : i32) or sink(4)) and documents(%docs : tensor<?x?xi32>)) : (!q, !q, !q) -> !q
  return %o : !q
}
func.func @region(%q: !q, %k: !q, %v: !q) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
  ^bb0(%b: index, %h: index, %i: index, %j: index):
    %m = arith.cmpi ule, %j, %i : index
    sel.yield %m : i1
  } : (!q, !q, !q) -> !q
  return %o : !q
}
