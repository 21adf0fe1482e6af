// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// As causal.mlir, each query with the last W keys.
!q = tensor<?x${H:2}x?x${D:64}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:64}x${T:f32}>

func.func @window(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal and window(${W:256}))
      : (!q, !k, !k) -> !q
  return %o : !q
}
