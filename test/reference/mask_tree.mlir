// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// tree(%parents): a row sees its ancestors and itself.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8,
// 16, 32 the mean says which keys a row saw: times their number it is a sum whose
// bits are the keys.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x6x1xf32>
!kv = tensor<1x1x6x1xf32>

//   0 - 1 - 3
//     \ 2 - 4 - 5
// CHECK: tree: 1; 1.5; 2.5; 3.66667; 7; 13.25{{$}}
func.func @tree() -> !t {
  %parents = arith.constant dense<[-1, 0, 0, 1, 2, 4]> : tensor<6xi32>
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(tree(%parents : tensor<6xi32>)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// What is no smaller token ends the path: itself, a later one, one that does not
// exist, a cycle of two.
// CHECK: no_parents: 1; 2; 4; 8; 16; 24{{$}}
func.func @no_parents() -> !t {
  %parents = arith.constant dense<[0, 5, 2147483647, 4, -7, 4]> : tensor<6xi32>
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(tree(%parents : tensor<6xi32>)) : (!t, !kv, !kv) -> !t
  return %o : !t
}

// The last two of six tokens are the queries; a table for each sequence.
!u = tensor<1x1x2x1xf32>
// CHECK: last_rows: 17; 11{{$}}
func.func @last_rows() -> !u {
  %parents = arith.constant dense<[[-1, 0, 0, -1, 1, 3]]> : tensor<1x6xi32>
  %q = arith.constant dense<0.0> : !u
  %k = arith.constant dense<1.0> : !kv
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [14.0], [48.0], [8.0]]]]> : !kv
  %o = attn.attention %q, %k, %v
      mask(tree(%parents : tensor<1x6xi32>)) : (!u, !kv, !kv) -> !u
  return %o : !u
}
