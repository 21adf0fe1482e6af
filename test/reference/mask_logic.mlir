// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// and, or, not: `not` binds tightest, then `and`, then `or`.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8
// the mean says which keys a row saw: 1 = (0), 1.5 = (0 1), 2.33333 = (0 1 2),
// 3.75 = all, 2 = (1), 3 = (1 2), 4 = (2), 6 = (2 3), 8 = (3),
// 4.66667 = (1 2 3), 2.5 = (0 2), 4.5 = (0 3), 3.66667 = (0 1 3), 5 = (1 3),
// 4.33333 = (0 2 3), 0 = none.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// Both.
// CHECK: and_: 1; 1; 1; 1{{$}}
func.func @and_() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(causal and sink(1)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Any.
// CHECK: or_: 1; 1.5; 2.5; 4.5{{$}}
func.func @or_() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(window(1) or sink(1)) : (!t, !t, !t) -> !t
  return %o : !t
}

// What a mask hides.
// CHECK: not_: 4.66667; 6; 8; 0{{$}}
func.func @not_() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(not causal) : (!t, !t, !t) -> !t
  return %o : !t
}

// (not sink(1)) and causal.
// CHECK: not_and: 0; 2; 3; 4.66667{{$}}
func.func @not_and() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(not sink(1) and causal) : (!t, !t, !t) -> !t
  return %o : !t
}

// window(1) or (causal and sink(1)): key 0, and itself.
// CHECK: and_or: 1; 1.5; 2.5; 4.5{{$}}
func.func @and_or() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(window(1) or causal and sink(1)) : (!t, !t, !t) -> !t
  return %o : !t
}

// (window(1) or causal) and sink(1).
// CHECK: parentheses: 1; 1; 1; 1{{$}}
func.func @parentheses() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask((window(1) or causal) and sink(1)) : (!t, !t, !t) -> !t
  return %o : !t
}

// The complement does not show what is past the length.
// CHECK: not_length: 3{{$}}
func.func @not_length() -> tensor<1x1x1x1xf32> {
  %q = arith.constant dense<0.0> : tensor<1x1x1x1xf32>
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %n = arith.constant dense<3> : tensor<1xi32>
  %o = attn.attention %q, %k, %v
      mask(not sink(1)) lengths(%n : tensor<1xi32>) : (tensor<1x1x1x1xf32>, !t, !t) -> tensor<1x1x1x1xf32>
  return %o : tensor<1x1x1x1xf32>
}
