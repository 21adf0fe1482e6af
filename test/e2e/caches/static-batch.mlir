// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A batch of one by its type is checked like a named one.
// RUN: fovea verify %s --shape=b=1,rows=1,sk=50
// RUN: fovea verify %s --target=sm_80-emulated --shape=b=1,rows=1,sk=50
// RUN: not fovea verify %s --shape=b=2,rows=1,sk=50 2>&1 | FileCheck %s
// CHECK: expected dim 'b' to be 1 as in the spec, got 2
!c = !kv.cache<heads = 2, dim = 64, layout = paged<16>, segments = [all : f16]>
!q = tensor<1x4x1x64xf16>
!t = tensor<1x2x1x64xf16>
func.func @sb(%q: !q, %k: !t, %v: !t, %c: !c) -> (!q, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !t, !t
  %o = attn.attention %q, %c1 mask(causal) : (!q, !c) -> !q
  return %o, %c1 : !q, !c
}
