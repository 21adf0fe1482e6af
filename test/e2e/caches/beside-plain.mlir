// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention over a cache and over plain keys in one kernel: each has the lengths
// of its own keys.
// RUN: fovea verify %s --shape=b=2,rows=5,sk=[30,20],kk=25
// RUN: fovea verify %s -D T=f16 --target=sm_80-emulated --shape=b=2,rows=5,sk=[30,20],kk=25
// RUN: fovea verify %s --shape=b=2,rows=1,sk=[30,20],kk=40
// RUN: fovea verify %s -D T=f16 --target=sm_80-emulated --shape=b=2,rows=1,sk=[30,20],kk=40
!c = !kv.cache<heads = 2, dim = 64, layout = paged<16>, segments = [all : ${T:f32}]>
!q = tensor<?x4x?x64x${T:f32}>
!o = tensor<?x4x?x64xf32>
!r = tensor<?x4x?xf32>
!k = tensor<?x2x?x64x${T:f32}>
func.func @pm(%q: !q, %c: !c, %k: !k {attn.dims = "b h kk d"}, %v: !k {attn.dims = "b h kk d"}) -> !o attributes {attn.kernel} {
  %o, %m, %l = attn.partial %q, %c mask(causal) : (!q, !c) -> (!o, !r, !r)
  %o2, %m2, %l2 = attn.partial %q, %k, %v : (!q, !k, !k) -> (!o, !r, !r)
  %x = attn.merge lse(%o, %m, %l), (%o2, %m2, %l2) : (!o, !r, !r), (!o, !r, !r) -> !o
  return %x : !o
}
