// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// FlashMask's causal form of two columns: key k is hidden from one interval of rows.
// Here that is from the end of its demonstration to the test block, which sees all of
// the past (case 8, causal blockwise).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>
!r = tensor<1x1x?x2xi32>

func.func @flashmask_causal_interval(%q: !q, %k: !k, %v: !k, %rows: !r) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(flashmask(causal, %rows : !r)) : (!q, !k, !k) -> !q
  return %o : !q
}
