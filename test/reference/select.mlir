// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sel.score, sel.normalize, sel.choose, sel.assign and attention over a list.
// RUN: fovea-reference %s --row=0,0,3 | FileCheck %s

!t = tensor<1x1x4x1xf32>
!k = tensor<1x1x6x1xf32>
!s = !sel.scores<per = (b, h, q : 2), unit = k : 2>
!l = !kv.list<per = (b, h, q : 2), unit = k : 2, order = any>
!a = !kv.list<per = (b, h, q : 2), unit = k : 2, order = ascending>
!v = !sel.levels<per = (b, h, q : 2), unit = k : 2>

// Means of the queries: 2 and 5; of the keys: 1, 2, 4. dim 1, so scale 1.
// CHECK: score: 2, 4, 8; 5, 10, 20{{$}}
func.func @score() -> !s {
  %q = arith.constant dense<[[[[1.0], [3.0], [4.0], [6.0]]]]> : !t
  %k = arith.constant dense<[[[[0.0], [2.0], [1.0], [3.0], [5.0], [3.0]]]]> : !k
  %s = sel.score %q, %k pooled : !t, !k -> !s
  return %s : !s
}

// The queries are tokens 2 to 5. The first block (2 3) sees no key of (4 5):
// -inf; half-masked blocks keep their score. Length 5 leaves (4 5) the key 5
// alone.
// CHECK: score_masked: 1, 2, -inf; 2.5, 5, 12.5{{$}}
func.func @score_masked() -> !s {
  %q = arith.constant dense<[[[[1.0], [3.0], [4.0], [6.0]]]]> : !t
  %k = arith.constant dense<[[[[0.0], [2.0], [1.0], [3.0], [5.0], [3.0]]]]> : !k
  %n = arith.constant dense<5> : tensor<1xi32>
  %f = arith.constant dense<2> : tensor<1xi32>
  %s = sel.score %q, %k pooled mask(causal) scale(0.5)
      offset(%f : tensor<1xi32>) lengths(%n : tensor<1xi32>) : !t, !k -> !s
  return %s : !s
}

// Queries 0 and ln 2, keys 0, 1, 2: 1/3 each, then weights 1, 2, 4 of 7. What
// has no live element has no share.
// CHECK: normalize: 0.333333, 0.333333, 0.333333; 0.142857, 0.285714, 0.571429{{$}}
// CHECK: normalize: 0.5, 0.5, 0; 0.142857, 0.285714, 0.571429{{$}}
func.func @normalize() -> (!s, !s) {
  %q = arith.constant dense<[[[[0.0], [0.0], [0.693147180559945], [0.693147180559945]]]]> : !t
  %k = arith.constant dense<[[[[0.0], [0.0], [1.0], [1.0], [2.0], [2.0]]]]> : !k
  %s = sel.score %q, %k pooled : !t, !k -> !s
  %n = sel.normalize %s softmax(keys) : !s
  %s1 = sel.score %q, %k pooled mask(causal) : !t, !k -> !s
  %n1 = sel.normalize %s1 softmax(keys) : !s
  return %n, %n1 : !s, !s
}

// Scores of the first block: 0 0 0, a tie: the lower index. Of the second: 1 3 2
// times 5.
// CHECK: top_k: {0} {1}{{$}}
// CHECK: top_k: {0, 1} {1, 2}{{$}}
// CHECK: top_k: {0, 1, 2} {0, 1, 2}{{$}}
func.func @top_k() -> (!l, !l, !a) {
  %q = arith.constant dense<[[[[0.0], [0.0], [5.0], [5.0]]]]> : !t
  %k = arith.constant dense<[[[[1.0], [1.0], [3.0], [3.0], [2.0], [2.0]]]]> : !k
  %s = sel.score %q, %k pooled : !t, !k -> !s
  %two = arith.constant 2 : index
  %nine = arith.constant dense<9> : tensor<1xi32>
  %l1 = sel.choose %s top_k(1) : !s -> !l
  %l2 = sel.choose %s top_k(%two : index) : !s -> !l
  %l3 = sel.choose %s top_k(%nine : tensor<1xi32>) : !s -> !a
  return %l1, %l2, %l3 : !l, !l, !a
}

