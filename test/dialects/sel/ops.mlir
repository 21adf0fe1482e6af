// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s | FileCheck %s
// RUN: fovea-opt %s | fovea-opt | FileCheck %s
// RUN: fovea-opt %s -mlir-print-op-generic | fovea-opt | FileCheck %s

!q = tensor<?x32x?x128xbf16>
!k = tensor<?x8x?x128xbf16>
!s = !sel.scores<per = (b, h, q : 64), unit = k : 32>
!l = !kv.list<per = (b, h, q : 64), unit = k : 32, order = any>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 32>

// CHECK-LABEL: @pool
func.func @pool(%k: !k, %v: tensor<?x8x?x64xbf16>) {
  // CHECK: sel.pool %{{.*}}, %{{.*}} levels(1, 2) reduce(mean) : tensor<?x8x?x128xbf16>, tensor<?x8x?x64xbf16> -> !kv.pyramid<levels = [1, 2], of = (tensor<?x8x?x128xbf16>, tensor<?x8x?x64xbf16>)>
  %p = sel.pool %k, %v reduce(mean) levels(1, 2) : !k, tensor<?x8x?x64xbf16>
    -> !kv.pyramid<levels = [1, 2], of = (!k, tensor<?x8x?x64xbf16>)>
  return
}

// CHECK-LABEL: @score
func.func @score(%q: !q, %k: !k, %o: tensor<?xi32>, %n: tensor<?xi32>, %w: index) {
  // CHECK: sel.score %{{.*}}, %{{.*}} pooled : tensor<?x32x?x128xbf16>, tensor<?x8x?x128xbf16> -> !sel.scores<per = (b, h, q : 64), unit = k : 32>
  %s0 = sel.score %q, %k pooled : !q, !k -> !s
  // CHECK: sel.score %{{.*}}, %{{.*}} pooled mask(causal and window(%{{.*}} : index)) scale(0.125) offset(%{{.*}} : tensor<?xi32>) lengths(%{{.*}} : tensor<?xi32>) :
  %s1 = sel.score %q, %k lengths(%n : tensor<?xi32>) mask(causal and window(%w : index)) offset(%o : tensor<?xi32>) scale(0.125) pooled : !q, !k -> !s
  return
}

// Numbers of a choice are literals, scalars, or one per head.
// CHECK-LABEL: @choose
func.func @choose(%q: !q, %k: !k, %n: index, %nh: tensor<32xi32>, %t: f32, %th: tensor<32xf32>) {
  %s = sel.score %q, %k pooled : !q, !k -> !s
  // CHECK: sel.normalize %{{.*}} softmax(keys) : !sel.scores<per = (b, h, q : 64), unit = k : 32>
  %p = sel.normalize %s softmax(keys) : !s
  // CHECK: sel.choose %{{.*}} top_k(8) force(diagonal, first(1), last(2)) : !sel.scores<per = (b, h, q : 64), unit = k : 32> -> !kv.list<per = (b, h, q : 64), unit = k : 32, order = any>
  %l0 = sel.choose %s top_k(8) force(last(2), first(1), diagonal) : !s -> !l
  // CHECK: sel.choose %{{.*}} top_k(%{{.*}} : index) :
  %l1 = sel.choose %s top_k(%n : index) : !s -> !l
  // CHECK: sel.choose %{{.*}} top_k(%{{.*}} : tensor<32xi32>) force(diagonal) :
  %l2 = sel.choose %s force(diagonal) top_k(%nh : tensor<32xi32>) : !s -> !l
  // CHECK: sel.choose %{{.*}} top_p(0.9) :
  %l3 = sel.choose %p top_p(0.9) : !s -> !l
  // CHECK: sel.choose %{{.*}} top_p(%{{.*}} : f32) :
  %l4 = sel.choose %p top_p(%t : f32) : !s -> !l
  // CHECK: sel.choose %{{.*}} top_p(%{{.*}} : tensor<32xf32>) force(first(1)) :
  %l5 = sel.choose %p top_p(%th : tensor<32xf32>) force(first(1)) : !s -> !l
  // CHECK: sel.assign %{{.*}} levels(1, 2, 4, 8) top_share(0.05, 0.2, 0.45, 0.95) force(1 : diagonal, first(1)) : !sel.scores<per = (b, h, q : 64), unit = k : 32> -> !sel.levels<per = (b, h, q : 64), unit = k : 32>
  %m = sel.assign %p levels(1, 2, 4, 8) top_share(0.05, 0.20, 0.45, 0.95)
    force(1 : diagonal, first(1)) : !s -> !m
  return
}

// CHECK-LABEL: @levels
func.func @levels(%t: tensor<?x32x?x?xi8>) {
  // CHECK: sel.levels %{{.*}} : tensor<?x32x?x?xi8> -> !sel.levels<per = (b, h, q : 64), unit = k : 32>
  %m = sel.levels %t : tensor<?x32x?x?xi8> -> !m
  return
}
