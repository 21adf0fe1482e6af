// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lists of slices. All keys are alike and values are powers of two, so that a row
// is the mean of the values that it sees.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// Full, on rows 0 and 1 and keys 1 and 2; rows 2 and 3 see nothing.
// CHECK: full: 3; 3; 0; 0{{$}}
func.func @full() -> !t {
  %q = arith.constant dense<0.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %l = arith.constant dense<[[0, 2, 1, 3, 0]]> : tensor<1x5xi32>
  %o = attn.attention %q, %q, %v mask(slices(%l : tensor<1x5xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Causal, rows 0 to 3, keys 1 to 3: the last row sees all three, the one before
// keys 1 and 2, the second key 1, the first none.
// CHECK: causal: 0; 2; 3; 4.66667{{$}}
func.func @causal() -> !t {
  %q = arith.constant dense<0.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %l = arith.constant dense<[[0, 4, 1, 4, 1]]> : tensor<1x5xi32>
  %o = attn.attention %q, %q, %v mask(slices(%l : tensor<1x5xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Inverse causal: the first row sees all three, then a key less each.
// CHECK: inverse: 4.66667; 6; 8; 0{{$}}
func.func @inverse() -> !t {
  %q = arith.constant dense<0.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %l = arith.constant dense<[[0, 4, 1, 4, 2]]> : tensor<1x5xi32>
  %o = attn.attention %q, %q, %v mask(slices(%l : tensor<1x5xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Both, rows 0 to 2 and keys 0 to 3: a band of two keys. A second slice gives row
// 3 key 0 and overlaps, those of other types and without rows give nothing.
// CHECK: band: 1.5; 3; 6; 1{{$}}
func.func @band() -> !t {
  %q = arith.constant dense<0.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %l = arith.constant dense<[[0, 3, 0, 4, 3], [0, 4, 0, 1, 1], [0, 4, 0, 4, 4], [0, 4, 0, 4, -1], [2, 2, 0, 4, 0]]> : tensor<5x5xi32>
  %o = attn.attention %q, %q, %v mask(slices(%l : tensor<5x5xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}
