// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// The class of the head against the number of each mask.
// CHECK-LABEL: @by_head
// CHECK-SAME: %[[C:[^ :,]+]]: tensor<8xi32>)
// CHECK: ^bb0(%{{.*}}: index, %[[H:[^ :,]+]]: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[E:.*]] = tensor.extract %[[C]][%[[H]]] : tensor<8xi32>
// CHECK-NEXT: %[[I:.*]] = arith.index_cast %[[E]] : i32 to index
// CHECK-NEXT: %[[C0:.*]] = arith.constant 0 : index
// CHECK-NEXT: %[[IS0:.*]] = arith.cmpi eq, %[[I]], %[[C0]] : index
// CHECK-NEXT: %[[M0:.*]] = arith.cmpi sle, %[[K]], %[[Q]] : index
// CHECK-NEXT: %[[A:.*]] = arith.andi %[[IS0]], %[[M0]] : i1
// CHECK-NEXT: %[[C1:.*]] = arith.constant 1 : index
// CHECK-NEXT: %[[IS1:.*]] = arith.cmpi eq, %[[I]], %[[C1]] : index
// CHECK: %[[M1:.*]] = arith.cmpi slt, %[[K]], %{{.*}} : index
// CHECK-NEXT: %[[B:.*]] = arith.andi %[[IS1]], %[[M1]] : i1
// CHECK-NEXT: %[[KEEP:.*]] = arith.ori %[[A]], %[[B]] : i1
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @by_head(%q: !t, %c: tensor<8xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(heads(%c : tensor<8xi32>, causal, sink(2))) : (!t, !t, !t) -> !t
  return %o : !t
}

// One class for all heads; masks nest.
// CHECK-LABEL: @nested
// CHECK-SAME: %[[C:[^ :,]+]]: index, %[[D:[^ :,]+]]: tensor<8xi32>)
// CHECK: ^bb0(%{{.*}}: index, %[[H:[^ :,]+]]: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK: %[[UP:.*]] = arith.maxsi %[[C]], %{{.*}} : index
// CHECK: %[[CLASS:.*]] = arith.minsi %[[UP]], %{{.*}} : index
// CHECK-NEXT: %[[C0:.*]] = arith.constant 0 : index
// CHECK-NEXT: arith.cmpi eq, %[[CLASS]], %[[C0]] : index
// CHECK-NEXT: tensor.extract %[[D]][%[[H]]] : tensor<8xi32>
func.func @nested(%q: !t, %c: index, %d: tensor<8xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(heads(%c : index, heads(%d : tensor<8xi32>, causal) or not sink(1))) : (!t, !t, !t) -> !t
  return %o : !t
}


// -----

!t = tensor<?x8x?x64xf32>
func.func @heads_c1_literal(%q: !t) {
  // expected-error@+1 {{expected the class of heads to be a run-time number, got 1 : i64 [heads_c1]}}
  %o = attn.attention %q, %q, %q mask(heads(1, causal)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @heads_c1_masks(%q: !t, %c: tensor<8xi32>) {
  // expected-error@+1 {{expected heads(%class : tensor<32xi32>, mask, ..) [heads_c1]}}
  %o = attn.attention %q, %q, %q mask(heads(%c : tensor<8xi32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @heads_c1_word(%q: !t) {
  // expected-error@+1 {{expected heads(%class : tensor<32xi32>, mask, ..) [heads_c1]}}
  %o = attn.attention %q, %q, %q mask(heads(causal, causal)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @heads_number_c1(%q: !t, %c: tensor<4xi32>) {
  // expected-error@+1 {{expected the class of heads to be index, i32, i64 or a tensor of i32 or i64 with one entry per query head, got 'tensor<4xi32>' and 8 query heads [number_c1]}}
  %o = attn.attention %q, %q, %q mask(heads(%c : tensor<4xi32>, causal)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @heads_inner(%q: !t, %c: tensor<8xi32>) {
  // expected-error@+1 {{expected the number of sinks to be from 0 to 2147483647, got -1 [sink_c1]}}
  %o = attn.attention %q, %q, %q mask(heads(%c : tensor<8xi32>, causal, sink(-1))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @heads_not_a_mask(%q: !t, %c: tensor<8xi32>) {
  // expected-error@+1 {{expected a mask; masks are: }}
  %o = attn.attention %q, %q, %q mask(heads(%c : tensor<8xi32>, 4)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c7_heads(%q: !t, %c: index) {
  // expected-error@+1 {{expected 'heads' to be of masks, got 5 : i64 [mask_c7]}}
  %o = "attn.attention"(%q, %q, %q, %c) <{mask = #sel.heads<#sel.arg<0>, 5>, operandSegmentSizes = array<i32: 1, 2, 1, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t, index) -> !t
  return
}
