// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// The first keys, for every query.
// CHECK-LABEL: @prefix
// CHECK-SAME: %[[N:[^ :,]+]]: i32)
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[I:.*]] = arith.index_cast %[[N]] : i32 to index
// CHECK-NEXT: %[[KEEP:.*]] = arith.cmpi slt, %[[K]], %[[I]] : index
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @prefix(%q: !t, %n: i32) -> !t {
  %o = attn.attention %q, %q, %q mask(prefix(%n : i32)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @prefix_c1_number(%q: !t) {
  // expected-error@+1 {{expected the length of the prefix to be from 0 to 2147483647, got -3 [prefix_c1]}}
  %o = attn.attention %q, %q, %q mask(prefix(-3)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @prefix_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected prefix(n) [prefix_c1]}}
  %o = attn.attention %q, %q, %q mask(prefix) : (!t, !t, !t) -> !t
  return
}
