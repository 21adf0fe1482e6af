// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// documents: keys of the query's own document.
// Queries are 0, so every visible key weighs the same; with the values 1, 2, 4, 8
// the mean says which keys a row saw: 1 = (0), 1.5 = (0 1), 2.33333 = (0 1 2),
// 3.75 = all, 2 = (1), 3 = (1 2), 4 = (2), 6 = (2 3), 8 = (3),
// 4.66667 = (1 2 3), 2.5 = (0 2), 4.5 = (0 3), 3.66667 = (0 1 3), 5 = (1 3),
// 4.33333 = (0 2 3), 0 = none.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// Documents of 1, 2 and 1 tokens.
// CHECK: packed: 1; 3; 3; 8{{$}}
func.func @packed() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %d = arith.constant dense<[7, 8, 8, 9]> : tensor<4xi32>
  %o = attn.attention %q, %k, %v
      mask(documents(%d : tensor<4xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Ids need not ascend: tokens 0 and 2 belong together.
// CHECK: apart: 2.5; 5; 2.5; 5{{$}}
func.func @apart() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %d = arith.constant dense<[5, 1, 5, 1]> : tensor<4xi32>
  %o = attn.attention %q, %k, %v
      mask(documents(%d : tensor<4xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// With a table by batch and token.
// CHECK: by_batch: 1; 1.5; 4; 6{{$}}
func.func @by_batch() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %d = arith.constant dense<[[0, 0, 1, 1]]> : tensor<1x4xi32>
  %o = attn.attention %q, %k, %v
      mask(causal and documents(%d : tensor<1x4xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Every token has its range of keys; an empty one, and one past the end.
// CHECK: spans: 1.5; 0; 6; 3.75{{$}}
func.func @spans() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %start = arith.constant dense<[-3, 2, 2, 0]> : tensor<4xi32>
  %end = arith.constant dense<[2, 1, 99, 4]> : tensor<4xi32>
  %o = attn.attention %q, %k, %v
      mask(documents(spans(%start : tensor<4xi32>, %end : tensor<4xi32>))) : (!t, !t, !t) -> !t
  return %o : !t
}

// The queries are tokens 2 and 3.
// CHECK: offset: 3; 8{{$}}
func.func @offset() -> tensor<1x1x2x1xf32> {
  %q = arith.constant dense<0.0> : tensor<1x1x2x1xf32>
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %d = arith.constant dense<[7, 8, 8, 9]> : tensor<4xi32>
  %o = attn.attention %q, %k, %v
      mask(documents(%d : tensor<4xi32>)) : (tensor<1x1x2x1xf32>, !t, !t) -> tensor<1x1x2x1xf32>
  return %o : tensor<1x1x2x1xf32>
}

// By boundaries: tokens 0 and 2 are alone, as the second of two equal boundaries
// begins an empty document, and token 3 is behind the last one.
// CHECK: boundaries: 1; 2; 4; 0{{$}}
func.func @boundaries() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %cu = arith.constant dense<[0, 1, 1, 2, 3]> : tensor<5xi32>
  %o = attn.attention %q, %k, %v
      mask(documents(cu_seqlens(%cu : tensor<5xi32>))) : (!t, !t, !t) -> !t
  return %o : !t
}

// In the row of the batch; token 0 is before the first boundary, and the last
// document ends past the tokens.
// CHECK: boundaries_by_batch: 0; 3; 3; 8{{$}}
func.func @boundaries_by_batch() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %cu = arith.constant dense<[[1, 3, 9]]> : tensor<1x3xi32>
  %o = attn.attention %q, %k, %v
      mask(documents(cu_seqlens(%cu : tensor<1x3xi32>))) : (!t, !t, !t) -> !t
  return %o : !t
}
