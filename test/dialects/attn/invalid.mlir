// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics

!t = tensor<?x8x?x64xf32>
func.func @clause(%q: !t) {
  // expected-error@+1 {{unknown clause 'maks': did you mean 'mask'? clauses are: lengths, levels, mask, offset, order, over, prob, rope, scale, score, sink_logits}}
  %o = attn.attention %q, %q, %q maks(causal) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @twice(%q: !t) {
  // expected-error@+1 {{expected the clause 'scale' only once}}
  %o = attn.attention %q, %q, %q scale(1.0) scale(2.0) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @scale_number(%q: !t) {
  // expected-error@+1 {{expected a number}}
  %o = attn.attention %q, %q, %q scale(one) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c1_rank(%q: !t, %x: tensor<8x?x64xf32>) {
  // expected-error@+1 {{expected query to be a tensor [b, heads, tokens, dim] of f32, f16 or bf16, got 'tensor<8x?x64xf32>' [attention_c1]}}
  %o = attn.attention %x, %q, %q : (tensor<8x?x64xf32>, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c1_element(%q: !t, %x: tensor<?x8x?x64xf64>) {
  // expected-error@+1 {{f32, f16 or bf16, got 'tensor<?x8x?x64xf64>' [attention_c1]}}
  %o = attn.attention %x, %q, %q : (tensor<?x8x?x64xf64>, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c1_coded(%q: !t, %x: tensor<?x8x?x64xf32, #kv.int8<per tok>>) {
  // expected-error@+1 {{#kv.int8<per tok>>' [attention_c1]}}
  %o = attn.attention %x, %q, %q : (tensor<?x8x?x64xf32, #kv.int8<per tok>>, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c2(%q: !t) {
  // expected-error@+1 {{expected the source to be a key and a value, one pyramid, or one cache, got 'tensor<?x8x?x64xf32>' [attention_c2]}}
  %o = attn.attention %q, %q : (!t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c3_key(%q: !t, %x: tensor<?x8x?x64xi8>) {
  // expected-error@+1 {{expected key to be a tensor [b, heads, tokens, dim] of f32, f16 or bf16, plain or coded, got 'tensor<?x8x?x64xi8>' [attention_c3]}}
  %o = attn.attention %q, %x, %q : (!t, tensor<?x8x?x64xi8>, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c3_value(%q: !t, %x: tensor<8x?x64xf32>) {
  // expected-error@+1 {{expected value to be a tensor [b, heads, tokens, dim] of f32, f16 or bf16, plain or coded, got 'tensor<8x?x64xf32>' [attention_c3]}}
  %o = attn.attention %q, %q, %x : (!t, !t, tensor<8x?x64xf32>) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c4(%q: !t, %x: tensor<?x?x?x64xf32>) {
  // expected-error@+1 {{expected heads and dim of key to be static, got 'tensor<?x?x?x64xf32>' [attention_c4]}}
  %o = attn.attention %q, %x, %q : (!t, tensor<?x?x?x64xf32>, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c5(%q: !t, %x: tensor<?x3x?x64xf32>) {
  // expected-error@+1 {{expected query heads to be a multiple of KV heads, got 8 and 3 [attention_c5]}}
  %o = attn.attention %q, %x, %x : (!t, tensor<?x3x?x64xf32>, tensor<?x3x?x64xf32>) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c6(%q: !t, %x: tensor<?x8x?x32xf32>) {
  // expected-error@+1 {{expected key dim to equal query dim, got 32 and 64 [attention_c6]}}
  %o = attn.attention %q, %x, %q : (!t, tensor<?x8x?x32xf32>, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c7_heads(%q: !t, %x: tensor<?x4x?x64xf32>) {
  // expected-error@+1 {{expected key and value to agree in batch, heads and tokens}}
  %o = attn.attention %q, %q, %x : (!t, !t, tensor<?x4x?x64xf32>) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c7_tokens(%q: !t, %x: tensor<?x8x16x64xf32>, %y: tensor<?x8x8x64xf32>) {
  // expected-error@+1 {{expected key and value to agree in batch, heads and tokens, got 'tensor<?x8x16x64xf32>' and 'tensor<?x8x8x64xf32>' [attention_c7]}}
  %o = attn.attention %q, %x, %y : (!t, tensor<?x8x16x64xf32>, tensor<?x8x8x64xf32>) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c8_great(%x: tensor<?x8x?x577xf32>) {
  // expected-error@+1 {{expected the dim of query to be from 1 to 576, got 577 [attention_c8]}}
  %o = attn.attention %x, %x, %x : (tensor<?x8x?x577xf32>, tensor<?x8x?x577xf32>, tensor<?x8x?x577xf32>) -> tensor<?x8x?x577xf32>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c8_zero(%q: !t, %x: tensor<?x8x?x0xf32>) {
  // expected-error@+1 {{expected the dim of value to be from 1 to 576, got 0 [attention_c8]}}
  %o = attn.attention %q, %q, %x : (!t, !t, tensor<?x8x?x0xf32>) -> tensor<?x8x?x0xf32>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c9(%x: tensor<2x8x?x64xf32>, %y: tensor<3x8x?x64xf32>) {
  // expected-error@+1 {{expected key batch to equal query batch, got 3 and 2 [attention_c9]}}
  %o = attn.attention %x, %y, %y : (tensor<2x8x?x64xf32>, tensor<3x8x?x64xf32>, tensor<3x8x?x64xf32>) -> tensor<2x8x?x64xf32>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c10_sq(%q: !t, %x: tensor<?x8x0x64xf32>) {
  // expected-error@+1 {{expected the tokens of query to be at least 1, got 0 [attention_c10]}}
  %o = attn.attention %x, %q, %q : (tensor<?x8x0x64xf32>, !t, !t) -> tensor<?x8x0x64xf32>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c10_sk(%q: !t, %x: tensor<?x8x0x64xf32>) {
  // expected-error@+1 {{expected the tokens of key to be at least 1, got 0 [attention_c10]}}
  %o = attn.attention %q, %x, %x : (!t, tensor<?x8x0x64xf32>, tensor<?x8x0x64xf32>) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c11_shape(%q: !t) {
  // expected-error@+1 {{expected the output to be f32, f16 or bf16 [?, 8, ?, 64], got 'tensor<?x8x?x32xf32>' [attention_c11]}}
  %o = attn.attention %q, %q, %q : (!t, !t, !t) -> tensor<?x8x?x32xf32>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c11_element(%q: !t) {
  // expected-error@+1 {{got 'tensor<?x8x?x64xi32>' [attention_c11]}}
  %o = attn.attention %q, %q, %q : (!t, !t, !t) -> tensor<?x8x?x64xi32>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c12(%q: !t) {
  // expected-error@+1 {{expected lse to be f32 [?, 8, ?], got 'tensor<?x8x?xf16>' [attention_c12]}}
  %o, %lse = attn.attention %q, %q, %q : (!t, !t, !t) -> (!t, tensor<?x8x?xf16>)
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c13_mask(%q: !t) {
  // expected-error@+1 {{expected one mask, got sugar and a region [attention_c13]}}
  %o = "attn.attention"(%q, %q, %q) <{mask = #sel.causal<bottom_right>, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({
  ^bb0(%b: index, %h: index, %i: index, %j: index):
    %c = arith.cmpi sle, %j, %i : index
    sel.yield %c : i1
  }, {}, {}) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c13_score(%q: !t) {
  // expected-error@+1 {{expected one score clause, got sugar and a region [attention_c13]}}
  %o = "attn.attention"(%q, %q, %q) <{score = [#attn.softcap<50.0>], operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {
  ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
    attn.yield %s : f32
  }, {}) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
!p = !kv.pyramid<levels = [1, 2, 4, 8], of = !t>
!l = !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
func.func @attention_c14(%q: !t, %p: !p, %l: !l) {
  // expected-error@+1 {{expected a list to come with a key and a value and without levels [attention_c14]}}
  %o = attn.attention %q, %p over(%l : !l) : (!t, !p) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
!p = !kv.pyramid<levels = [1, 2, 4, 8], of = !t>
func.func @attention_c15_none(%q: !t, %p: !p) {
  // expected-error@+1 {{expected a pyramid to come with the clause 'levels' or a mask region of levels [attention_c15]}}
  %o = attn.attention %q, %p : (!t, !p) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 64>
func.func @attention_c15_pair(%q: !t, %m: !m) {
  // expected-error@+1 {{expected levels to come with a pyramid, got a key and a value [attention_c15]}}
  %o = attn.attention %q, %q, %q levels(%m : !m) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c15_region(%q: !t) {
  // expected-error@+1 {{expected levels to come with a pyramid, got a key and a value [attention_c15]}}
  %o = attn.attention %q, %q, %q mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    %c = arith.constant 1 : i32
    sel.yield %c : i32 } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
!p = !kv.pyramid<levels = [1, 2, 4, 8], of = !t>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 64>
func.func @attention_c15_both(%q: !t, %p: !p, %m: !m) {
  // expected-error@+1 {{expected levels from the clause 'levels' or from the mask region, got both [attention_c15]}}
  %o = attn.attention %q, %p levels(%m : !m) mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
    %c = arith.constant 1 : i32
    sel.yield %c : i32 } : (!t, !p) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
!p = !kv.pyramid<levels = [1, 2, 4, 8], of = !t>
!m = !sel.levels<per = (b, h, q : 64), unit = k : 12>
func.func @attention_c16(%q: !t, %p: !p, %m: !m) {
  // expected-error@+1 {{expected the unit of the level map to be a multiple of the greatest level, got 12 and 8 [attention_c16]}}
  %o = attn.attention %q, %p levels(%m : !m) : (!t, !p) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c17_offset(%q: !t, %x: tensor<?x?xi32>) {
  // expected-error@+1 {{expected offset to be a tensor<?xi32> over the batch, got 'tensor<?x?xi32>' [attention_c17]}}
  %o = attn.attention %q, %q, %q offset(%x : tensor<?x?xi32>) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c17_lengths(%q: !t, %x: i32) {
  // expected-error@+1 {{expected lengths to be a tensor<?xi32> over the batch, got 'i32' [attention_c17]}}
  %o = attn.attention %q, %q, %q lengths(%x : i32) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c18(%q: !t) {
  // expected-error@+1 {{expected scale to be finite [attention_c18]}}
  %o = "attn.attention"(%q, %q, %q) <{scale = 0x7FF0000000000000 : f64, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @partial_c1(%q: !t) {
  // expected-error@+1 {{expected the results to be f32 [?, 8, ?, 64], [?, 8, ?] and [?, 8, ?], got 'tensor<?x8x?x64xf16>', 'tensor<?x8x?xf32>', 'tensor<?x8x?xf32>' [partial_c1]}}
  %o, %m, %l = attn.partial %q, %q, %q : (!t, !t, !t) -> (tensor<?x8x?x64xf16>, tensor<?x8x?xf32>, tensor<?x8x?xf32>)
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @merge_word(%q: !t, %m: tensor<?x8x?xf32>) {
  // expected-error@+1 {{unknown merge 'lsd': did you mean 'lse'? merges are: lse}}
  %o = attn.merge lsd(%q, %m, %m) : (!t, tensor<?x8x?xf32>, tensor<?x8x?xf32>) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @merge_c1(%q: !t, %m: tensor<?x8x?xf32>) {
  // expected-error@+1 {{expected at least one part of three tensors, got 2 tensors [merge_c1]}}
  %o = attn.merge lse(%q, %m) : (!t, tensor<?x8x?xf32>) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @merge_c2_rank(%m: tensor<?x8xf32>) {
  // expected-error@+1 {{expected the output of a part to have rank 4, or 3 for token-major rows, got 'tensor<?x8xf32>' [merge_c2]}}
  %o = attn.merge lse(%m, %m, %m) : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @merge_c2_part(%q: !t, %m: tensor<?x8x?xf32>, %x: tensor<?x4x?xf32>) {
  // expected-error@+1 {{expected part 1 to be f32 [?, 8, ?, 64], [?, 8, ?] and [?, 8, ?]}}
  %o = attn.merge lse(%q, %m, %m), (%q, %m, %x) : (!t, tensor<?x8x?xf32>, tensor<?x8x?xf32>), (!t, tensor<?x8x?xf32>, tensor<?x4x?xf32>) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @merge_c3_output(%q: !t, %m: tensor<?x8x?xf32>) {
  // expected-error@+1 {{expected the output to be f32, f16 or bf16 [?, 8, ?, 64], got 'tensor<?x8x?x32xf32>' [merge_c3]}}
  %o = attn.merge lse(%q, %m, %m) : (!t, tensor<?x8x?xf32>, tensor<?x8x?xf32>) -> tensor<?x8x?x32xf32>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @merge_c3_lse(%q: !t, %m: tensor<?x8x?xf32>) {
  // expected-error@+1 {{expected lse to be f32 [?, 8, ?], got 'tensor<?x4x?xf32>' [merge_c3]}}
  %o, %lse = attn.merge lse(%q, %m, %m) : (!t, tensor<?x8x?xf32>, tensor<?x8x?xf32>) -> (!t, tensor<?x4x?xf32>)
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c23_heads(%q: !t, %s: tensor<4xf32>) {
  // expected-error@+1 {{expected sink_logits to be tensor<8xf32>, one entry per query head, got 'tensor<4xf32>' [attention_c23]}}
  %o = attn.attention %q, %q, %q sink_logits(%s : tensor<4xf32>) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @attention_c23_element(%q: !t, %s: tensor<8xf16>) {
  // expected-error@+1 {{expected sink_logits to be tensor<8xf32>, one entry per query head, got 'tensor<8xf16>' [attention_c23]}}
  %o = attn.attention %q, %q, %q sink_logits(%s : tensor<8xf16>) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
!r = tensor<?x8x?xf32>
func.func @partial_c2(%q: !t) {
  // expected-error@+1 {{expected no prob region in a partial: what share of the softmax a key has is known after the merge [partial_c2]}}
  %o, %m, %l = attn.partial %q, %q, %q prob { ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
      attn.yield %p : f32 } : (!t, !t, !t) -> (!t, !r, !r)
  return
}
