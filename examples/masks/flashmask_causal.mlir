// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// FlashMask's form of one column, causal: key k is hidden from the row rows[k] on.
// Here that is the end of its document (case 4).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>
!r = tensor<1x1x?x1xi32>

func.func @flashmask_causal(%q: !q, %k: !k, %v: !k, %rows: !r) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(flashmask(causal, %rows : !r)) : (!q, !k, !k) -> !q
  return %o : !q
}
