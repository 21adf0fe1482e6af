// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Neighbourhood attention on an image of rows of X tokens: WY x WX tokens around the
// query, shifted at the edges. NATTEN's na2d.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @neighborhood_2d(%q: !q, %k: !k, %v: !k, %y: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(neighborhood(grid(%y : index, ${X:8}), window(${WY:3}, ${WX:5}))) : (!q, !k, !k) -> !q
  return %o : !q
}
