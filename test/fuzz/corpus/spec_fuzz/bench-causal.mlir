// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// As dense.mlir, each query with the keys up to its own.
!q = tensor<?x${H:2}x?x${D:64}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:64}x${T:f32}>

func.func @causal(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal) : (!q, !k, !k) -> !q
  return %o : !q
}
