// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// CHECK-LABEL: @by_token
// CHECK-SAME: %[[IDS:[^ :,]+]]: tensor<?xi32>)
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[X:.*]] = tensor.extract %[[IDS]][%[[Q]]] : tensor<?xi32>
// CHECK-NEXT: %[[Y:.*]] = tensor.extract %[[IDS]][%[[K]]] : tensor<?xi32>
// CHECK-NEXT: %[[KEEP:.*]] = arith.cmpi eq, %[[X]], %[[Y]] : i32
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @by_token(%q: !t, %ids: tensor<?xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(documents(%ids : tensor<?xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK-LABEL: @by_batch
// CHECK-SAME: %[[IDS:[^ :,]+]]: tensor<?x?xi32>)
// CHECK: ^bb0(%[[B:[^ :,]+]]: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: tensor.extract %[[IDS]][%[[B]], %[[Q]]]
// CHECK-NEXT: tensor.extract %[[IDS]][%[[B]], %[[K]]]
func.func @by_batch(%q: !t, %ids: tensor<?x?xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(documents(%ids : tensor<?x?xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c1_type(%q: !t, %ids: tensor<?xi64>) {
  // expected-error@+1 {{expected the ids of documents to be a tensor<?xi32> by token or a tensor<?x?xi32> by batch and token, got 'tensor<?xi64>' [documents_c1]}}
  %o = attn.attention %q, %q, %q mask(documents(%ids : tensor<?xi64>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected documents(%ids : tensor<?xi32>) [documents_c1]}}
  %o = attn.attention %q, %q, %q mask(documents(4)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @documents_c1_operand(%q: !t) {
  // expected-error@+1 {{expected the ids of documents to be an operand, got #sel.arg<0> [documents_c1]}}
  %o = "attn.attention"(%q, %q, %q) <{mask = #sel.documents<#sel.arg<0>>, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}
