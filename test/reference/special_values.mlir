// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows that see nothing, NaN and infinities.
// RUN: fovea-reference %s | FileCheck %s

!q2 = tensor<1x1x2x1xf32>
!k2 = tensor<1x1x2x1xf32>
!r2 = tensor<1x1x2xf32>

// A row that sees nothing: o = 0 and lse = -inf, not NaN.
// CHECK: nothing: 0; 0{{$}}
// CHECK: nothing: -inf, -inf{{$}}
func.func @nothing() -> (!q2, !r2) {
  %q = arith.constant dense<1.0> : !q2
  %v = arith.constant dense<5.0> : !k2
  %o, %lse = attn.attention %q, %q, %v mask(sink(0))
      : (!q2, !q2, !k2) -> (!q2, !r2)
  return %o, %lse : !q2, !r2
}

// NaN in query 0 reaches row 0 only.
// CHECK: nan_query: {{-?}}nan; 5{{$}}
func.func @nan_query() -> !q2 {
  %q = arith.constant dense<[[[[0x7FC00000], [1.0]]]]> : !q2
  %k = arith.constant dense<1.0> : !k2
  %v = arith.constant dense<5.0> : !k2
  %o = attn.attention %q, %k, %v : (!q2, !k2, !k2) -> !q2
  return %o : !q2
}

// NaN in key 1, which row 0 does not see: row 0 is v[0], row 1 is NaN.
// CHECK: nan_key: 5; {{-?}}nan{{$}}
func.func @nan_key() -> !q2 {
  %q = arith.constant dense<1.0> : !q2
  %k = arith.constant dense<[[[[1.0], [0x7FC00000]]]]> : !k2
  %v = arith.constant dense<[[[[5.0], [7.0]]]]> : !k2
  %o = attn.attention %q, %k, %v mask(causal) : (!q2, !k2, !k2) -> !q2
  return %o : !q2
}

// An infinite value that row 0 does not see and row 1 does.
// CHECK: inf_value: 5; inf{{$}}
func.func @inf_value() -> !q2 {
  %q = arith.constant dense<1.0> : !q2
  %k = arith.constant dense<1.0> : !k2
  %v = arith.constant dense<[[[[5.0], [0x7F800000]]]]> : !k2
  %o = attn.attention %q, %k, %v mask(causal) : (!q2, !k2, !k2) -> !q2
  return %o : !q2
}

// A score of -inf hides its key as a mask would, and a row of which all scores
// are -inf sees nothing.
// CHECK: inf_bias: 7; 0{{$}}
// CHECK: inf_bias: 1, -inf{{$}}
func.func @inf_bias() -> (!q2, !r2) {
  %q = arith.constant dense<1.0> : !q2
  %k = arith.constant dense<1.0> : !k2
  %v = arith.constant dense<[[[[5.0], [7.0]]]]> : !k2
  %t = arith.constant dense<[[[[0xFF800000, 0.0], [0xFF800000, 0xFF800000]]]]>
      : tensor<1x1x2x2xf32>
  %o, %lse = attn.attention %q, %k, %v
      score(bias(%t : tensor<1x1x2x2xf32>)) : (!q2, !k2, !k2) -> (!q2, !r2)
  return %o, %lse : !q2, !r2
}

// An infinite score: exp(inf - inf) is NaN, and so is the row.
// CHECK: inf_score: {{-?}}nan; 5{{$}}
func.func @inf_score() -> !q2 {
  %q = arith.constant dense<[[[[0x7F800000], [1.0]]]]> : !q2
  %k = arith.constant dense<1.0> : !k2
  %v = arith.constant dense<5.0> : !k2
  %o = attn.attention %q, %k, %v : (!q2, !k2, !k2) -> !q2
  return %o : !q2
}