// Forced units come first and count. The queries are tokens 2 to 5, so the
// diagonals are units 1 and 2. Unit 2 is dead for the first block and is not
// chosen even by force.
// CHECK: force: {1, 0} {2, 1}{{$}}
// CHECK: force: {0} {0, 2}{{$}}
func.func @force() -> (!l, !l) {
  %q = arith.constant dense<[[[[1.0], [1.0], [5.0], [5.0]]]]> : !t
  %k = arith.constant dense<[[[[1.0], [1.0], [3.0], [3.0], [2.0], [2.0]]]]> : !k
  %s = sel.score %q, %k pooled mask(causal) : !t, !k -> !s
  %l1 = sel.choose %s top_k(2) force(diagonal) : !s -> !l
  %l2 = sel.choose %s top_k(1) force(first(1), last(1)) : !s -> !l
  return %l1, %l2 : !l, !l
}

// Shares 1/7, 2/7, 4/7 in the second block: 4/7 = 0.571 reaches 0.5 but not 0.6,
// 6/7 = 0.857 reaches 0.6. Forced mass counts: with unit 0 first, 1/7 + 4/7 = 5/7
// reaches 0.6 too.
// CHECK: top_p: {0, 1} {2}{{$}}
// CHECK: top_p: {0, 1} {2, 1}{{$}}
// CHECK: top_p: {0, 1} {0, 2}{{$}}
func.func @top_p() -> (!l, !l, !l) {
  %q = arith.constant dense<[[[[0.0], [0.0], [0.693147180559945], [0.693147180559945]]]]> : !t
  %k = arith.constant dense<[[[[0.0], [0.0], [1.0], [1.0], [2.0], [2.0]]]]> : !k
  %s = sel.score %q, %k pooled : !t, !k -> !s
  %n = sel.normalize %s softmax(keys) : !s
  %t = arith.constant dense<0.6> : tensor<1xf32>
  %l1 = sel.choose %n top_p(0.5) : !s -> !l
  %l2 = sel.choose %n top_p(%t : tensor<1xf32>) : !s -> !l
  %l3 = sel.choose %n top_p(0.6) force(first(1)) : !s -> !l
  return %l1, %l2, %l3 : !l, !l, !l
}

// By falling share, the first level whose bound exceeds the sum of the shares
// before. First block, 1/3 each: sums before 0, 1/3, 2/3: within 0.3, 0.6 and
// beyond. Second block: unit 2 first, then unit 1 behind 4/7 = 0.571 and unit 0
// behind 6/7 = 0.857. Forced units get level 1, their shares still count.
// CHECK: assign: 1, 2, 0; 0, 2, 1{{$}}
// CHECK: assign: 1, 2, 0; 1, 2, 1{{$}}
// CHECK: assign: 1, 1, 4; 4, 2, 1{{$}}
func.func @assign() -> (!v, !v, !v) {
  %q = arith.constant dense<[[[[0.0], [0.0], [0.693147180559945], [0.693147180559945]]]]> : !t
  %k = arith.constant dense<[[[[0.0], [0.0], [1.0], [1.0], [2.0], [2.0]]]]> : !k
  %s = sel.score %q, %k pooled : !t, !k -> !s
  %n = sel.normalize %s softmax(keys) : !s
  %v1 = sel.assign %n levels(1, 2) top_share(0.3, 0.6) : !s -> !v
  %v2 = sel.assign %n levels(1, 2) top_share(0.3, 0.6) force(1 : first(1))
      : !s -> !v
  %v3 = sel.assign %n levels(1, 2, 4) top_share(0.5, 0.6, 1.0) : !s -> !v
  return %v1, %v2, %v3 : !v, !v, !v
}

// Attention over the best unit of each query block, the mask still applied
// inside: queries are tokens 2 to 5 and the lists {1} and {2}; token 2 sees
// key 2 of (2 3), token 3 both; token 4 sees key 4 of (4 5), token 5 both.
// CHECK: over: 4; 6; 16; 24{{$}}
// CHECK: over: attn.attention sees 4 5{{$}}
func.func @over() -> !t {
  %q = arith.constant dense<0.0> : !t
  %k = arith.constant dense<0.0> : !k
  %v = arith.constant dense<[[[[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]]]]> : !k
  %s = sel.score %q, %k pooled mask(causal) : !t, !k -> !s
  %l = sel.choose %s top_k(1) force(diagonal) : !s -> !l
  %o = attn.attention %q, %k, %v over(%l : !l) mask(causal) : (!t, !k, !k) -> !t
  return %o : !t
}
