// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// The first keys.
// CHECK-LABEL: @sink
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[N:.*]] = arith.constant 4 : index
// CHECK-NEXT: %[[KEEP:.*]] = arith.cmpi slt, %[[K]], %[[N]] : index
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @sink(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask(sink(4)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @sink_c1_number(%q: !t) {
  // expected-error@+1 {{expected the number of sinks to be from 0 to 2147483647, got -1 [sink_c1]}}
  %o = attn.attention %q, %q, %q mask(sink(-1)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @sink_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected sink(n) [sink_c1]}}
  %o = attn.attention %q, %q, %q mask(sink(inf)) : (!t, !t, !t) -> !t
  return
}
