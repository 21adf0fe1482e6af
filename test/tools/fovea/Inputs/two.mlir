// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two partials and their merge: a kernel with several attentions.
!q = tensor<?x2x?x16xf32>
func.func @two(%q: !q, %k: !q, %v: !q) -> !q attributes {attn.kernel} {
  %o0, %m0, %l0 = attn.partial %q, %k, %v mask(causal and window(8)) : (!q, !q, !q) -> (!q, tensor<?x2x?xf32>, tensor<?x2x?xf32>)
  %o1, %m1, %l1 = attn.partial %q, %k, %v mask(causal and sink(2)) : (!q, !q, !q) -> (!q, tensor<?x2x?xf32>, tensor<?x2x?xf32>)
  %o = attn.merge lse(%o0, %m0, %l0), (%o1, %m1, %l1) : (!q, tensor<?x2x?xf32>, tensor<?x2x?xf32>), (!q, tensor<?x2x?xf32>, tensor<?x2x?xf32>) -> !q
  return %o : !q
}
