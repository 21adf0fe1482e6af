// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A step over a cache: L its layout, S its segments, T the type of rows.
!c = !kv.cache<heads = 2, dim = 32, layout = ${L:paged<16>}, segments = [${S:all : bf16}]>
!q = tensor<?x4x32x${T:bf16}>
!k = tensor<?x2x32x${T:bf16}>
func.func @step(%q: !q, %k: !k, %v: !k, %c: !c) -> (!q, tensor<?x4xf32>, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !k, !k
  %o, %lse = attn.attention %q, %c1 mask(causal) : (!q, !c) -> (!q, tensor<?x4xf32>)
  return %o, %lse, %c1 : !q, tensor<?x4xf32>, !c
}

// Rows of all sequences alike, and a cache that stays as it is.
func.func @read(%q: tensor<?x4x?x32x${T:bf16}>, %c: !c) -> tensor<?x4x?x32x${T:bf16}> attributes {attn.kernel} {
  %o = attn.attention %q, %c mask(causal and window(40)) : (tensor<?x4x?x32x${T:bf16}>, !c) -> tensor<?x4x?x32x${T:bf16}>
  return %o : tensor<?x4x?x32x${T:bf16}>
}
