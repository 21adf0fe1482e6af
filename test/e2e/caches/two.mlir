// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two caches of different types, with lengths of their own by name.
// RUN: fovea verify %s --shape=b=2,rows=[5,20],sk=[30,20]
// RUN: fovea verify %s -D T=f16 --target=sm_80-emulated --shape=b=2,rows=[5,20],sk=[30,20]
// RUN: fovea compile %s -o %t.fvb
// RUN: fovea inspect %t.fvb | FileCheck %s
// CHECK-NOT: reads the batch index
!c = !kv.cache<heads = 2, dim = 64, layout = paged<16>, segments = [all : ${T:f32}]>
!d = !kv.cache<heads = 4, dim = (64, 32), layout = token_major, segments = [all : (f16, #kv.int8<per tok>)], new = ${T:f32}>
!q = tensor<?x4x64x${T:f32}>
!o = tensor<?x4x32x${T:f32}>
func.func @two(%q: !q, %c: !c, %d: !d) -> (!q, !o) attributes {attn.kernel} {
  %o = attn.attention %q, %c mask(causal) : (!q, !c) -> !q
  %q16 = attn.attention %q, %d : (!q, !d) -> !o
  return %o, %q16 : !q, !o
}
