// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Generalized neighbourhood attention on an image: groups of 2 x 4 queries share the
// window of their leader. A stride as large as the window is blocked attention, one
// between them HaloNet's. NATTEN's na2d with stride.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @neighborhood_strided(%q: !q, %k: !k, %v: !k, %y: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(neighborhood(grid(%y : index, ${X:10}), window(4, 6), stride(2, 4)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
