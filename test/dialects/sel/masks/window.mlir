// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// n keys that end with the query's own.
// CHECK-LABEL: @count
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[N:.*]] = arith.constant 4096 : index
// CHECK-NEXT: %[[BEFORE:.*]] = arith.subi %[[Q]], %[[N]] : index
// CHECK-NEXT: %[[L:.*]] = arith.cmpi slt, %[[BEFORE]], %[[K]] : index
// CHECK-NEXT: %[[R:.*]] = arith.cmpi sle, %[[K]], %[[Q]] : index
// CHECK-NEXT: %[[KEEP:.*]] = arith.andi %[[L]], %[[R]] : i1
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @count(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask(window(4096)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A number per head.
// CHECK-LABEL: @per_head
// CHECK-SAME: %[[W:[^ :,]+]]: tensor<8xi32>)
// CHECK: ^bb0(%{{.*}}: index, %[[H:[^ :,]+]]: index, %{{.*}}: index, %{{.*}}: index):
// CHECK-NEXT: %[[E:.*]] = tensor.extract %[[W]][%[[H]]] : tensor<8xi32>
// CHECK-NEXT: arith.index_cast %[[E]] : i32 to index
func.func @per_head(%q: !t, %w: tensor<8xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(window(%w : tensor<8xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK-LABEL: @sides
// CHECK-SAME: %[[A:[^ :,]+]]: index)
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// A run-time number saturates at the largest literal (number_s1).
// CHECK-NEXT: %[[LEAST:.*]] = arith.constant -2147483647 : index
// CHECK-NEXT: %[[UP:.*]] = arith.maxsi %[[A]], %[[LEAST]] : index
// CHECK-NEXT: %[[MOST:.*]] = arith.constant 2147483647 : index
// CHECK-NEXT: %[[N:.*]] = arith.minsi %[[UP]], %[[MOST]] : index
// CHECK-NEXT: %[[LO:.*]] = arith.subi %[[Q]], %[[N]] : index
// CHECK-NEXT: %[[L:.*]] = arith.cmpi sle, %[[LO]], %[[K]] : index
// CHECK-NEXT: %[[C2:.*]] = arith.constant 2 : index
// CHECK-NEXT: %[[HI:.*]] = arith.addi %[[Q]], %[[C2]] : index
// CHECK-NEXT: %[[R:.*]] = arith.cmpi sle, %[[K]], %[[HI]] : index
// CHECK-NEXT: arith.andi %[[L]], %[[R]] : i1
func.func @sides(%q: !t, %a: index) -> !t {
  %o = attn.attention %q, %q, %q mask(window(%a : index, 2)) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK-LABEL: @infinite
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: arith.constant 1 : index
// CHECK-NEXT: arith.subi
// CHECK-NEXT: %[[KEEP:.*]] = arith.cmpi sle
// CHECK-NEXT: sel.yield %[[KEEP]]
// CHECK: ^bb0
// CHECK-NEXT: %[[TRUE:.*]] = arith.constant true
// CHECK-NEXT: sel.yield %[[TRUE]]
func.func @infinite(%q: !t) -> (!t, !t) {
  %o = attn.attention %q, %q, %q mask(window(1, inf)) : (!t, !t, !t) -> !t
  %o2 = attn.attention %q, %q, %q mask(window(inf, inf)) : (!t, !t, !t) -> !t
  return %o, %o2 : !t, !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @window_c1_count(%q: !t) {
  // expected-error@+1 {{expected the length of the window to be from 1 to 2147483647, got 0 [window_c1]}}
  %o = attn.attention %q, %q, %q mask(window(0)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @window_c1_left(%q: !t) {
  // expected-error@+1 {{expected the left side of the window to be from 0 to 2147483647, got -1 [window_c1]}}
  %o = attn.attention %q, %q, %q mask(window(-1, 0)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @window_c1_right(%q: !t) {
  // expected-error@+1 {{expected the right side of the window to be from 0 to 2147483647, got 2147483648 [window_c1]}}
  %o = attn.attention %q, %q, %q mask(window(0, 2147483648)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @window_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected window(n) or window(l, r), where l and r are numbers or inf [window_c1]}}
  %o = attn.attention %q, %q, %q mask(window(1, 2, 3)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @window_c1_real(%q: !t) {
  // expected-error@+1 {{expected the length of the window to be a number, got 5.000000e-01 : f64 [window_c1]}}
  %o = attn.attention %q, %q, %q mask(window(0.5)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @number_c1_heads(%q: !t, %w: tensor<4xi32>) {
  // expected-error@+1 {{expected the length of the window to be index, i32, i64 or a tensor of i32 or i64 with one entry per query head, got 'tensor<4xi32>' and 8 query heads [number_c1]}}
  %o = attn.attention %q, %q, %q mask(window(%w : tensor<4xi32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @number_c1_type(%q: !t, %w: f32) {
  // expected-error@+1 {{got 'f32' and 8 query heads [number_c1]}}
  %o = attn.attention %q, %q, %q mask(window(%w : f32)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @argument(%q: !t) {
  // expected-error@+1 {{expected a number, a word or a run-time number with its type}}
  %o = attn.attention %q, %q, %q mask(window("x")) : (!t, !t, !t) -> !t
  return
}
