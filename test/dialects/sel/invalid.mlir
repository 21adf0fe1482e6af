// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics

!t = tensor<?x8x?x64xf32>
func.func @clause(%q: !t) {
  // expected-error@+1 {{unknown clause 'scal': did you mean 'scale'? clauses are: bound, lengths, mask, offset, pooled, scale}}
  %s = sel.score %q, %q pooled scal(1.0) : !t, !t -> !sel.scores<per = (b, h, q : 64), unit = k : 64>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @method(%q: !t) {
  // expected-error@+1 {{expected exactly one of the clauses 'pooled' and 'bound'}}
  %s = sel.score %q, %q : !t, !t -> !sel.scores<per = (b, h, q : 64), unit = k : 64>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @score_c1(%q: !t, %k: tensor<?x3x?x64xf32>) {
  // expected-error@+1 {{expected query heads to be a multiple of KV heads, got 8 and 3 [attention_c5]}}
  %s = sel.score %q, %k pooled : !t, tensor<?x3x?x64xf32> -> !sel.scores<per = (b, h, q : 64), unit = k : 64>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @score_c2(%q: !t, %o: tensor<?xi64>) {
  // expected-error@+1 {{expected offset to be a tensor<?xi32> over the batch, got 'tensor<?xi64>' [score_c2]}}
  %s = sel.score %q, %q pooled offset(%o : tensor<?xi64>) : !t, !t -> !sel.scores<per = (b, h, q : 64), unit = k : 64>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @score_c3(%q: !t) {
  // expected-error@+1 {{expected scale to be finite [score_c3]}}
  %s = "sel.score"(%q, %q) <{operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>, scale = 0x7FF0000000000000 : f64}> : (!t, !t) -> !sel.scores<per = (b, h, q : 64), unit = k : 64>
  return
}

// -----

// expected-error@+1 {{expected the query block and the unit to be at least 1, got 64 and 0 [scores_c1]}}
func.func private @scores_c1(!sel.scores<per = (b, h, q : 64), unit = k : 0>)

// -----

// expected-error@+1 {{expected the query block and the unit to be at least 1, got 0 and 8 [levels_c1]}}
func.func private @levels_c1(!sel.levels<per = (b, h, q : 0), unit = k : 8>)

// -----

!t = tensor<?x8x?x64xf32>
func.func @reduction(%k: !t) {
  // expected-error@+1 {{unknown reduction 'men': did you mean 'mean'? reductions are: mean}}
  %p = sel.pool %k, %k levels(1, 2) reduce(men) : !t, !t -> !kv.pyramid<levels = [1, 2], of = !t>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @pool_c1(%k: !t) {
  // expected-error@+1 {{expected levels to be those of the result, got [1, 2, 4] and [1, 2] [pool_c1]}}
  %p = sel.pool %k, %k levels(1, 2, 4) reduce(mean) : !t, !t -> !kv.pyramid<levels = [1, 2], of = !t>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @pool_c2(%k: !t) {
  // expected-error@+1 {{expected the result to be of the types of key and value, got '!kv.pyramid<levels = [1, 2], of = tensor<?x8x?x32xf32>>' [pool_c2]}}
  %p = sel.pool %k, %k levels(1, 2) reduce(mean) : !t, !t -> !kv.pyramid<levels = [1, 2], of = tensor<?x8x?x32xf32>>
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @choose_c1_none(%s: !s) {
  // expected-error@+1 {{expected exactly one of the clauses 'top_k' and 'top_p' [choose_c1]}}
  %l = sel.choose %s force(diagonal) : !s -> !l
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @choose_c1_generic(%s: !s) {
  // expected-error@+1 {{expected exactly one of top_k, top_p and a run-time number, got 0 [choose_c1]}}
  %l = "sel.choose"(%s) : (!s) -> !l
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @choose_c2_k(%s: !s) {
  // expected-error@+1 {{expected top_k to be at least 1, got 0 [choose_c2]}}
  %l = sel.choose %s top_k(0) : !s -> !l
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @choose_c2_p(%s: !s) {
  %n = sel.normalize %s softmax(keys) : !s
  // expected-error@+1 {{expected top_p to be in (0, 1], got 1.5}}
  %l = sel.choose %n top_p(1.5) : !s -> !l
  return
}

// -----

// Shares need a normalisation.
!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @choose_c3(%s: !s) {
  // expected-error@+1 {{expected top_p to have a sel.normalize upstream [choose_c3]}}
  %l = sel.choose %s top_p(0.9) : !s -> !l
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 32), unit = k : 64, order = any>
func.func @choose_c4(%s: !s) {
  // expected-error@+1 {{expected the list to have the blocks of the scores, got '!kv.list<per = (b, h, q : 32), unit = k : 64, order = any>' and '!sel.scores<per = (b, h, q : 64), unit = k : 64>' [choose_c4]}}
  %l = sel.choose %s top_k(4) : !s -> !l
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @choose_c5_rule(%s: !s, %t: f32) {
  // expected-error@+1 {{expected the number of 'top_k' to be an integer, got 'f32' [choose_c5]}}
  %l = sel.choose %s top_k(%t : f32) : !s -> !l
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @choose_c5_type(%s: !s, %t: i8) {
  // expected-error@+1 {{expected a run-time number of choose to be index, i32, i64, f32 or a tensor of these with one entry per query head, got 'i8' [choose_c5]}}
  %l = sel.choose %s top_k(%t : i8) : !s -> !l
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @choose_literal(%s: !s) {
  // expected-error@+1 {{expected 'top_k' to have one integer}}
  %l = sel.choose %s top_k(1, 2) : !s -> !l
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @force(%s: !s) {
  // expected-error@+1 {{unknown unit 'frist': did you mean 'first'? units are: diagonal, first, last}}
  %l = sel.choose %s top_k(4) force(frist(1)) : !s -> !l
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @force_count(%s: !s) {
  // expected-error@+1 {{expected 'first' to count at least 1 unit}}
  %l = sel.choose %s top_k(4) force(first(0)) : !s -> !l
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 64>
func.func @assign_c1(%s: !s) {
  %n = sel.normalize %s softmax(keys) : !s
  // expected-error@+1 {{expected levels to be ascending powers of two from 1 to at most 64, got [1, 3] [pyramid_c1]}}
  %m = sel.assign %n levels(1, 3) top_share(0.1, 0.2) : !s -> !m
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 64>
func.func @assign_c2(%s: !s) {
  %n = sel.normalize %s softmax(keys) : !s
  // expected-error@+1 {{expected top_share to have an ascending bound in (0, 1] for each of the 2 levels, got [5.000000e-01, 2.000000e-01] [assign_c2]}}
  %m = sel.assign %n levels(1, 2) top_share(0.5, 0.2) : !s -> !m
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 64>
func.func @assign_c3(%s: !s) {
  // expected-error@+1 {{expected top_share to have a sel.normalize upstream [assign_c3]}}
  %m = sel.assign %s levels(1, 2) top_share(0.1, 0.2) : !s -> !m
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 32>
func.func @assign_c4(%s: !s) {
  %n = sel.normalize %s softmax(keys) : !s
  // expected-error@+1 {{expected the level map to have the blocks of the scores, got '!sel.levels<per = (b, h, q : 64), unit = k : 32>' and '!sel.scores<per = (b, h, q : 64), unit = k : 64>' [assign_c4]}}
  %m = sel.assign %n levels(1, 2) top_share(0.1, 0.2) : !s -> !m
  return
}

// -----

!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 64>
func.func @assign_c5(%s: !s) {
  %n = sel.normalize %s softmax(keys) : !s
  // expected-error@+1 {{expected units to be forced to level 1, got 2 [assign_c5]}}
  %m = sel.assign %n levels(1, 2) top_share(0.1, 0.2) force(2 : diagonal) : !s -> !m
  return
}

// -----

func.func @levels_c2(%t: tensor<?x8x?xi8>) {
  // expected-error@+1 {{expected the map to be an i8 tensor [b, query heads, query blocks, units], got 'tensor<?x8x?xi8>' [levels_c2]}}
  %m = sel.levels %t : tensor<?x8x?xi8> -> !sel.levels<per = (b, h, q : 64), unit = k : 64>
  return
}
