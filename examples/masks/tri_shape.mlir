// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// MInference's and SCBench's tri-shape: the A-shape, and the last rows see everything.
// %dense is the first of these rows, usually about 100 before the end.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @tri_shape(%q: !q, %k: !k, %v: !k, %dense: index) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (sink(${INIT:16}) or window(${LOCAL:32}) or not queries(%dense : index)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
