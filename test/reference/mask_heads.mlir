// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// heads: a mask for each query head.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8,
// 16, 32 the mean says which keys a row saw: times their number it is a sum whose
// bits are the keys. 0 = none.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x4x6x1xf32>
!kv = tensor<1x1x6x1xf32>

// Mask 1, mask 0, and classes that do not exist.
// CHECK: classes: 1.5; 1.5; 1.5; 1.5; 1.5; 1.5 | 1; 1.5; 2.33333; 3.75; 6.2; 10.5 | 0; 0; 0; 0; 0; 0 | 0; 0; 0; 0; 0; 0{{$}}
func.func @classes() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %c = arith.constant dense<[1, 0, 2, -1]> : tensor<4xi32>
  %o = attn.attention %q, %k, %v
      mask(heads(%c : tensor<4xi32>, causal, sink(2))) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// What no mask keeps, not keeps.
// CHECK: not_: 10.5; 10.5; 10.5; 10.5; 10.5; 10.5 | 12.4; 15; 18.6667; 24; 32; 0 | 10.5; 10.5; 10.5; 10.5; 10.5; 10.5 | 10.5; 10.5; 10.5; 10.5; 10.5; 10.5{{$}}
func.func @not_() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %c = arith.constant dense<[1, 0, 2, -1]> : tensor<4xi32>
  %o = attn.attention %q, %k, %v
      mask(not heads(%c : tensor<4xi32>, causal)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// One class for all heads.
// CHECK: scalar: 1; 1; 1; 1; 1; 1 | 1; 1; 1; 1; 1; 1 | 1; 1; 1; 1; 1; 1 | 1; 1; 1; 1; 1; 1{{$}}
func.func @scalar() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %c = arith.constant 1 : index
  %o = attn.attention %q, %k, %v
      mask(heads(%c : index, causal, sink(1))) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// Heads in heads.
// CHECK: nested: 1; 1.5; 2.33333; 2.33333; 2.33333; 2.33333 | 1; 1.5; 1.5; 1.5; 1.5; 1.5 | 1; 1; 1; 1; 1; 1 | 1; 1.5; 1.5; 1.5; 1.5; 1.5{{$}}
func.func @nested() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %c = arith.constant 0 : i32
  %d = arith.constant dense<[2, 1, 0, 1]> : tensor<4xi64>
  %o = attn.attention %q, %k, %v
      mask(heads(%c : i32, heads(%d : tensor<4xi64>, sink(1), sink(2), sink(3))) and causal) : (!t, !kv, !kv) -> !t
  return %o : !t
}
