// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A dilated causal window: every S-th of the last W keys. Longformer's dilated heads,
// per layer as the step grows.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @dilated(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(window(${W:64}) and dilated(${S:4}))
      : (!q, !k, !k) -> !q
  return %o : !q
}
