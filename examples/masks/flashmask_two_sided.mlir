// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// FlashMask's form of two columns without causal: key k is seen by one interval of
// rows, from its second column to its first. Here that is its document (case 5).
!q = tensor<?x${H:4}x?x${D:32}x${T:f32}>
!k = tensor<?x${KV:2}x?x${D:32}x${T:f32}>
!r = tensor<1x1x?x2xi32>

func.func @flashmask_two_sided(%q: !q, %k: !k, %v: !k, %rows: !r) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(flashmask(%rows : !r)) : (!q, !k, !k) -> !q
  return %o : !q
}
