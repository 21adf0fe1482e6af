// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// window: n keys that end with the query, or sides.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8
// the mean says which keys a row saw: 1 = (0), 1.5 = (0 1), 2.33333 = (0 1 2),
// 3.75 = all, 2 = (1), 3 = (1 2), 4 = (2), 6 = (2 3), 8 = (3),
// 4.66667 = (1 2 3), 2.5 = (0 2), 4.5 = (0 3), 3.66667 = (0 1 3), 5 = (1 3),
// 4.33333 = (0 2 3), 0 = none.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// window(2) is the query and the key before it.
// CHECK: last_two: 1; 1.5; 3; 6{{$}}
func.func @last_two() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(window(2)) : (!t, !t, !t) -> !t
  return %o : !t
}

// window(1) is the query alone.
// CHECK: itself: 1; 2; 4; 8{{$}}
func.func @itself() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(window(1)) : (!t, !t, !t) -> !t
  return %o : !t
}

// One key before, one behind.
// CHECK: sides: 1.5; 2.33333; 4.66667; 6{{$}}
func.func @sides() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(window(1, 1)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Nothing before, two behind.
// CHECK: ahead: 2.33333; 4.66667; 6; 8{{$}}
func.func @ahead() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(window(0, 2)) : (!t, !t, !t) -> !t
  return %o : !t
}

// window(inf, 0) is causal.
// CHECK: unbounded: 1; 1.5; 2.33333; 3.75{{$}}
func.func @unbounded() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(window(inf, 0)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Two queries are tokens 2 and 3, so the window slides from there.
// CHECK: offset: 3; 6{{$}}
func.func @offset() -> tensor<1x1x2x1xf32> {
  %q = arith.constant dense<0.0> : tensor<1x1x2x1xf32>
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(window(2)) : (tensor<1x1x2x1xf32>, !t, !t) -> tensor<1x1x2x1xf32>
  return %o : tensor<1x1x2x1xf32>
}

// The width from a table by head.
// CHECK: by_head: 1; 1.5; 2.33333; 4.66667{{$}}
func.func @by_head() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %w = arith.constant dense<3> : tensor<1xi32>
  %o = attn.attention %q, %k, %v
      mask(window(%w : tensor<1xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// The width from a scalar.
// CHECK: scalar: 1; 1.5; 3; 6{{$}}
func.func @scalar() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %w = arith.constant 2 : index
  %o = attn.attention %q, %k, %v
      mask(window(%w : index)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A run-time width of 0 keeps nothing.
// CHECK: empty: 0; 0; 0; 0{{$}}
func.func @empty() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %w = arith.constant 0 : index
  %o = attn.attention %q, %k, %v
      mask(window(%w : index)) : (!t, !t, !t) -> !t
  return %o : !t
}
