// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// CHECK-LABEL: @bottom_right
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[KEEP:.*]] = arith.cmpi sle, %[[K]], %[[Q]] : index
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @bottom_right(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask(causal(bottom_right)) : (!t, !t, !t) -> !t
  return %o : !t
}

// The offset is the number of keys minus that of queries.
// CHECK-LABEL: @top_left
// CHECK-SAME: %[[X:[^ :,]+]]: tensor<?x8x?x64xf32>, %[[Y:[^ :,]+]]: tensor<?x8x?x64xf32>)
// CHECK: %[[SQ:.*]] = tensor.dim %[[X]]
// CHECK: %[[SK:.*]] = tensor.dim %[[Y]]
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[OFF:.*]] = arith.subi %[[SK]], %[[SQ]] : index
// CHECK-NEXT: %[[ROW:.*]] = arith.subi %[[Q]], %[[OFF]] : index
// CHECK-NEXT: arith.cmpi sle, %[[K]], %[[ROW]] : index
func.func @top_left(%q: !t, %k: !t) -> !t {
  %o = attn.attention %q, %k, %k mask(causal(top_left)) : (!t, !t, !t) -> !t
  return %o : !t
}

// The clauses offset and lengths replace both.
// CHECK-LABEL: @given
// CHECK-SAME: %[[OFFS:[^ :,]+]]: tensor<?xi32>, %[[LENS:[^ :,]+]]: tensor<?xi32>, %[[LENS2:[^ :,]+]]: tensor<?xi32>)
// CHECK: ^bb0(%[[B:[^ :,]+]]: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[E:.*]] = tensor.extract %[[OFFS]][%[[B]]]
// CHECK-NEXT: %[[OFF:.*]] = arith.index_cast %[[E]] : i32 to index
// CHECK-NEXT: %[[ROW:.*]] = arith.subi %[[Q]], %[[OFF]] : index
// CHECK: ^bb0(%[[B:[^ :,]+]]: index,
// CHECK-NEXT: %[[E:.*]] = tensor.extract %[[LENS2]][%[[B]]]
// CHECK-NEXT: %[[LEN:.*]] = arith.index_cast %[[E]] : i32 to index
// CHECK-NEXT: arith.subi %[[LEN]], %{{.*}} : index
func.func @given(%q: !t, %offs: tensor<?xi32>, %lens: tensor<?xi32>, %lens2: tensor<?xi32>) -> (!t, !t) {
  %o = attn.attention %q, %q, %q mask(causal(top_left)) offset(%offs : tensor<?xi32>)
    lengths(%lens : tensor<?xi32>) : (!t, !t, !t) -> !t
  %o2 = attn.attention %q, %q, %q mask(causal(top_left))
    lengths(%lens2 : tensor<?xi32>) : (!t, !t, !t) -> !t
  return %o, %o2 : !t, !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @causal_c1_word(%q: !t) {
  // expected-error@+1 {{unknown alignment 'topleft': did you mean 'top_left'? alignments are: bottom_right, top_left [causal_c1]}}
  %o = attn.attention %q, %q, %q mask(causal(topleft)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @causal_c1_number(%q: !t) {
  // expected-error@+1 {{expected causal or causal(alignment) [causal_c1]}}
  %o = attn.attention %q, %q, %q mask(causal(3)) : (!t, !t, !t) -> !t
  return
}
