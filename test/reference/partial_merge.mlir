// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.partial and attn.merge: the state (o, m, l) and how states join.
// RUN: fovea-reference %s | FileCheck %s

!q = tensor<1x1x2x1xf32>
!k = tensor<1x1x2x1xf32>
!r = tensor<1x1x2xf32>

// Row 0 sees the key with s = 0 alone: m = 0, l = 1, o = 3. Row 1 (q = 1) sees
// 0 and ln 2: m = ln 2, l = 1/2 + 1, o = 3/2 + 6.
// CHECK: partial: 3; 7.5{{$}}
// CHECK: partial: 0, 0.693147{{$}}
// CHECK: partial: 1, 1.5{{$}}
func.func @partial() -> (!q, !r, !r) {
  %q = arith.constant dense<1.0> : !q
  %k = arith.constant dense<[[[[0.0], [0.693147180559945]]]]> : !k
  %v = arith.constant dense<[[[[3.0], [6.0]]]]> : !k
  %o, %m, %l = attn.partial %q, %k, %v mask(causal) : (!q, !k, !k) -> (!q, !r, !r)
  return %o, %m, %l : !q, !r, !r
}

// CHECK: nothing: 0; 0{{$}}
// CHECK: nothing: -inf, -inf{{$}}
// CHECK: nothing: 0, 0{{$}}
func.func @nothing() -> (!q, !r, !r) {
  %q = arith.constant dense<1.0> : !q
  %o, %m, %l = attn.partial %q, %q, %q mask(sink(0)) : (!q, !k, !k) -> (!q, !r, !r)
  return %o, %m, %l : !q, !r, !r
}

// Row 0: M = ln 4, L = 1 + 2 / 4 = 1.5, O = 6 + 6 / 4 = 7.5: 5 and
// ln 4 + ln 1.5 = ln 6. Row 1: the second part is empty: 8 / 2 and 1 + ln 2.
// CHECK: merge: 5; 4{{$}}
// CHECK: merge: 1.79176, 1.69315{{$}}
func.func @merge() -> (!q, !r) {
  %o0 = arith.constant dense<[[[[6.0], [8.0]]]]> : !q
  %m0 = arith.constant dense<[[[1.38629436111989, 1.0]]]> : !r
  %l0 = arith.constant dense<[[[1.0, 2.0]]]> : !r
  %o1 = arith.constant dense<[[[[6.0], [0.0]]]]> : !q
  %m1 = arith.constant dense<[[[0.0, 0xFF800000]]]> : !r
  %l1 = arith.constant dense<[[[2.0, 0.0]]]> : !r
  %o, %lse = attn.merge lse(%o0, %m0, %l0), (%o1, %m1, %l1)
      : (!q, !r, !r), (!q, !r, !r) -> (!q, !r)
  return %o, %lse : !q, !r
}

// All parts empty: 0 and -inf.
// CHECK: merge_nothing: 0; 0{{$}}
// CHECK: merge_nothing: -inf, -inf{{$}}
func.func @merge_nothing() -> (!q, !r) {
  %o = arith.constant dense<0.0> : !q
  %m = arith.constant dense<0xFF800000> : !r
  %l = arith.constant dense<0.0> : !r
  %o2, %lse = attn.merge lse(%o, %m, %l), (%o, %m, %l)
      : (!q, !r, !r), (!q, !r, !r) -> (!q, !r)
  return %o2, %lse : !q, !r
}

// Splitting the keys changes nothing: weights 1, 2, 4 of the values 3, 6, 12:
// (3 + 12 + 48) / 7 = 9.
// CHECK: split: 9{{$}}
func.func @split() -> tensor<1x1x1x1xf32> {
  %q = arith.constant dense<1.0> : tensor<1x1x1x1xf32>
  %k0 = arith.constant dense<0.0> : tensor<1x1x1x1xf32>
  %k1 = arith.constant dense<[[[[0.693147180559945], [1.38629436111989]]]]> : !k
  %v0 = arith.constant dense<3.0> : tensor<1x1x1x1xf32>
  %v1 = arith.constant dense<[[[[6.0], [12.0]]]]> : !k
  %o0, %m0, %l0 = attn.partial %q, %k0, %v0
      : (tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>)
      -> (tensor<1x1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>)
  %o1, %m1, %l1 = attn.partial %q, %k1, %v1
      : (tensor<1x1x1x1xf32>, !k, !k)
      -> (tensor<1x1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>)
  %o = attn.merge lse(%o0, %m0, %l0), (%o1, %m1, %l1)
      : (tensor<1x1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>),
        (tensor<1x1x1x1xf32>, tensor<1x1x1xf32>, tensor<1x1x1xf32>)
      -> tensor<1x1x1x1xf32>
  return %o : tensor<1x1x1x1xf32>
}
