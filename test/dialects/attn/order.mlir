// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The clause `order`: spelling and constraints.
// RUN: fovea-opt %s -split-input-file -verify-diagnostics | fovea-opt -split-input-file | FileCheck %s

!t = tensor<?x8x?x64xf32>
// CHECK-LABEL: @spelling
func.func @spelling(%q: !t) {
  // CHECK: attn.attention {{.*}} order(grid(45, 80)) :
  %0 = attn.attention %q, %q, %q order(grid(45, 80)) : (!t, !t, !t) -> !t
  // CHECK: attn.attention {{.*}} mask(causal) order(grid(4, 6, 8), box(2, 3, 8)) :
  %1 = attn.attention %q, %q, %q order(grid(4, 6, 8), box(2, 3, 8)) mask(causal) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @word(%q: !t) {
  // expected-error@+1 {{unknown part of an order 'gird': did you mean 'grid'? parts are: grid}}
  %o = attn.attention %q, %q, %q order(gird(45, 80)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @order_c1_rank(%q: !t) {
  // expected-error@+1 {{expected the grid of 'order' to have 1 to 3 extents from 1 on and 64 to 16777216 points, got [4, 4, 4, 4] [order_c1]}}
  %o = attn.attention %q, %q, %q order(grid(4, 4, 4, 4)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @order_c1_extent(%q: !t) {
  // expected-error@+1 {{got [-8, 0] [order_c1]}}
  %o = attn.attention %q, %q, %q order(grid(-8, 0)) : (!t, !t, !t) -> !t
  return
}

// -----

// Few points are no grid, and many would overflow.
!t = tensor<?x8x?x64xf32>
func.func @order_c1_points(%q: !t) {
  // expected-error@+1 {{got [7, 9] [order_c1]}}
  %o = attn.attention %q, %q, %q order(grid(7, 9)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @order_c1_overflow(%q: !t) {
  // expected-error@+1 {{got [16777216, 16777216, 16777216] [order_c1]}}
  %o = attn.attention %q, %q, %q order(grid(16777216, 16777216, 16777216)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @order_c2_rank(%q: !t) {
  // expected-error@+1 {{expected the box of 'order' to have an extent for each of the grid's, from 1 to it, got [8] in [45, 80] [order_c2]}}
  %o = attn.attention %q, %q, %q order(grid(45, 80), box(8)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @order_c2_extent(%q: !t) {
  // expected-error@+1 {{got [46, 8] in [45, 80] [order_c2]}}
  %o = attn.attention %q, %q, %q order(grid(45, 80), box(46, 8)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @order_c3(%q: !t, %n: tensor<?xi32>) {
  // expected-error@+1 {{expected 'order' over a key and a value, without list, offset or lengths, got the clause 'lengths' [order_c3]}}
  %o = attn.attention %q, %q, %q order(grid(45, 80)) lengths(%n : tensor<?xi32>) : (!t, !t, !t) -> !t
  return
}

// -----

!q = tensor<?x8x?x64xf32>
!c = !kv.cache<heads = 8, dim = 64, segments = [all : f32]>
func.func @order_c3_cache(%q: !q, %c: !c) {
  // expected-error@+2 {{expected 'order' over a key and a value, without list, offset or lengths, got a cache [order_c3]}}
  // expected-note@+1 {{a cache is walked in the order in which its tokens were appended: append the tokens of a grid box by box, or attend to them as tensors before they are appended}}
  %o = attn.attention %q, %c order(grid(45, 80)) : (!q, !c) -> !q
  return
}

// -----

!q = tensor<?x8x3600x64xf32>
!k = tensor<?x8x3700x64xf32>
func.func @order_c4(%q: !q, %k: !k) {
  // expected-error@+1 {{expected as many queries as keys, at least the 3600 points of the grid, got [3600, 3700] [order_c4]}}
  %o = attn.attention %q, %k, %k order(grid(45, 80)) : (!q, !k, !k) -> !q
  return
}
