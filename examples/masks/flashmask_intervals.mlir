// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// FlashMask's form of four columns: key k is hidden from an interval of rows below the
// diagonal and one above it. Here these are the rows too far away, but not the global
// ones; the global keys are hidden from none (case 7, global + sliding window).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>
!r = tensor<1x1x?x4xi32>

func.func @flashmask_intervals(%q: !q, %k: !k, %v: !k, %rows: !r) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(flashmask(%rows : !r)) : (!q, !k, !k) -> !q
  return %o : !q
}
