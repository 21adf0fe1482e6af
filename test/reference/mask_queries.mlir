// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// queries, global: what the first tokens see.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8,
// 16, 32 the mean says which keys a row saw: times their number it is a sum whose
// bits are the keys. 0 = none.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x6x1xf32>
!kv = tensor<1x1x6x1xf32>

// The first two rows.
// CHECK: queries: 10.5; 10.5; 0; 0; 0; 0{{$}}
func.func @queries() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(queries(2)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// The rows from 4 on.
// CHECK: last: 0; 0; 0; 0; 10.5; 10.5{{$}}
func.func @last() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(not queries(4)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// Token 0 sees all and is seen by all.
// CHECK: global: 10.5; 1; 1; 1; 1; 1{{$}}
func.func @global() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(global(1)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// With a window beside it.
// CHECK: global_window: 10.5; 2.33333; 3.75; 7.25; 14.25; 16.3333{{$}}
func.func @global_window() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(global(1) or window(1, 1)) : (!t, !kv, !kv) -> !t
  return %o : !t
}
