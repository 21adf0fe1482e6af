// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// One column: k <= q < s[k]. All of the batch and all heads share the table.
// CHECK-LABEL: @causal_1
// CHECK-SAME: %[[R:[^ :,]+]]: tensor<1x1x?x1xi32>)
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK: %[[PAST:.*]] = arith.cmpi sle, %[[K]], %[[Q]] : index
// CHECK: %[[S:.*]] = tensor.extract %[[R]][%c0{{.*}}, %c0{{.*}}, %[[K]], %c0{{.*}}] : tensor<1x1x?x1xi32>
// CHECK-NEXT: %[[SX:.*]] = arith.index_cast %[[S]]
// CHECK-NEXT: %[[ABOVE:.*]] = arith.cmpi slt, %[[Q]], %[[SX]] : index
// CHECK-NEXT: arith.andi %[[PAST]], %[[ABOVE]] : i1
func.func @causal_1(%q: !t, %r: tensor<1x1x?x1xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(flashmask(causal, %r : tensor<1x1x?x1xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Two: k <= q, and q is not in [s[k], e[k]). By batch and head.
// CHECK-LABEL: @causal_2
// CHECK-SAME: %[[R:[^ :,]+]]: tensor<?x8x?x2xi32>)
// CHECK: ^bb0(%[[B:[^ :,]+]]: index, %[[H:[^ :,]+]]: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK: %[[PAST:.*]] = arith.cmpi sle, %[[K]], %[[Q]] : index
// CHECK: tensor.extract %[[R]][%[[B]], %[[H]], %[[K]], %c{{.*}}]
// CHECK: tensor.extract %[[R]][%[[B]], %[[H]], %[[K]], %c{{.*}}]
// CHECK: %[[OUT:.*]] = arith.ori
// CHECK: arith.andi %[[PAST]], %[[OUT]] : i1
func.func @causal_2(%q: !t, %r: tensor<?x8x?x2xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(flashmask(causal, %r : tensor<?x8x?x2xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A table by KV head: query heads 0 to 3 read its first, 4 to 7 its second.
// CHECK-LABEL: @by_kv_head
// CHECK-SAME: %[[R:[^ :,]+]]: tensor<?x2x?x1xi32>)
// CHECK: ^bb0(%[[B:[^ :,]+]]: index, %[[H:[^ :,]+]]: index, %{{.*}}: index, %[[K:[^ :,]+]]: index):
// CHECK: %[[GROUP:.*]] = arith.constant 4 : index
// CHECK-NEXT: %[[G:.*]] = arith.floordivsi %[[H]], %[[GROUP]] : index
// CHECK: tensor.extract %[[R]][%[[B]], %[[G]], %[[K]], %c{{.*}}]
func.func @by_kv_head(%q: !t, %k: tensor<?x2x?x64xf32>, %r: tensor<?x2x?x1xi32>) -> !t {
  %o = attn.attention %q, %k, %k mask(flashmask(causal, %r : tensor<?x2x?x1xi32>))
      : (!t, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>) -> !t
  return %o : !t
}

// Two without causal: u[k] <= q < s[k].
// CHECK-LABEL: @two_sided
// CHECK: arith.cmpi sle, %{{.*}}, %[[Q:.*]] : index
// CHECK: arith.cmpi slt, %[[Q]], %{{.*}} : index
// CHECK-NEXT: arith.andi
// CHECK-NEXT: sel.yield
func.func @two_sided(%q: !t, %r: tensor<?x1x?x2xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(flashmask(%r : tensor<?x1x?x2xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Four: q is in neither interval.
// CHECK-LABEL: @intervals
// CHECK-COUNT-4: tensor.extract
// CHECK: arith.andi
// CHECK-NEXT: sel.yield
func.func @intervals(%q: !t, %r: tensor<?x1x?x4xi32>) -> !t {
  %o = attn.attention %q, %q, %q mask(flashmask(%r : tensor<?x1x?x4xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @flashmask_c1_word(%q: !t) {
  // expected-error@+1 {{expected flashmask(%rows : tensor<?x1x?x2xi32>), of 4 columns as well, or flashmask(causal, %rows : tensor<?x1x?x1xi32>), of 2 as well [flashmask_c1]}}
  %o = attn.attention %q, %q, %q mask(flashmask(causal)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @flashmask_c1_heads(%q: !t, %r: tensor<?x3x?x4xi32>) {
  // expected-error@+1 {{expected the rows of a flashmask to be i32 [batch or 1, a divisor of 8 query heads, keys, 1, 2 or 4 columns], got 'tensor<?x3x?x4xi32>' [flashmask_c1]}}
  %o = attn.attention %q, %q, %q mask(flashmask(%r : tensor<?x3x?x4xi32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @flashmask_c1_more_heads(%q: !t, %r: tensor<?x16x?x4xi32>) {
  // expected-error@+1 {{a divisor of 8 query heads, keys, 1, 2 or 4 columns], got 'tensor<?x16x?x4xi32>' [flashmask_c1]}}
  %o = attn.attention %q, %q, %q mask(flashmask(%r : tensor<?x16x?x4xi32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @flashmask_c1_no_heads(%q: !t, %r: tensor<?x0x?x4xi32>) {
  // expected-error@+1 {{a divisor of 8 query heads, keys, 1, 2 or 4 columns], got 'tensor<?x0x?x4xi32>' [flashmask_c1]}}
  %o = attn.attention %q, %q, %q mask(flashmask(%r : tensor<?x0x?x4xi32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @flashmask_c1_dynamic_heads(%q: !t, %r: tensor<?x?x?x4xi32>) {
  // expected-error@+1 {{a divisor of 8 query heads, keys, 1, 2 or 4 columns], got 'tensor<?x?x?x4xi32>' [flashmask_c1]}}
  %o = attn.attention %q, %q, %q mask(flashmask(%r : tensor<?x?x?x4xi32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @flashmask_c1_operand(%q: !t) {
  // expected-error@+1 {{expected the rows of a flashmask to be an operand, got #sel.arg<0> [flashmask_c1]}}
  %o = "attn.attention"(%q, %q, %q) <{mask = #sel.flashmask<#sel.arg<0>>, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @flashmask_c2(%q: !t, %r: tensor<?x1x?x4xi32>) {
  // expected-error@+1 {{expected a flashmask to have 1 or 2 columns with causal, got 4 [flashmask_c2]}}
  %o = attn.attention %q, %q, %q mask(flashmask(causal, %r : tensor<?x1x?x4xi32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @flashmask_c2_columns(%q: !t, %r: tensor<?x1x?x1xi32>) {
  // expected-error@+1 {{expected a flashmask to have 2 or 4 columns without causal, got 1 [flashmask_c2]}}
  %o = attn.attention %q, %q, %q mask(flashmask(%r : tensor<?x1x?x1xi32>)) : (!t, !t, !t) -> !t
  return
}
