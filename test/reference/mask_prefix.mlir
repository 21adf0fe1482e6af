// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sink and prefix: the first keys, for every query.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8
// the mean says which keys a row saw: 1 = (0), 1.5 = (0 1), 2.33333 = (0 1 2),
// 3.75 = all, 2 = (1), 3 = (1 2), 4 = (2), 6 = (2 3), 8 = (3),
// 4.66667 = (1 2 3), 2.5 = (0 2), 4.5 = (0 3), 3.66667 = (0 1 3), 5 = (1 3),
// 4.33333 = (0 2 3), 0 = none.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// Alone a sink shows its keys to every query, the future too.
// CHECK: sink: 1.5; 1.5; 1.5; 1.5{{$}}
func.func @sink() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(sink(2)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A sink beyond the length is everything.
// CHECK: sink_all: 3.75; 3.75; 3.75; 3.75{{$}}
func.func @sink_all() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(sink(9)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Sinks and a window, causal.
// CHECK: streaming: 1; 1.5; 2.33333; 4.33333{{$}}
func.func @streaming() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(causal and (sink(1) or window(2))) : (!t, !t, !t) -> !t
  return %o : !t
}

// A prefix of 2 tokens sees itself whole, the rest is causal.
// CHECK: prefix: 1.5; 1.5; 2.33333; 3.75{{$}}
func.func @prefix() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(causal or prefix(2)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Its length at run time.
// CHECK: prefix_scalar: 2.33333; 2.33333; 2.33333; 3.75{{$}}
func.func @prefix_scalar() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %n = arith.constant 3 : index
  %o = attn.attention %q, %k, %v
      mask(causal or prefix(%n : index)) : (!t, !t, !t) -> !t
  return %o : !t
}
