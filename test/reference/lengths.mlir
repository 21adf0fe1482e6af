// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// lengths and offset: which keys exist and which token a query stands for.
// Queries are 0, so every visible key weighs the same and, with the values 1, 2,
// 4, 8, o * count says which keys were seen.
// RUN: not fovea-reference %s --row=1,0,1 | FileCheck %s

!q = tensor<2x1x2x1xf32>
!k = tensor<2x1x4x1xf32>
!r = tensor<2x1x2xf32>

// Lengths 3 and 0: (1 + 2 + 4) / 3, and nothing at all. lse = ln 3.
// CHECK: lengths: 2.33333; 2.33333 | 0; 0{{$}}
// CHECK: lengths: 1.09861, 1.09861 | -inf, -inf{{$}}
// CHECK: lengths: attn.attention sees{{$}}
func.func @lengths() -> (!q, !r) {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<1.0> : !k
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]],
                             [[[1.0], [2.0], [4.0], [8.0]]]]> : !k
  %n = arith.constant dense<[3, 0]> : tensor<2xi32>
  %o, %lse = attn.attention %q, %k, %v lengths(%n : tensor<2xi32>)
      : (!q, !k, !k) -> (!q, !r)
  return %o, %lse : !q, !r
}

// Keys and values at or past the length are not read: NaN there is harmless.
// CHECK: poisoned: 1.5; 1.5 | 1; 1{{$}}
func.func @poisoned() -> !q {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<[[[[1.0], [1.0], [0x7FC00000], [0x7FC00000]]],
      [[[1.0], [0x7FC00000], [0x7FC00000], [0x7FC00000]]]]> : !k
  %v = arith.constant dense<[[[[1.0], [2.0], [0x7FC00000], [0x7F800000]]],
      [[[1.0], [0x7FC00000], [0x7FC00000], [0x7FC00000]]]]> : !k
  %n = arith.constant dense<[2, 1]> : tensor<2xi32>
  %o = attn.attention %q, %k, %v lengths(%n : tensor<2xi32>)
      : (!q, !k, !k) -> !q
  return %o : !q
}

// Without an offset the last query is the last token: with lengths 4 and 3 the
// queries are tokens 2, 3 and 1, 2. Sums 7/3, 15/4; 3/2, 7/3.
// CHECK: default_offset: 2.33333; 3.75 | 1.5; 2.33333{{$}}
// CHECK: default_offset: attn.attention sees 0 1 2
func.func @default_offset() -> !q {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<1.0> : !k
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]],
                             [[[1.0], [2.0], [4.0], [8.0]]]]> : !k
  %n = arith.constant dense<[4, 3]> : tensor<2xi32>
  %o = attn.attention %q, %k, %v mask(causal) lengths(%n : tensor<2xi32>)
      : (!q, !k, !k) -> !q
  return %o : !q
}

// Offsets 0 and -1: queries are tokens 0, 1 and -1, 0; token -1 sees nothing.
// CHECK: offset: 1; 1.5 | 0; 1{{$}}
func.func @offset() -> !q {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<1.0> : !k
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0]]],
                             [[[1.0], [2.0], [4.0], [8.0]]]]> : !k
  %f = arith.constant dense<[0, -1]> : tensor<2xi32>
  %o = attn.attention %q, %k, %v mask(causal) offset(%f : tensor<2xi32>)
      : (!q, !k, !k) -> !q
  return %o : !q
}

// A length beyond the tensor, or a negative one, is refused.
// CHECK: too_long: error: expected a length from 0 to 4, got 5
func.func @too_long() -> !q {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<1.0> : !k
  %n = arith.constant dense<[4, 5]> : tensor<2xi32>
  %o = attn.attention %q, %k, %k lengths(%n : tensor<2xi32>)
      : (!q, !k, !k) -> !q
  return %o : !q
}
