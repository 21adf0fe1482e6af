// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A table of four columns for each sequence and KV head, of numbers at random.
// RUN: fovea verify %s --shape=b=2,sq=70,sk=97
!q = tensor<?x6x?x16xf32>
!k = tensor<?x2x?x16xf32>
!r = tensor<?x2x?x4xi32>

func.func @flashmask_by_kv_head(%q: !q, %k: !k, %v: !k, %rows: !r) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(flashmask(%rows : !r) and window(90, 30)) : (!q, !k, !k) -> !q
  return %o : !q
}
