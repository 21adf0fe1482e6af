// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tree attention by a table of parents: a draft token sees its ancestors and
// itself; the context is a chain in the same table. SpecInfer, Medusa, EAGLE,
// LongSpec (the triangle of its verification is implied: parents come first).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @tree(%q: !q, %k: !k, %v: !k, %parents: tensor<?xi32>) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(tree(%parents : tensor<?xi32>))
      : (!q, !k, !k) -> !q
  return %o : !q
}
