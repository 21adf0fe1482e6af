// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The type of a cache and what appends to it: parse, print, parse again.
// RUN: fovea-opt %s | fovea-opt | FileCheck %s

// CHECK: @spellings(!kv.cache<heads = 8, dim = 128, segments = [all : bf16]>,
// CHECK-SAME: !kv.cache<heads = 8, dim = (192, 128), layout = paged<16>, segments = [all : #kv.int8<per tok>]>,
// CHECK-SAME: !kv.cache<heads = 1, dim = 64, layout = token_major, segments = [older : (bf16, f16), recent(64) : f32], new = f16>,
// CHECK-SAME: !kv.cache<heads = 1, dim = 64, layout = ring, segments = [first(4) : bf16, recent(60) : bf16], else = drop, rope = slot>,
// CHECK-SAME: !kv.cache<heads = 8, dim = 128, layout = paged<16, token_major>, segments = [first(4) : bf16, older : #kv.int8<per tok>, recent(64) : bf16 in contiguous], keep = [bounds = minmax(k) per page, means = mean(k) per page]>)
func.func private @spellings(
    !kv.cache<segments = [all : bf16 in contiguous], dim = (128, 128), heads = 8, layout = contiguous, new = bf16, rope = after>,
    !kv.cache<heads = 8, dim = (192, 128), layout = paged<16>, new = f32, segments = [all : #kv.int8<per tok>]>,
    !kv.cache<heads = 1, dim = 64, layout = token_major, segments = [older : (bf16, f16), recent(64) : f32], new = f16>,
    !kv.cache<heads = 1, dim = 64, layout = ring, segments = [first(4) : bf16, recent(60) : bf16], else = drop, rope = slot>,
    !kv.cache<keep = [bounds = minmax(k) per page, means = mean(k) per page], heads = 8, dim = 128, layout = paged<16, token_major>,
              segments = [first(4) : bf16, older : #kv.int8<per tok>, recent(64) : bf16 in contiguous]>)

!c = !kv.cache<heads = 8, dim = 128, layout = paged<16>, segments = [all : bf16]>
!t = tensor<?x8x128xbf16>
!q = tensor<?x32x128xbf16>

// CHECK-LABEL: @ragged
// CHECK: %[[C:.+]] = kv.append %{{.+}}, %{{.+}}, %{{.+}} : !kv.cache<{{.+}}>, tensor<?x8x128xbf16>, tensor<?x8x128xbf16>
// CHECK: attn.attention %{{.+}}, %[[C]] mask(causal) : (tensor<?x32x128xbf16>, !kv.cache<heads = 8, dim = 128, layout = paged<16>, segments = [all : bf16]>) -> (tensor<?x32x128xbf16>, tensor<?x32xf32>)
func.func @ragged(%q: !q, %k: !t, %v: !t, %c: !c) -> (!q, tensor<?x32xf32>, !c) attributes {attn.kernel} {
  %c1 = kv.append %c, %k, %v : !c, !t, !t
  %o, %lse = attn.attention %q, %c1 mask(causal) : (!q, !c) -> (!q, tensor<?x32xf32>)
  return %o, %lse, %c1 : !q, tensor<?x32xf32>, !c
}

!r = !kv.cache<heads = 8, dim = 128, rope = before, segments = [all : bf16]>

// CHECK-LABEL: @rotated
// CHECK: rope(%{{.+}} : tensor<?x64x2xf32>, pairs) : (tensor<?x32x?x128xbf16>, !kv.cache<heads = 8, dim = 128, segments = [all : bf16], rope = before>)
func.func @rotated(%q: tensor<?x32x?x128xbf16>, %c: !r, %t: tensor<?x64x2xf32>) -> tensor<?x32x?x128xbf16> attributes {attn.kernel} {
  %o = attn.attention %q, %c rope(%t : tensor<?x64x2xf32>, pairs) : (tensor<?x32x?x128xbf16>, !r) -> tensor<?x32x?x128xbf16>
  return %o : tensor<?x32x?x128xbf16>
}
