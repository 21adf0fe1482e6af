// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// DuoAttention's prefill of streaming heads: the Lambda mask rounded up to blocks of B
// tokens, ceil(sink / B) blocks of sinks and ceil(recent / B) + 1 blocks that end with
// the query's own. A superset of sink_window.mlir.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @lambda_blocks(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and blocks(${B:16}, sink(${S:1}) or window(${R:3})))
      : (!q, !k, !k) -> !q
  return %o : !q
}
