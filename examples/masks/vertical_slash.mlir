// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// MInference's vertical-slash heads with constant lines: two vertical lines (k in [0,
// 4) and [V, V + 8)) and two slashes (q - k in [0, L) and (S0, S1]). A line of keys is
// the difference of two prefixes, a slash that of two windows. FlexPrefill and
// MMInference use the same pattern.
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @vertical_slash(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and (sink(4) or prefix(${V8:96}) and not prefix(${V:88}) or window(${L:16})
           or window(${S1:71}, inf) and not window(${S0:63}, inf)))
      : (!q, !k, !k) -> !q
  return %o : !q
}
