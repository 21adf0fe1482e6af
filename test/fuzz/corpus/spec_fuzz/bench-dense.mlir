// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// No mask. H query heads, KV key-value heads, head dim D, element type T:
// prefill with as many queries as keys, decode with one query.
!q = tensor<?x${H:2}x?x${D:64}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:64}x${T:f32}>

func.func @dense(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v : (!q, !k, !k) -> !q
  return %o : !q
}
