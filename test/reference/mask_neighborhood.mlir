// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// neighborhood: windows on a grid. What a mean says: see mask_documents.mlir.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// A window of 3 is shifted at the edges.
// CHECK: edges: 2.33333; 2.33333; 4.66667; 4.66667{{$}}
func.func @edges() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v mask(neighborhood(grid(4), window(3))) : (!t, !t, !t) -> !t
  return %o : !t
}

// An even window has one place more before the query.
// CHECK: even: 1.5; 1.5; 3; 6{{$}}
func.func @even() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v mask(neighborhood(grid(4), window(2))) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK: causal: 1; 1.5; 3; 6{{$}}
func.func @causal() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(neighborhood(grid(4), window(2), causal(0))) : (!t, !t, !t) -> !t
  return %o : !t
}

// Tokens 0 and 2, and 1 and 3.
// CHECK: dilated: 2.5; 5; 2.5; 5{{$}}
func.func @dilated() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(neighborhood(grid(4), window(2), dilation(2))) : (!t, !t, !t) -> !t
  return %o : !t
}

// Leaders 1 and 3 of two queries each, a window of 2.
// CHECK: strided: 1.5; 1.5; 6; 6{{$}}
func.func @strided() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v
      mask(neighborhood(grid(4), window(2), stride(2))) : (!t, !t, !t) -> !t
  return %o : !t
}

// Two rows of two: the own row, or the own column.
// CHECK: rows: 1.5; 1.5; 6; 6{{$}}
func.func @rows() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v mask(neighborhood(grid(2, 2), window(1, 2))) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK: columns: 2.5; 5; 2.5; 5{{$}}
func.func @columns() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %o = attn.attention %q, %k, %v mask(neighborhood(grid(2, 2), window(2, 1))) : (!t, !t, !t) -> !t
  return %o : !t
}

// Token 3 is outside of a grid of 3, and a run-time grid may be smaller than the window.
// CHECK: outside: 2.33333; 2.33333; 2.33333; 0{{$}}
func.func @outside() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %n = arith.constant 3 : index
  %o = attn.attention %q, %k, %v mask(neighborhood(grid(%n : index), window(5))) : (!t, !t, !t) -> !t
  return %o : !t
}
