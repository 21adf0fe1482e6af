// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Un-normalised states and their merge, against the reference.
// RUN: fovea verify %s --shape=b=2,sq=9,sk=70 --target=sm_80-emulated | FileCheck %s
// CHECK: ok: largest error
!q = tensor<?x4x?x48xbf16>
!k = tensor<?x2x?x48xbf16>
!o = tensor<?x4x?x48xf32>
!row = tensor<?x4x?xf32>

func.func @merge(%q: !q, %k: !k, %v: !k) -> (!q, !row) attributes {attn.kernel} {
  %o1, %m1, %l1 = attn.partial %q, %k, %v : (!q, !k, !k) -> (!o, !row, !row)
  %o2, %m2, %l2 = attn.partial %q, %k, %v mask(causal) : (!q, !k, !k) -> (!o, !row, !row)
  %o, %lse = attn.merge lse(%o1, %m1, %l1), (%o2, %m2, %l2)
    : (!o, !row, !row), (!o, !row, !row) -> (!q, !row)
  return %o, %lse : !q, !row
}
