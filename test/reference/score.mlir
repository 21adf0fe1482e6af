// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Score modifiers as sugar and as a region. One visible key has p = 1, so lse is
// its score: the tests read the modified score there.
// RUN: fovea-reference %s | FileCheck %s

!t = tensor<1x2x1x1xf32>
!r = tensor<1x2x1xf32>

// s = 3 * 2 = 6; 2 * tanh(6 / 2) = 1.99011.
// CHECK: softcap: 1.99011; 1.99011{{$}}
func.func @softcap() -> !r {
  %q = arith.constant dense<3.0> : !t
  %k = arith.constant dense<2.0> : !t
  %o, %lse = attn.attention %q, %k, %k score(softcap(2.0))
      : (!t, !t, !t) -> (!t, !r)
  return %lse : !r
}

// The query is token 5 and the key token 0: s + m * (0 - 5), with a slope by
// head: 6 - 2.5 and 6 - 1.25.
// CHECK: alibi: 3.5; 4.75{{$}}
func.func @alibi() -> !r {
  %q = arith.constant dense<3.0> : !t
  %k = arith.constant dense<2.0> : !t
  %m = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %f = arith.constant dense<5> : tensor<1xi32>
  %o, %lse = attn.attention %q, %k, %k score(alibi(%m : tensor<2xf32>))
      offset(%f : tensor<1xi32>) : (!t, !t, !t) -> (!t, !r)
  return %lse : !r
}

// Added as it is, by the row of the query in the call, whatever the offset.
// CHECK: bias: 16; 26{{$}}
func.func @bias() -> !r {
  %q = arith.constant dense<3.0> : !t
  %k = arith.constant dense<2.0> : !t
  %b = arith.constant dense<[[[[10.0]], [[20.0]]]]> : tensor<1x2x1x1xf16>
  %f = arith.constant dense<5> : tensor<1xi32>
  %o, %lse = attn.attention %q, %k, %k score(bias(%b : tensor<1x2x1x1xf16>))
      offset(%f : tensor<1xi32>) : (!t, !t, !t) -> (!t, !r)
  return %lse : !r
}

// A static 1 is broadcast over heads.
// CHECK: broadcast: 5; 5{{$}}
func.func @broadcast() -> !r {
  %q = arith.constant dense<3.0> : !t
  %k = arith.constant dense<2.0> : !t
  %b = arith.constant dense<-1.0> : tensor<1x1x1x1xf32>
  %o, %lse = attn.attention %q, %k, %k score(bias(%b : tensor<1x1x1x1xf32>))
      : (!t, !t, !t) -> (!t, !r)
  return %lse : !r
}

// Left to right: 2 * tanh(3) + 10, then times 0.5.
// CHECK: order: 5.99505; 10.9951{{$}}
func.func @order() -> !r {
  %q = arith.constant dense<3.0> : !t
  %k = arith.constant dense<2.0> : !t
  %b = arith.constant dense<[[[[10.0]], [[20.0]]]]> : tensor<1x2x1x1xf32>
  %o, %lse = attn.attention %q, %k, %k
      score(softcap(2.0), bias(%b : tensor<1x2x1x1xf32>), scale(0.5))
      : (!t, !t, !t) -> (!t, !r)
  return %lse : !r
}

// A region sees the scaled score and all indices: s * s + h.
// CHECK: region: 36; 37{{$}}
func.func @region() -> !r {
  %q = arith.constant dense<3.0> : !t
  %k = arith.constant dense<2.0> : !t
  %o, %lse = attn.attention %q, %k, %k
      score { ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %n = arith.index_cast %h : index to i32
        %x = arith.sitofp %n : i32 to f32
        %y = arith.mulf %s, %s : f32
        %z = arith.addf %x, %y : f32
        attn.yield %z : f32 }
      : (!t, !t, !t) -> (!t, !r)
  return %lse : !r
}

// The probability region acts behind the softmax and nothing is normalised
// again: two keys, p = 1/2 each, halved: (1 + 3) / 4. lse is untouched: ln 2.
// CHECK: prob: 1{{$}}
// CHECK: prob: 0.693147{{$}}
func.func @prob() -> (tensor<1x1x1x1xf32>, tensor<1x1x1xf32>) {
  %q = arith.constant dense<0.0> : tensor<1x1x1x1xf32>
  %k = arith.constant dense<2.0> : tensor<1x1x2x1xf32>
  %v = arith.constant dense<[[[[1.0], [3.0]]]]> : tensor<1x1x2x1xf32>
  %o, %lse = attn.attention %q, %k, %v
      prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %half = arith.constant 0.5 : f32
        %x = arith.mulf %p, %half : f32
        attn.yield %x : f32 }
      : (tensor<1x1x1x1xf32>, tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32>)
      -> (tensor<1x1x1x1xf32>, tensor<1x1x1xf32>)
  return %o, %lse : tensor<1x1x1x1xf32>, tensor<1x1x1xf32>
}

// A masked probability stays 0 whatever the region makes of it: p becomes p + 1
// for the visible key alone, 2 * 3.
// CHECK: prob_masked: 6{{$}}
func.func @prob_masked() -> tensor<1x1x1x1xf32> {
  %q = arith.constant dense<0.0> : tensor<1x1x1x1xf32>
  %k = arith.constant dense<2.0> : tensor<1x1x2x1xf32>
  %v = arith.constant dense<[[[[1.0], [3.0]]]]> : tensor<1x1x2x1xf32>
  %o = attn.attention %q, %k, %v mask(not sink(1))
      prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %one = arith.constant 1.0 : f32
        %x = arith.addf %p, %one : f32
        attn.yield %x : f32 }
      : (tensor<1x1x1x1xf32>, tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32>)
      -> tensor<1x1x1x1xf32>
  return %o : tensor<1x1x1x1xf32>
}
