// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics

!t = tensor<?x8x?x64xf32>
func.func @unknown_modifier(%q: !t) {
  // expected-error@+1 {{unknown score modifier 'softcp': did you mean 'softcap'? score modifiers are: alibi, bias, scale, softcap}}
  %o = attn.attention %q, %q, %q score(softcp(50.0)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @empty(%q: !t) {
  // expected-error@+1 {{expected 'score' to have a modifier}}
  %o = attn.attention %q, %q, %q score() : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @arguments(%q: !t) {
  // expected-error@+1 {{expected 'softcap' to have one number or tensor}}
  %o = attn.attention %q, %q, %q score(softcap) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @softcap_c1(%q: !t) {
  // expected-error@+1 {{expected softcap to be positive, got -5.000000e+01 [softcap_c1]}}
  %o = attn.attention %q, %q, %q score(softcap(-50.0)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @real_c1_finite(%q: !t) {
  // expected-error@+1 {{expected the number of 'scale' to be finite in f32, got 1.000000e+39 [real_c1]}}
  %o = attn.attention %q, %q, %q score(scale(1.0e39)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @real_c1_type(%q: !t, %x: tensor<4xf32>) {
  // expected-error@+1 {{expected the number of 'alibi' to be f32 or a tensor of f32 with one entry per query head, got 'tensor<4xf32>' and 8 query heads [real_c1]}}
  %o = attn.attention %q, %q, %q score(alibi(%x : tensor<4xf32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @real_c1_missing(%q: !t) {
  // expected-error@+1 {{expected 'alibi' to have a number, got #sel.arg<0> [real_c1]}}
  %o = "attn.attention"(%q, %q, %q) <{score = [#attn.alibi<#sel.arg<0>>], operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @bias_c1_rank(%q: !t, %x: tensor<?x?xf32>) {
  // expected-error@+1 {{expected the bias to be f32, f16 or bf16 [b or 1, query heads or 1, sq, sk], got 'tensor<?x?xf32>' [bias_c1]}}
  %o = attn.attention %q, %q, %q score(bias(%x : tensor<?x?xf32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @bias_c1_heads(%q: !t, %x: tensor<1x4x?x?xf32>) {
  // expected-error@+1 {{got 'tensor<1x4x?x?xf32>' [bias_c1]}}
  %o = attn.attention %q, %q, %q score(bias(%x : tensor<1x4x?x?xf32>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @bias_c1_number(%q: !t) {
  // expected-error@+1 {{expected 'bias' to have a tensor, got 1.000000e+00 : f64 [bias_c1]}}
  %o = attn.attention %q, %q, %q score(bias(1.0)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @modifier_c5(%q: !t, %x: f32) {
  // expected-error@+1 {{expected the run-time numbers of the sugar to be its operands in order, got 0 numbers and 1 operands [modifier_c5]}}
  %o = "attn.attention"(%q, %q, %q, %x) <{operandSegmentSizes = array<i32: 1, 2, 0, 1, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t, f32) -> !t
  return
}
