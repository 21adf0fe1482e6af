// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s | FileCheck %s
// RUN: fovea-opt %s | fovea-opt | FileCheck %s
// RUN: fovea-opt %s -mlir-print-op-generic | fovea-opt | FileCheck %s

!q = tensor<?x32x?x128xbf16>
!k = tensor<?x8x?x128xbf16>
!lse = tensor<?x32x?xf32>
!list = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
!map = !sel.levels<per = (b, h, q : 64), unit = k : 64>
!pyr = !kv.pyramid<levels = [1, 2, 4, 8], of = !k>

// The plain form; the result's type is that of the query.
// CHECK-LABEL: @plain
func.func @plain(%q: !q, %k: !k, %v: !k) -> !q attributes {attn.kernel} {
  // CHECK: attn.attention %{{.*}}, %{{.*}}, %{{.*}} : (tensor<?x32x?x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?x8x?x128xbf16>) -> tensor<?x32x?x128xbf16>
  %o = attn.attention %q, %k, %v : (!q, !k, !k) -> !q
  return %o : !q
}

// Clauses come in any order and are printed in one.
// CHECK-LABEL: @clauses
func.func @clauses(%q: !q, %k: !k, %v: !k, %w: tensor<32xi32>, %n: index,
                   %s: tensor<32xf32>, %t: tensor<1x32x?x?xf16>,
                   %off: tensor<?xi32>, %len: tensor<?xi32>)
    -> (tensor<?x32x?x128xf32>, !lse) attributes {attn.kernel} {
  // CHECK: attn.attention %{{.*}}, %{{.*}}, %{{.*}} mask(causal and (window(%[[W:.*]] : tensor<32xi32>) or sink(4)) or not prefix(%{{.*}} : index)) score(softcap(50.0), alibi(%{{.*}} : tensor<32xf32>), bias(%{{.*}} : tensor<1x32x?x?xf16>), scale(0.5)) scale(0.0883883) offset(%{{.*}} : tensor<?xi32>) lengths(%{{.*}} : tensor<?xi32>) : ({{.*}}) -> (tensor<?x32x?x128xf32>, tensor<?x32x?xf32>)
  %o, %lse = attn.attention %q, %k, %v lengths(%len : tensor<?xi32>)
    offset(%off : tensor<?xi32>) scale(0.0883883)
    score(softcap(50.0), alibi(%s : tensor<32xf32>),
          bias(%t : tensor<1x32x?x?xf16>), scale(0.5))
    mask(causal and (window(%w : tensor<32xi32>) or sink(4))
         or not prefix(%n : index))
    : (!q, !k, !k) -> (tensor<?x32x?x128xf32>, !lse)
  return %o, %lse : tensor<?x32x?x128xf32>, !lse
}

// Any predicate, any modifier.
// CHECK-LABEL: @regions
func.func @regions(%q: !q, %k: !k, %v: !k, %t: tensor<?xi32>) -> !q
    attributes {attn.kernel} {
  // CHECK: mask {
  // CHECK-NEXT: ^bb0(%{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index):
  // CHECK: sel.yield %{{.*}} : i1
  // CHECK: } score {
  // CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index):
  // CHECK: attn.yield
  // CHECK: } prob {
  // CHECK: attn.yield
  // CHECK: } scale(1.0) :
  %o = attn.attention %q, %k, %v
    mask { ^bb0(%b: index, %h: index, %qi: index, %ki: index):
      %x = tensor.extract %t[%ki] : tensor<?xi32>
      %y = arith.index_cast %x : i32 to index
      %c = arith.cmpi sle, %y, %qi : index
      sel.yield %c : i1 }
    score { ^bb0(%s: f32, %b: index, %h: index, %qi: index, %ki: index):
      %s2 = math.tanh %s : f32
      attn.yield %s2 : f32 }
    prob { ^bb0(%p: f32, %b: index, %h: index, %qi: index, %ki: index):
      %p2 = arith.mulf %p, %p : f32
      attn.yield %p2 : f32 }
    scale(1) : (!q, !k, !k) -> !q
  return %o : !q
}

