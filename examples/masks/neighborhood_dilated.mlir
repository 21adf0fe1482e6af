// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dilated neighbourhood attention on an image: every second row and every third column of
// a wider window. NATTEN's na2d with dilation; the extents are no multiples of it.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @neighborhood_dilated(%q: !q, %k: !k, %v: !k, %y: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(neighborhood(grid(%y : index, ${X:11}), window(2, 3), dilation(2, 3)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
