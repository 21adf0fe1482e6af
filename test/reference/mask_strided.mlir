// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// dilated, columns: what repeats.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8,
// 16, 32 the mean says which keys a row saw: times their number it is a sum whose
// bits are the keys. 0 = none.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x6x1xf32>
!kv = tensor<1x1x6x1xf32>

// Every third key, on both sides.
// CHECK: dilated: 4.5; 9; 18; 4.5; 9; 18{{$}}
func.func @dilated() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(dilated(3)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// Every second one before the query.
// CHECK: dilated_causal: 1; 2; 2.5; 5; 7; 14{{$}}
func.func @dilated_causal() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(causal and dilated(2)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// Keys 1 and 4.
// CHECK: columns: 9; 9; 9; 9; 9; 9{{$}}
func.func @columns() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(columns(3, 1, 1)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// The first may be beyond the period: 8 is 2.
// CHECK: columns_far: 18; 18; 18; 18; 18; 18{{$}}
func.func @columns_far() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(columns(3, 8, 1)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// Two columns that begin at the last of the period: keys 0, 2, 3, 5.
// CHECK: columns_wrap: 11.25; 11.25; 11.25; 11.25; 11.25; 11.25{{$}}
func.func @columns_wrap() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(columns(3, 2, 2)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// No columns keep nothing.
// CHECK: columns_none: 0; 0; 0; 0; 0; 0{{$}}
func.func @columns_none() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(columns(3, 1, 0)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// A run-time step or period below 1 keeps nothing.
// CHECK: no_period: 0; 0; 0; 0; 0; 0{{$}}
func.func @no_period() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %n = arith.constant 0 : index
  %o = attn.attention %q, %k, %v
      mask(dilated(%n : index) or columns(%n : index, 0, 9)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// All of it at run time; keys 3 and 4.
// CHECK: columns_run_time: 12; 12; 12; 12; 12; 12{{$}}
func.func @columns_run_time() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %p = arith.constant 5 : i32
  %f = arith.constant 8 : i64
  %n = arith.constant 2 : index
  %o = attn.attention %q, %k, %v
      mask(columns(%p : i32, %f : i64, %n : index)) : (!t, !kv, !kv) -> !t
  return %o : !t
}
