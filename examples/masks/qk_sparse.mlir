// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// QK-sparse, FlashMask case 11: causal, but rows and keys inside of an interval of
// dropped tokens do not see each other, their own diagonal included: two intervals [A,
// AE) and [B, BE).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>

func.func @qk_sparse(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v
      mask(causal and not (queries(${AE:24}) and not prefix(${A:12}))
           and not (queries(${BE:70}) and not prefix(${B:40})))
      : (!q, !k, !k) -> !q
  return %o : !q
}
