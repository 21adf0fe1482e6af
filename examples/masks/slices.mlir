// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A list of slices (q0, q1, k0, k1, type) as MagiAttention and LongCA-bench write masks:
// 0 full, 1 causal, 2 inverse causal, 3 both. Here a global + sliding window as LongCA
// has it, and a prefix; the last rows of the list are unused.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>
!s = tensor<${N:8}x5xi32>

func.func @slices(%q: !q, %k: !k, %v: !k, %list: !s) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(slices(%list : !s)) : (!q, !k, !k) -> !q
  return %o : !q
}
