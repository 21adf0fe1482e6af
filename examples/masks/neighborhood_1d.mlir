// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Neighbourhood attention in one dimension: a window of W around the query, shifted at
// the edges so that every query has W neighbours. NATTEN's na1d.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @neighborhood_1d(%q: !q, %k: !k, %v: !k, %n: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(neighborhood(grid(%n : index), window(${W:13}))) : (!q, !k, !k) -> !q
  return %o : !q
}
