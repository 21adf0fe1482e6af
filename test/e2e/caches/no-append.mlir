// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A kernel that only reads a cache of halves and codes, keys wider than values,
// pages that no block of keys divides.
// RUN: fovea verify %s --shape=b=3,rows=1,sk=[70,10,130]
// RUN: fovea verify %s -D T=f16 --target=sm_80-emulated --shape=b=3,rows=1,sk=[70,10,130]
// RUN: fovea verify %s --shape=b=2,rows=7,sk=[7,40]
// RUN: fovea verify %s -D T=f16 --target=sm_80-emulated --shape=b=2,rows=7,sk=[7,40]
!c = !kv.cache<heads = 2, dim = (48, 32), layout = paged<7>, segments = [first(3) : f16, older : #kv.int8<per tok>], new = ${T:f32}>
!q = tensor<?x4x?x48x${T:f32}>
!o = tensor<?x4x?x32x${T:f32}>
func.func @na(%q: !q, %c: !c) -> !o attributes {attn.kernel} {
  %o = attn.attention %q, %c mask(causal) : (!q, !c) -> !o
  return %o : !o
}
