// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// MInference's A-shape heads: k <= q and (k < n_init or q - k < n_local). Published
// sizes are n_init = 128 and n_local = 3968.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @a_shape(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (sink(${INIT:16}) or window(${LOCAL:48})))
      : (!q, !k, !k) -> !q
  return %o : !q
}