// Chosen blocks; levels from a map; levels from the mask.
// CHECK-LABEL: @selection
func.func @selection(%q: !q, %k: !k, %v: !k, %m: tensor<?x32x?x?xi8>) -> (!q, !q, !q)
    attributes {attn.kernel} {
  %s = sel.score %q, %k pooled : !q, !k -> !sel.scores<per = (b, h, q : 64), unit = k : 64>
  %l = sel.choose %s top_k(8) : !sel.scores<per = (b, h, q : 64), unit = k : 64> -> !list
  // CHECK: attn.attention {{.*}} over(%{{.*}} : !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>) mask(causal) :
  %o0 = attn.attention %q, %k, %v mask(causal) over(%l : !list) : (!q, !k, !k) -> !q
  %lv = sel.levels %m : tensor<?x32x?x?xi8> -> !map
  %p = sel.pool %k, %v levels(1, 2, 4, 8) reduce(mean) : !k, !k -> !pyr
  // CHECK: attn.attention {{.*}} levels(%{{.*}} : !sel.levels<per = (b, h, q : 64), unit = k : 64>) : (tensor<?x32x?x128xbf16>, !kv.pyramid<levels = [1, 2, 4, 8], of = tensor<?x8x?x128xbf16>>)
  %o1 = attn.attention %q, %p levels(%lv : !map) : (!q, !pyr) -> !q
  // CHECK: sel.yield %{{.*}} : i32
  %o2 = attn.attention %q, %p
    mask { ^bb0(%b: index, %h: index, %qi: index, %ki: index):
      %one = arith.constant 1 : i32
      sel.yield %one : i32 } : (!q, !pyr) -> !q
  return %o0, %o1, %o2 : !q, !q, !q
}

// States and their merge, with and without lse.
// CHECK-LABEL: @merge
func.func @merge(%q: !q, %k: !k, %v: !k) -> (!q, !lse) attributes {attn.kernel} {
  // CHECK: attn.partial {{.*}} -> (tensor<?x32x?x128xf32>, tensor<?x32x?xf32>, tensor<?x32x?xf32>)
  %o1, %m1, %l1 = attn.partial %q, %k, %v : (!q, !k, !k) -> (tensor<?x32x?x128xf32>, !lse, !lse)
  %o2, %m2, %l2 = attn.partial %q, %k, %v mask(causal) : (!q, !k, !k) -> (tensor<?x32x?x128xf32>, !lse, !lse)
  // CHECK: attn.merge lse(%[[O:.*]], %{{.*}}, %{{.*}}), (%{{.*}}, %{{.*}}, %{{.*}}) : (tensor<?x32x?x128xf32>, tensor<?x32x?xf32>, tensor<?x32x?xf32>), (tensor<?x32x?x128xf32>, tensor<?x32x?xf32>, tensor<?x32x?xf32>) -> (tensor<?x32x?x128xbf16>, tensor<?x32x?xf32>)
  %o, %lse = attn.merge lse(%o1, %m1, %l1), (%o2, %m2, %l2)
    : (tensor<?x32x?x128xf32>, !lse, !lse), (tensor<?x32x?x128xf32>, !lse, !lse) -> (!q, !lse)
  return %o, %lse : !q, !lse
}

// An argument's outside names.
// CHECK-LABEL: @names
// CHECK-SAME: attn.dims = "b h sq d", attn.name = "query"
func.func @names(%q: !q {attn.name = "query", attn.dims = "b h sq d"}) -> !q
    attributes {attn.kernel} {
  return %q : !q
}

// A learned sink for each query head.
// CHECK-LABEL: @sinks
func.func @sinks(%q: !q, %k: !k, %v: !k, %s: tensor<32xf32>) -> !q
    attributes {attn.kernel} {
  // CHECK: attn.attention {{.*}} mask(causal) sink_logits(%{{.*}} : tensor<32xf32>) :
  %o = attn.attention %q, %k, %v sink_logits(%s : tensor<32xf32>) mask(causal)
    : (!q, !k, !k) -> !q
  return %o : !q
}
