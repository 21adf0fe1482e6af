// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Criss-cross attention on an image of rows of X tokens: a token sees its own row and
// its own column. CCNet, axial attention. Written in the coordinates of the image.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @criss_cross(%q: !q, %k: !k, %v: !k, %rows: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %qy, %qx = sel.coordinates %i grid(%rows : index, ${X:12})
      %ky, %kx = sel.coordinates %j grid(%rows : index, ${X:12})
      %row = arith.cmpi eq, %qy, %ky : index
      %column = arith.cmpi eq, %qx, %kx : index
      %keep = arith.ori %row, %column : i1
      sel.yield %keep : i1
  } : (!q, !k, !k) -> !q
  return %o : !q
}
