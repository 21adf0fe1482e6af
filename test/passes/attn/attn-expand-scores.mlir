// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -attn-expand-scores | FileCheck %s

!t = tensor<?x8x?x64xf32>

// Modifiers apply left to right.
// CHECK-LABEL: @left_to_right
// CHECK: score {
// CHECK-NEXT: ^bb0(%[[S:[^ :,]+]]: f32,
// CHECK: %[[C:.*]] = arith.constant 5.000000e+01 : f32
// CHECK: %[[R:.*]] = arith.divf %[[S]], %[[C]] : f32
// CHECK: %[[T:.*]] = math.tanh %[[R]] : f32
// CHECK: %[[M:.*]] = arith.mulf %[[T]], %[[C]] : f32
// CHECK: %[[X:.*]] = arith.constant 2.000000e+00 : f32
// CHECK: %[[Y:.*]] = arith.mulf %[[M]], %[[X]] : f32
// CHECK-NEXT: attn.yield %[[Y]] : f32
func.func @left_to_right(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q score(softcap(50.0), scale(2)) : (!t, !t, !t) -> !t
  return %o : !t
}

// The slope of the head times k - q.
// CHECK-LABEL: @alibi
// CHECK-SAME: %[[M:[^ :,]+]]: tensor<8xf32>)
// CHECK: ^bb0(%[[S:[^ :,]+]]: f32, %{{.*}}: index, %[[H:[^ :,]+]]: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[D:.*]] = arith.subi %[[K]], %[[Q]] : index
// CHECK-NEXT: %[[I:.*]] = arith.index_cast %[[D]] : index to i32
// CHECK-NEXT: %[[F:.*]] = arith.sitofp %[[I]] : i32 to f32
// CHECK-NEXT: %[[SLOPE:.*]] = tensor.extract %[[M]][%[[H]]] : tensor<8xf32>
// CHECK-NEXT: %[[B:.*]] = arith.mulf %[[SLOPE]], %[[F]] : f32
// CHECK-NEXT: %[[Y:.*]] = arith.addf %[[S]], %[[B]] : f32
// CHECK-NEXT: attn.yield %[[Y]]
func.func @alibi(%q: !t, %m: tensor<8xf32>) -> !t {
  %o = attn.attention %q, %q, %q score(alibi(%m : tensor<8xf32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A bias is indexed by the row of the call; a static 1 is broadcast.
// CHECK-LABEL: @bias
// CHECK-SAME: %[[T:[^ :,]+]]: tensor<?x1x?x?xf16>, %[[O:[^ :,]+]]: tensor<?xi32>)
// CHECK: ^bb0(%[[S:[^ :,]+]]: f32, %[[B:[^ :,]+]]: index, %[[H:[^ :,]+]]: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[E:.*]] = tensor.extract %[[O]][%[[B]]] : tensor<?xi32>
// CHECK-NEXT: %[[OFF:.*]] = arith.index_cast %[[E]] : i32 to index
// CHECK-NEXT: %[[ROW:.*]] = arith.subi %[[Q]], %[[OFF]] : index
// CHECK-NEXT: %[[C0:.*]] = arith.constant 0 : index
// CHECK-NEXT: %[[V:.*]] = tensor.extract %[[T]][%[[B]], %[[C0]], %[[ROW]], %[[K]]] : tensor<?x1x?x?xf16>
// CHECK-NEXT: %[[F:.*]] = arith.extf %[[V]] : f16 to f32
// CHECK-NEXT: arith.addf %[[S]], %[[F]] : f32
func.func @bias(%q: !t, %t: tensor<?x1x?x?xf16>, %off: tensor<?xi32>) -> !t {
  %o = attn.attention %q, %q, %q score(bias(%t : tensor<?x1x?x?xf16>)) offset(%off : tensor<?xi32>) : (!t, !t, !t) -> !t
  return %o : !t
}

// Partial attention expands too; sugar of the mask stays.
// CHECK-LABEL: @partial
// CHECK: attn.partial %{{.*}} mask(causal) score {
func.func @partial(%q: !t, %x: f32) -> !t {
  %o, %m, %l = attn.partial %q, %q, %q mask(causal) score(scale(%x : f32)) : (!t, !t, !t) -> (!t, tensor<?x8x?xf32>, tensor<?x8x?xf32>)
  return %o : !t
}

// -----

!t = tensor<?x8x?x64xf32>
!p = !kv.pyramid<levels = [1, 2], of = !t>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 64>
// The keys of a pyramid from outside cannot be counted.
func.func @pyramid(%q: !t, %p: !p, %m: !m) -> !t {
  // expected-error@+1 {{expected the pyramid to be made by a sel.pool of the same function, whose keys can be counted}}
  %o = attn.attention %q, %p levels(%m : !m) score(softcap(50.0)) : (!t, !p) -> !t
  return %o : !t
}
