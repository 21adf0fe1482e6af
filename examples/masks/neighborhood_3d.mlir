// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Neighbourhood attention on a video of %t frames of Y x X tokens, causal in time: WT
// frames up to the query's own, WY x WX tokens around it. NATTEN's na3d.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @neighborhood_3d(%q: !q, %k: !k, %v: !k, %t: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(neighborhood(grid(%t : index, ${Y:4}, ${X:4}), window(${WT:2}, ${WY:3}, ${WX:3}),
                        causal(0))) : (!q, !k, !k) -> !q
  return %o : !q
}
