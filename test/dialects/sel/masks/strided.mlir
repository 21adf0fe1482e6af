// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// CHECK-LABEL: @dilated
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[D:.*]] = arith.subi %[[Q]], %[[K]] : index
// CHECK-NEXT: %[[N:.*]] = arith.constant 4 : index
// CHECK-NEXT: %[[R:.*]] = arith.remsi %[[D]], %[[N]] : index
// CHECK-NEXT: %[[Z:.*]] = arith.constant 0 : index
// CHECK-NEXT: %[[KEEP:.*]] = arith.cmpi eq, %[[R]], %[[Z]] : index
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @dilated(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask(dilated(4)) : (!t, !t, !t) -> !t
  return %o : !t
}

// What is subtracted from the key is reduced to the period first.
// CHECK-LABEL: @columns
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[P:.*]] = arith.constant 8 : index
// CHECK-NEXT: %[[S:.*]] = arith.constant 5 : index
// CHECK-NEXT: %[[X:.*]] = arith.addi %[[K]], %[[S]] : index
// CHECK-NEXT: %[[R:.*]] = arith.remsi %[[X]], %[[P]] : index
// CHECK-NEXT: %[[N:.*]] = arith.constant 2 : index
// CHECK-NEXT: arith.cmpi slt, %[[R]], %[[N]] : index
func.func @columns(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask(columns(8, 11, 2)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A column of its own for every head.
// CHECK-LABEL: @by_head
// CHECK-SAME: %[[F:[^ :,]+]]: tensor<8xi32>)
// CHECK: ^bb0(%{{.*}}: index, %[[H:[^ :,]+]]: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: arith.constant 8 : index
// CHECK-NEXT: tensor.extract %[[F]][%[[H]]] : tensor<8xi32>
// CHECK-NEXT: %[[I:.*]] = arith.index_cast
// CHECK-NEXT: %[[R:.*]] = arith.remsi %[[I]], %[[P:.*]] : index
// CHECK-NEXT: arith.subi %[[P]], %[[R]] : index
func.func @by_head(%q: !t, %f: tensor<8xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(columns(8, %f : tensor<8xi32>, 2)) : (!t, !t, !t) -> !t
  return %o : !t
}


// -----

!t = tensor<?x8x?x64xf32>
func.func @dilated_c1_step(%q: !t) {
  // expected-error@+1 {{expected the step of the dilation to be from 1 to 2147483647, got 0 [dilated_c1]}}
  %o = attn.attention %q, %q, %q mask(dilated(0)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @dilated_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected dilated(n) [dilated_c1]}}
  %o = attn.attention %q, %q, %q mask(dilated(1, 2)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @columns_c1_period(%q: !t) {
  // expected-error@+1 {{expected the period of the columns to be from 1 to 2147483647, got 0 [columns_c1]}}
  %o = attn.attention %q, %q, %q mask(columns(0, 0, 1)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @columns_c1_first(%q: !t) {
  // expected-error@+1 {{expected the first of the columns to be from 0 to 2147483647, got -1 [columns_c1]}}
  %o = attn.attention %q, %q, %q mask(columns(4, -1, 1)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @columns_c1_count(%q: !t) {
  // expected-error@+1 {{expected the number of columns to be from 0 to 2147483647, got -1 [columns_c1]}}
  %o = attn.attention %q, %q, %q mask(columns(4, 0, -1)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @columns_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected columns(period, first, n) [columns_c1]}}
  %o = attn.attention %q, %q, %q mask(columns(4)) : (!t, !t, !t) -> !t
  return
}
