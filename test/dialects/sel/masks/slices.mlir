// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// A slice is two comparisons with q and two with k, whose ends follow q on a
// diagonal.
// CHECK-LABEL: @one
// CHECK-SAME: %[[L:[^ :,]+]]: tensor<1x5xi32>)
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-COUNT-5: tensor.extract %[[L]][%c0{{.*}}, %c{{.*}}] : tensor<1x5xi32>
// CHECK: arith.cmpi sle, %{{.*}}, %[[Q]] : index
// CHECK: arith.cmpi slt, %[[Q]], %{{.*}} : index
// CHECK: %[[BEGIN:.*]] = arith.select
// CHECK: arith.cmpi sle, %[[BEGIN]], %[[K]] : index
// CHECK: %[[END:.*]] = arith.select
// CHECK: arith.cmpi slt, %[[K]], %[[END]] : index
func.func @one(%q: !t, %l: tensor<1x5xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(slices(%l : tensor<1x5xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A list for each sequence, and one for all.
// CHECK-LABEL: @by_batch
// CHECK-SAME: %[[L:[^ :,]+]]: tensor<?x2x5xi32>)
// CHECK: ^bb0(%[[B:[^ :,]+]]: index,
// CHECK-COUNT-10: tensor.extract %[[L]][%[[B]], %c{{.*}}, %c{{.*}}]
func.func @by_batch(%q: !t, %l: tensor<?x2x5xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(slices(%l : tensor<?x2x5xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}
// CHECK-LABEL: @by_none
// CHECK-SAME: %[[L:[^ :,]+]]: tensor<1x2x5xi32>)
// CHECK-COUNT-10: tensor.extract %[[L]][%c0{{.*}}, %c{{.*}}, %c{{.*}}]
func.func @by_none(%q: !t, %l: tensor<1x2x5xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(slices(%l : tensor<1x2x5xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @slices_c1_columns(%q: !t, %l: tensor<8x4xi32>) {
  // expected-error@+1 {{expected the list of slices to be i32 [n, 5] or [batch or 1, n, 5] with n from 1 to 64, got 'tensor<8x4xi32>' [slices_c1]}}
  %o = attn.attention %q, %q, %q mask(slices(%l : tensor<8x4xi32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @slices_c1_type(%q: !t, %l: tensor<8x5xi64>) {
  // expected-error@+1 {{got 'tensor<8x5xi64>' [slices_c1]}}
  %o = attn.attention %q, %q, %q mask(slices(%l : tensor<8x5xi64>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @slices_c1_number(%q: !t, %l: tensor<?x5xi32>) {
  // expected-error@+1 {{got 'tensor<?x5xi32>' [slices_c1]}}
  %o = attn.attention %q, %q, %q mask(slices(%l : tensor<?x5xi32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @slices_c1_most(%q: !t, %l: tensor<65x5xi32>) {
  // expected-error@+1 {{with n from 1 to 64, got 'tensor<65x5xi32>' [slices_c1]}}
  %o = attn.attention %q, %q, %q mask(slices(%l : tensor<65x5xi32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @slices_c1_operand(%q: !t) {
  // expected-error@+1 {{expected the list of slices to be an operand, got #sel.arg<0> [slices_c1]}}
  %o = "attn.attention"(%q, %q, %q) <{mask = #sel.slices<#sel.arg<0>>, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @slices_c1_word(%q: !t) {
  // expected-error@+1 {{expected slices(%list : tensor<8x5xi32>) [slices_c1]}}
  %o = attn.attention %q, %q, %q mask(slices(3)) : (!t, !t, !t) -> !t
  return
}
