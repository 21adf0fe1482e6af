// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// kv.encode with #kv.int8<per tok>, and attention over coded keys and values.
// RUN: fovea-reference %s | FileCheck %s

!x = tensor<1x1x3x5xf32>
!e = tensor<1x1x3x5xf32, #kv.int8<per tok>>

// Row 0: the greatest magnitude is 127, so the scale is 1 and ties go to even:
// 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, -0.5 -> 0. Row 1 is zero: scale 0, codes 0.
// Row 2: 254 / 127 = 2; -254 -> -127, 3 / 2 = 1.5 -> 2, 5 / 2 = 2.5 -> 2.
// CHECK: encode: codes 127, 0, 2, 2, {{-?}}0; 0, 0, 0, 0, 0; -127, 2, 2, 0, 127 scales 1, 0, 2{{$}}
func.func @encode() -> !e {
  %x = arith.constant dense<[[[[127.0, 0.5, 1.5, 2.5, -0.5],
      [0.0, 0.0, 0.0, 0.0, 0.0], [-254.0, 3.0, 5.0, 0.0, 254.0]]]]> : !x
  %e = kv.encode %x : !x -> !e
  return %e : !e
}

// A row with an infinity has a scale that is not finite.
// CHECK: not_finite: codes {{.*}} scales inf, {{-?}}nan, 1{{$}}
func.func @not_finite() -> !e {
  %x = arith.constant dense<[[[[127.0, 0xFF800000, 1.5, 2.5, -0.5],
      [0.0, 0x7FC00000, 0.0, 0.0, 0.0], [127.0, 3.0, 5.0, 0.0, 0.0]]]]> : !x
  %e = kv.encode %x : !x -> !e
  return %e : !e
}

// Keys 0.5 and 1.5 beside 127 are coded as 0 and 2: with q = (0, ln 2) the scores
// are 0 and 2 ln 2, the weights 1/5 and 4/5. Values 10 and 20 are alone in their
// rows and so are exact: (10 + 80) / 5.
// CHECK: attend: 18{{$}}
func.func @attend() -> tensor<1x1x1x1xf32> {
  %q = arith.constant dense<[[[[0.0, 0.693147180559945]]]]>
      : tensor<1x1x1x2xf32>
  %k = arith.constant dense<[[[[127.0, 0.5], [127.0, 1.5]]]]>
      : tensor<1x1x2x2xf32>
  %v = arith.constant dense<[[[[10.0], [20.0]]]]> : tensor<1x1x2x1xf32>
  %ke = kv.encode %k : tensor<1x1x2x2xf32>
      -> tensor<1x1x2x2xf32, #kv.int8<per tok>>
  %ve = kv.encode %v : tensor<1x1x2x1xf32>
      -> tensor<1x1x2x1xf32, #kv.int8<per tok>>
  %o = attn.attention %q, %ke, %ve scale(1.0)
      : (tensor<1x1x1x2xf32>, tensor<1x1x2x2xf32, #kv.int8<per tok>>,
         tensor<1x1x2x1xf32, #kv.int8<per tok>>) -> tensor<1x1x1x1xf32>
  return %o : tensor<1x1x1x1xf32>
}
