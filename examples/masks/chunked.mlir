// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chunked attention: causal inside the query's own chunk of N tokens. Llama 4's local
// layers (N = 8192).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @chunked(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and chunked(${N:32}))
      : (!q, !k, !k) -> !q
  return %o : !q
}
