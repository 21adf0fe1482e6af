// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention without masks: the softmax, its scale, its logarithm, heads.
// RUN: fovea-reference %s | FileCheck %s

!q1 = tensor<1x1x1x1xf32>
!k2 = tensor<1x1x2x1xf32>

// Scores 0 and ln 2, so weights 1/3 and 2/3: (3 + 2 * 6) / 3 = 5, lse = ln 3.
// CHECK: softmax: 5{{$}}
// CHECK: softmax: 1.09861{{$}}
func.func @softmax() -> (!q1, tensor<1x1x1xf32>) {
  %q = arith.constant dense<1.0> : !q1
  %k = arith.constant dense<[[[[0.0], [0.693147180559945]]]]> : !k2
  %v = arith.constant dense<[[[[3.0], [6.0]]]]> : !k2
  %o, %lse = attn.attention %q, %k, %v
      : (!q1, !k2, !k2) -> (!q1, tensor<1x1x1xf32>)
  return %o, %lse : !q1, tensor<1x1x1xf32>
}

// dim 4: the default scale is 1/2; s = (3 * 2) / 2 = 3, and one key gives p = 1
// and lse = s.
// CHECK: default_scale: 7, 8, 9{{$}}
// CHECK: default_scale: 3{{$}}
func.func @default_scale() -> (tensor<1x1x1x3xf32>, tensor<1x1x1xf32>) {
  %q = arith.constant dense<[[[[3.0, 0.0, 0.0, 0.0]]]]> : tensor<1x1x1x4xf32>
  %k = arith.constant dense<[[[[2.0, 9.0, 9.0, 9.0]]]]> : tensor<1x1x1x4xf32>
  %v = arith.constant dense<[[[[7.0, 8.0, 9.0]]]]> : tensor<1x1x1x3xf32>
  %o, %lse = attn.attention %q, %k, %v
      : (tensor<1x1x1x4xf32>, tensor<1x1x1x4xf32>, tensor<1x1x1x3xf32>)
      -> (tensor<1x1x1x3xf32>, tensor<1x1x1xf32>)
  return %o, %lse : tensor<1x1x1x3xf32>, tensor<1x1x1xf32>
}

// scale(0.25) replaces it: s = 6 / 4.
// CHECK: scale: 1.5{{$}}
func.func @scale() -> tensor<1x1x1xf32> {
  %q = arith.constant dense<[[[[3.0, 0.0, 0.0, 0.0]]]]> : tensor<1x1x1x4xf32>
  %k = arith.constant dense<[[[[2.0, 9.0, 9.0, 9.0]]]]> : tensor<1x1x1x4xf32>
  %o, %lse = attn.attention %q, %k, %k scale(0.25)
      : (tensor<1x1x1x4xf32>, tensor<1x1x1x4xf32>, tensor<1x1x1x4xf32>)
      -> (tensor<1x1x1x4xf32>, tensor<1x1x1xf32>)
  return %lse : tensor<1x1x1xf32>
}

// Query heads 0 and 1 read KV head 0, heads 2 and 3 read KV head 1.
// CHECK: head_groups: 10 | 10 | 20 | 20{{$}}
func.func @head_groups() -> tensor<1x4x1x1xf32> {
  %q = arith.constant dense<1.0> : tensor<1x4x1x1xf32>
  %k = arith.constant dense<1.0> : tensor<1x2x1x1xf32>
  %v = arith.constant dense<[[[[10.0]], [[20.0]]]]> : tensor<1x2x1x1xf32>
  %o = attn.attention %q, %k, %v
      : (tensor<1x4x1x1xf32>, tensor<1x2x1x1xf32>, tensor<1x2x1x1xf32>)
      -> tensor<1x4x1x1xf32>
  return %o : tensor<1x4x1x1xf32>
}

// More keys than queries and no mask: every query sees every key. With equal
// scores o is the mean: (1 + 2 + 6) / 3 = 3; lse = ln 3. Each batch has its own.
// CHECK: cross: 3; 3 | 5; 5{{$}}
func.func @cross() -> tensor<2x1x2x1xf32> {
  %q = arith.constant dense<0.0> : tensor<2x1x2x1xf32>
  %k = arith.constant dense<4.0> : tensor<2x1x3x1xf32>
  %v = arith.constant dense<[[[[1.0], [2.0], [6.0]]], [[[4.0], [5.0], [6.0]]]]>
      : tensor<2x1x3x1xf32>
  %o = attn.attention %q, %k, %v
      : (tensor<2x1x2x1xf32>, tensor<2x1x3x1xf32>, tensor<2x1x3x1xf32>)
      -> tensor<2x1x2x1xf32>
  return %o : tensor<2x1x2x1xf32>
}

// Scores far beyond exp's range: the greatest is subtracted first.
// s = 1000 and 1000 + ln 3: weights 1/4 and 3/4; lse = 1000 + ln 4.
// CHECK: large: 7{{$}}
// CHECK: large: 1001.39{{$}}
func.func @large() -> (!q1, tensor<1x1x1xf32>) {
  %q = arith.constant dense<1.0> : !q1
  %v = arith.constant dense<[[[[4.0], [8.0]]]]> : !k2
  %k32 = arith.constant dense<[[[[0.0], [1.09861228866811]]]]> : !k2
  %o, %lse = attn.attention %q, %k32, %v
      score { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %c = arith.constant 1000.0 : f32
        %t = arith.addf %s, %c : f32
        attn.yield %t : f32 }
      : (!q1, !k2, !k2) -> (!q1, tensor<1x1x1xf32>)
  return %o, %lse : !q1, tensor<1x1x1xf32>
}
