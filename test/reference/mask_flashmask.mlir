// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// flashmask: keys are hidden from intervals of rows. What a mean says: see
// mask_documents.mlir.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// Key 0 is seen by the rows below 2, key 1 by the rows 1 to 3, key 2 by none, key 3
// by row 3.
// CHECK: one_column: 1; 1.5; 2; 5{{$}}
func.func @one_column() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %r = arith.constant dense<[[[[2], [4], [2], [9]]]]> : tensor<1x1x4x1xi32>
  %o = attn.attention %q, %k, %v
      mask(flashmask(causal, %r : tensor<1x1x4x1xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Key 0 is hidden from row 1, key 1 from rows 2 and 3, key 2 from no row.
// CHECK: two_columns: 1; 2; 2.5; 4.33333{{$}}
func.func @two_columns() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %r = arith.constant dense<[[[[1, 2], [2, 4], [4, 4], [4, 4]]]]> : tensor<1x1x4x2xi32>
  %o = attn.attention %q, %k, %v
      mask(flashmask(causal, %r : tensor<1x1x4x2xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Documents of 1 and 3 tokens, to both sides.
// CHECK: two_sided: 1; 4.66667; 4.66667; 4.66667{{$}}
func.func @two_sided() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %r = arith.constant dense<[[[[1, 0], [4, 1], [4, 1], [4, 1]]]]> : tensor<1x1x4x2xi32>
  %o = attn.attention %q, %k, %v
      mask(flashmask(%r : tensor<1x1x4x2xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Key 0 is seen by all, key 1 hidden from rows 0 and 3, key 2 from 3, key 3 from 0 to 2.
// CHECK: four_columns: 2.5; 2.33333; 2.33333; 4.5{{$}}
func.func @four_columns() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<1.0> : !t
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]]]> : !t
  %r = arith.constant dense<[[[[4, 4, 0, 0], [3, 4, 0, 1], [3, 9, 0, 0], [4, 4, 0, 3]]]]>
      : tensor<1x1x4x4xi32>
  %o = attn.attention %q, %k, %v
      mask(flashmask(%r : tensor<1x1x4x4xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A table by KV head: query heads 0 and 1 see what is past, heads 2 and 3 key 1 alone.
// CHECK: by_kv_head: 1; 1.5 | 1; 1.5 | 0; 2 | 0; 2{{$}}
func.func @by_kv_head() -> tensor<1x4x2x1xf32> {
  %q = arith.constant dense<0.0> : tensor<1x4x2x1xf32>
  %k = arith.constant dense<1.0> : tensor<1x2x2x1xf32>
  %v = arith.constant dense<[[[[1.0], [2.0]], [[1.0], [2.0]]]]> : tensor<1x2x2x1xf32>
  %r = arith.constant dense<[[[[9], [9]], [[0], [9]]]]> : tensor<1x2x2x1xi32>
  %o = attn.attention %q, %k, %v
      mask(flashmask(causal, %r : tensor<1x2x2x1xi32>))
      : (tensor<1x4x2x1xf32>, tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32>) -> tensor<1x4x2x1xf32>
  return %o : tensor<1x4x2x1xf32>
}
