// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// causal and its alignments.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8
// the mean says which keys a row saw: 1 = (0), 1.5 = (0 1), 2.33333 = (0 1 2),
// 3.75 = all, 2 = (1), 3 = (1 2), 4 = (2), 6 = (2 3), 8 = (3),
// 4.66667 = (1 2 3), 2.5 = (0 2), 4.5 = (0 3), 3.66667 = (0 1 3), 5 = (1 3),
// 4.33333 = (0 2 3), 0 = none.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// Query i sees the keys up to i.
// CHECK: square: 1; 1.5; 2.33333; 3.75{{$}}
func.func @square() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(causal) : (!t, !t, !t) -> !t
  return %o : !t
}

// Two queries over four keys are tokens 2 and 3.
// CHECK: bottom_right: 2.33333; 3.75{{$}}
func.func @bottom_right() -> tensor<1x1x2x1xf32> {
  %q = arith.constant dense<0.0> : tensor<1x1x2x1xf32>
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(causal) : (tensor<1x1x2x1xf32>, !t, !t) -> tensor<1x1x2x1xf32>
  return %o : tensor<1x1x2x1xf32>
}

// Aligned at the other corner they are tokens 0 and 1.
// CHECK: top_left: 1; 1.5{{$}}
func.func @top_left() -> tensor<1x1x2x1xf32> {
  %q = arith.constant dense<0.0> : tensor<1x1x2x1xf32>
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(causal(top_left)) : (tensor<1x1x2x1xf32>, !t, !t) -> tensor<1x1x2x1xf32>
  return %o : tensor<1x1x2x1xf32>
}

// Six queries over four keys: the first two are before every key.
// CHECK: more_queries: 0; 0; 1; 1.5; 2.33333; 3.75{{$}}
func.func @more_queries() -> tensor<1x1x6x1xf32> {
  %q = arith.constant dense<0.0> : tensor<1x1x6x1xf32>
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(causal) : (tensor<1x1x6x1xf32>, !t, !t) -> tensor<1x1x6x1xf32>
  return %o : tensor<1x1x6x1xf32>
}

// One query sees everything.
// CHECK: decode: 3.75{{$}}
func.func @decode() -> tensor<1x1x1x1xf32> {
  %q = arith.constant dense<0.0> : tensor<1x1x1x1xf32>
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(causal) : (tensor<1x1x1x1xf32>, !t, !t) -> tensor<1x1x1x1xf32>
  return %o : tensor<1x1x1x1xf32>
}
