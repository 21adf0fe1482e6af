// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s --verify-roundtrip | FileCheck %s

// Published systems in the language, with the scores that exist today.

!q  = tensor<?x32x?x128xbf16>
!q1 = tensor<?x32x1x128xbf16>
!k  = tensor<?x8x?x128xbf16>
!s = !sel.scores<per = (b, h, q : 128), unit = k : 128>
!m = !sel.levels<per = (b, h, q : 128), unit = k : 128>
!l = !kv.list<per = (b, h, q : 128), unit = k : 128, order = any>
!pyr = !kv.pyramid<levels = [1, 2, 4, 8], of = !k>

// Pyramid Sparse Attention, prefill, causal: cumulative shares 5/20/45/95 %.
// CHECK-LABEL: @psa
// CHECK: sel.assign {{.*}} levels(1, 2, 4, 8) top_share(0.05, 0.2, 0.45, 0.95) force(1 : diagonal, first(1))
// CHECK: attn.attention {{.*}} levels({{.*}}) mask(causal)
func.func @psa(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  %pyr = sel.pool %k, %v levels(1, 2, 4, 8) reduce(mean) : !k, !k -> !pyr
  %s = sel.score %q, %k pooled mask(causal) : !q, !k -> !s
  %p = sel.normalize %s softmax(keys) : !s
  %lv = sel.assign %p levels(1, 2, 4, 8) top_share(0.05, 0.20, 0.45, 0.95) force(1 : diagonal, first(1)) : !s -> !m
  %o = attn.attention %q, %pyr levels(%lv : !m) mask(causal) : (!q, !pyr) -> !q
  return %o : !q
}

// Block-sparse prefill with a threshold per head (XAttention's choice).
// CHECK-LABEL: @threshold
// CHECK: sel.choose {{.*}} top_p(%{{.*}} : tensor<32xf32>) force(diagonal, first(1))
func.func @threshold(%q: !q, %k: !k, %v: !k, %tau: tensor<32xf32>) -> !q attributes {attn.kernel} {
  %s = sel.score %q, %k pooled mask(causal) : !q, !k -> !s
  %p = sel.normalize %s softmax(keys) : !s
  %l = sel.choose %p top_p(%tau : tensor<32xf32>) force(diagonal, first(1)) : !s -> !l
  %o = attn.attention %q, %k, %v over(%l : !l) mask(causal) : (!q, !k, !k) -> !q
  return %o : !q
}

// A budget of blocks per call in decode (Quest's choice).
// CHECK-LABEL: @budget
// CHECK: sel.choose {{.*}} top_k(%{{.*}} : index) force(last(1))
func.func @budget(%q: !q1, %k: !k, %v: !k, %blocks: index) -> !q1 attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !q1, !k -> !sel.scores<per = (b, h, q : 1), unit = k : 16>
  %l = sel.choose %s top_k(%blocks : index) force(last(1)) : !sel.scores<per = (b, h, q : 1), unit = k : 16> -> !kv.list<per = (b, h, q : 1), unit = k : 16, order = any>
  %o = attn.attention %q, %k, %v over(%l : !kv.list<per = (b, h, q : 1), unit = k : 16, order = any>) : (!q1, !k, !k) -> !q1
  return %o : !q1
}

// StreamingLLM's mask, without its cache.
// CHECK-LABEL: @streaming
// CHECK: mask(causal and (sink(4) or window(1020)))
func.func @streaming(%q: !q1, %k: !k, %v: !k) -> !q1 attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal and (sink(4) or window(1020))) : (!q1, !k, !k) -> !q1
  return %o : !q1
}

// Quantised keys and values beside recent ones at full precision: one partial
// each, one merge (KIVI's split, with int8).
// CHECK-LABEL: @residual
// CHECK: attn.merge lse(
func.func @residual(%q: !q1, %ko: tensor<?x8x?x128xbf16, #kv.int8<per tok>>, %vo: tensor<?x8x?x128xbf16, #kv.int8<per tok>>,
                    %k: !k, %v: !k) -> !q1 attributes {attn.kernel} {
  %o0, %m0, %l0 = attn.partial %q, %ko, %vo
    : (!q1, tensor<?x8x?x128xbf16, #kv.int8<per tok>>, tensor<?x8x?x128xbf16, #kv.int8<per tok>>)
    -> (tensor<?x32x1x128xf32>, tensor<?x32x1xf32>, tensor<?x32x1xf32>)
  %o1, %m1, %l1 = attn.partial %q, %k, %v : (!q1, !k, !k)
    -> (tensor<?x32x1x128xf32>, tensor<?x32x1xf32>, tensor<?x32x1xf32>)
  %o = attn.merge lse(%o0, %m0, %l0), (%o1, %m1, %l1)
    : (tensor<?x32x1x128xf32>, tensor<?x32x1xf32>, tensor<?x32x1xf32>),
      (tensor<?x32x1x128xf32>, tensor<?x32x1xf32>, tensor<?x32x1xf32>) -> !q1
  return %o : !q1
}

// MLA decode on absorbed queries: dims 576 and 512, one KV head, own scale.
// CHECK-LABEL: @mla
// CHECK: scale(0.07216878)
func.func @mla(%q: tensor<?x128x1x576xbf16>, %k: tensor<?x1x?x576xbf16>, %v: tensor<?x1x?x512xbf16>)
    -> tensor<?x128x1x512xbf16> attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v scale(0.07216878)
    : (tensor<?x128x1x576xbf16>, tensor<?x1x?x576xbf16>, tensor<?x1x?x512xbf16>) -> tensor<?x128x1x512xbf16>
  return %o : tensor<?x128x1x512xbf16>
}
