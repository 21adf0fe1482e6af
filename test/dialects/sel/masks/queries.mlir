// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// Rows, then rows and columns.
// CHECK-LABEL: @queries
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[N:.*]] = arith.constant 3 : index
// CHECK-NEXT: %[[A:.*]] = arith.cmpi slt, %[[Q]], %[[N]] : index
// CHECK-NEXT: %[[G:.*]] = arith.constant 5 : index
// CHECK-NEXT: %[[B:.*]] = arith.cmpi slt, %[[Q]], %[[G]] : index
// CHECK-NEXT: %[[C:.*]] = arith.cmpi slt, %[[K]], %[[G]] : index
// CHECK-NEXT: arith.ori %[[B]], %[[C]] : i1
func.func @queries(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask(queries(3) or global(5)) : (!t, !t, !t) -> !t
  return %o : !t
}


// -----

!t = tensor<?x8x?x64xf32>
func.func @queries_c1_number(%q: !t) {
  // expected-error@+1 {{expected the number of queries to be from 0 to 2147483647, got -1 [queries_c1]}}
  %o = attn.attention %q, %q, %q mask(queries(-1)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @queries_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected queries(n) [queries_c1]}}
  %o = attn.attention %q, %q, %q mask(queries) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @global_c1_number(%q: !t) {
  // expected-error@+1 {{expected the number of global tokens to be from 0 to 2147483647, got -1 [global_c1]}}
  %o = attn.attention %q, %q, %q mask(global(-1)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @global_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected global(n) [global_c1]}}
  %o = attn.attention %q, %q, %q mask(global(1, 2)) : (!t, !t, !t) -> !t
  return
}
