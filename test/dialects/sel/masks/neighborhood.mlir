// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// One axis: two comparisons of the key with ends that only the query has.
// CHECK-LABEL: @one_axis
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK: %[[X:.*]] = arith.maxsi %[[Q]], %{{.*}} : index
// CHECK: %[[BEFORE:.*]] = arith.subi %[[X]], %c2
// CHECK: %[[LAST:.*]] = arith.subi %c20{{.*}}, %c5
// CHECK: %[[LEAST:.*]] = arith.minsi %[[BEFORE]], %[[LAST]]
// CHECK: %[[BEGIN:.*]] = arith.maxsi %[[LEAST]], %c0
// CHECK: %[[END:.*]] = arith.addi %[[BEGIN]], %c5
// CHECK: arith.cmpi sle, %[[BEGIN]], %[[K]] : index
// CHECK: arith.cmpi slt, %[[K]], %[[END]] : index
// CHECK-NOT: arith.remsi
// CHECK: sel.yield
func.func @one_axis(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask(neighborhood(grid(20), window(5))) : (!t, !t, !t) -> !t
  return %o : !t
}

// Two axes: the key's row and column.
// CHECK-LABEL: @two_axes
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[K:[^ :,]+]]: index):
// CHECK: arith.divsi %[[K]], %c12
// CHECK: arith.remsi %[[K]], %c12
// CHECK: sel.yield
func.func @two_axes(%q: !t, %n: index) -> !t {
  %o = attn.attention %q, %q, %q
      mask(neighborhood(grid(%n : index, 12), window(3, 4), causal(0))) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_c1_form(%q: !t) {
  // expected-error@+1 {{expected neighborhood(grid(n, ..), window(w, ..)) and dilation(d, ..), stride(s, ..) or causal(axis, ..) [neighborhood_c1]}}
  %o = attn.attention %q, %q, %q mask(neighborhood(12, 3)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_c1_twice(%q: !t) {
  // expected-error@+1 {{expected grid, window, dilation, stride and causal of a neighborhood, each at most once, got #sel.group<"grid", 12 : i64> [neighborhood_c1]}}
  %o = attn.attention %q, %q, %q mask(neighborhood(grid(12), window(3), grid(12))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_c1_axes(%q: !t) {
  // expected-error@+1 {{expected the grid of a neighborhood to have 1 to 3 axes, got 4 [neighborhood_c1]}}
  %o = attn.attention %q, %q, %q
      mask(neighborhood(grid(4, 4, 4, 4), window(1, 1, 1, 1))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_c1_window(%q: !t) {
  // expected-error@+1 {{expected the window of a neighborhood to have a number for each of 2 axes, got 0 [neighborhood_c1]}}
  %o = attn.attention %q, %q, %q mask(neighborhood(grid(4, 4))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_c1_stride(%q: !t) {
  // expected-error@+1 {{expected the stride of a neighborhood to have a number for each of 2 axes, got 1 [neighborhood_c1]}}
  %o = attn.attention %q, %q, %q
      mask(neighborhood(grid(4, 4), window(2, 2), stride(1))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_c2_literal(%q: !t, %w: index) {
  // expected-error@+1 {{expected the window of a neighborhood to be integers from 1 to 2147483647, got #sel.arg<0> [neighborhood_c2]}}
  %o = attn.attention %q, %q, %q
      mask(neighborhood(grid(4), window(%w : index))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_c2_extent(%q: !t) {
  // expected-error@+1 {{expected an extent of the grid to be from 1 to 2147483647, got 0 [neighborhood_c2]}}
  %o = attn.attention %q, %q, %q mask(neighborhood(grid(0), window(1))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_c2_stride(%q: !t) {
  // expected-error@+1 {{expected the stride of axis 1 to be at most the window, got 3 and 2 [neighborhood_c2]}}
  %o = attn.attention %q, %q, %q
      mask(neighborhood(grid(9, 9), window(2, 2), stride(2, 3))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_c2_reach(%q: !t, %n: index) {
  // expected-error@+1 {{expected window times dilation of axis 1 to be at most its extent, got 10 and 9 [neighborhood_c2]}}
  %o = attn.attention %q, %q, %q
      mask(neighborhood(grid(%n : index, 9), window(5, 5), dilation(2, 2))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_c3(%q: !t) {
  // expected-error@+1 {{expected the causal axes of a neighborhood to ascend from 0 to 1, got 2 : i64 [neighborhood_c3]}}
  %o = attn.attention %q, %q, %q
      mask(neighborhood(grid(9, 9), window(2, 2), causal(0, 2))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @neighborhood_group(%q: !t) {
  // expected-error@+1 {{unknown group 'windows': did you mean 'window'? groups are: causal, dilation, grid, stride, window [group_c1]}}
  %o = attn.attention %q, %q, %q mask(neighborhood(grid(9), windows(2))) : (!t, !t, !t) -> !t
  return
}
