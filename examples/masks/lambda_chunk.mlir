// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// DuoAttention's chunked prefill of streaming heads, as its code runs it: a chunk sees
// the sinks, what the cache held before it (the last `recent` tokens, from %begin on)
// and itself causally; no row loses keys inside the chunk. One-token chunks are
// sink_window.mlir.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @lambda_chunk(%q: !q, %k: !k, %v: !k, %begin: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (sink(${S:4}) or not prefix(%begin : index)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
