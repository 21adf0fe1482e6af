// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Learned sinks: a score of each query head that takes its share of the softmax
// and has the value 0.
// RUN: fovea-reference %s | FileCheck %s

!q = tensor<1x2x1x1xf32>
!k = tensor<1x2x2x1xf32>
!r = tensor<1x2x1xf32>
!s = tensor<2xf32>

// Two keys of score 0 and values 1 and 3. Head 0: the sink ln 2 weighs as much
// as both: 4 / 4, lse = ln 4. Head 1: -inf is no sink: 4 / 2, ln 2.
// CHECK: sinks: 1 {{[|]}} 2{{$}}
// CHECK: sinks: 1.38629; 0.693147{{$}}
func.func @sinks() -> (!q, !r) {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<2.0> : !k
  %v = arith.constant dense<[[[[1.0], [3.0]], [[1.0], [3.0]]]]> : !k
  %s = arith.constant dense<[0.693147180559945, 0xFF800000]> : !s
  %o, %lse = attn.attention %q, %k, %v sink_logits(%s : !s) : (!q, !k, !k) -> (!q, !r)
  return %o, %lse : !q, !r
}

// A row that sees no key has its sink: o = 0, lse = s; without one -inf.
// CHECK: nothing: 0 {{[|]}} 0{{$}}
// CHECK: nothing: 0.693147; -inf{{$}}
func.func @nothing() -> (!q, !r) {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<2.0> : !k
  %s = arith.constant dense<[0.693147180559945, 0xFF800000]> : !s
  %o, %lse = attn.attention %q, %k, %k mask(sink(0)) sink_logits(%s : !s)
      : (!q, !k, !k) -> (!q, !r)
  return %o, %lse : !q, !r
}

// Neither the scale nor a modifier touches a sink: the keys' scores become
// 2 * 0.5 + ln 4 - 1 = ln 4, the sink stays 0: 8 of 9 parts, ln 9.
// CHECK: untouched: 1.77778 {{[|]}} 1.77778{{$}}
// CHECK: untouched: 2.19722; 2.19722{{$}}
func.func @untouched() -> (!q, !r) {
  %q = arith.constant dense<1.0> : !q
  %k = arith.constant dense<2.0> : !k
  %s = arith.constant dense<0.0> : !s
  %b = arith.constant dense<0.38629436111989> : tensor<1x2x1x2xf32>
  %o, %lse = attn.attention %q, %k, %k score(bias(%b : tensor<1x2x1x2xf32>)) scale(0.5)
      sink_logits(%s : !s) : (!q, !k, !k) -> (!q, !r)
  return %o, %lse : !q, !r
}

// The region sees p with the sink in its sum, 1/4 each, and never the sink's:
// (1 + 3) / 16 and, for the head without a sink, (1 + 3) / 4.
// CHECK: prob: 0.25 {{[|]}} 1{{$}}
func.func @prob() -> !q {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<2.0> : !k
  %v = arith.constant dense<[[[[1.0], [3.0]], [[1.0], [3.0]]]]> : !k
  %s = arith.constant dense<[0.693147180559945, 0xFF800000]> : !s
  %o = attn.attention %q, %k, %v
      prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
        %x = arith.mulf %p, %p : f32
        attn.yield %x : f32 }
      sink_logits(%s : !s) : (!q, !k, !k) -> !q
  return %o : !q
}

// A part counts the sink in m and l, and merging with a part that has none
// counts it once: 2 and 2 keys of score 0 beside ln 2: 8 / 6.
// CHECK: part: 2 {{[|]}} 4{{$}}
// CHECK: part: 0.693147; 0{{$}}
// CHECK: part: 2; 2{{$}}
// CHECK: part: 1.33333 {{[|]}} 2{{$}}
func.func @part() -> (!q, !r, !r, !q) {
  %q = arith.constant dense<0.0> : !q
  %k = arith.constant dense<2.0> : !k
  %v = arith.constant dense<[[[[1.0], [3.0]], [[1.0], [3.0]]]]> : !k
  %s = arith.constant dense<[0.693147180559945, 0xFF800000]> : !s
  %o0, %m0, %l0 = attn.partial %q, %k, %v sink_logits(%s : !s) : (!q, !k, !k) -> (!q, !r, !r)
  %o1, %m1, %l1 = attn.partial %q, %k, %v : (!q, !k, !k) -> (!q, !r, !r)
  %o = attn.merge lse(%o0, %m0, %l0), (%o1, %m1, %l1)
      : (!q, !r, !r), (!q, !r, !r) -> !q
  return %o0, %m0, %l0, %o : !q, !r, !r, !q
}
