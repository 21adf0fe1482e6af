// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -canonicalize -verify-diagnostics | FileCheck %s

!t = tensor<?x8x?x64xf32>
// Blocks of one token are tokens.
// CHECK-LABEL: @blocks_of_one
func.func @blocks_of_one(%q: !t, %n: index) -> (!t, !t) attributes {attn.kernel} {
  // CHECK: mask(causal) :
  %o0 = attn.attention %q, %q, %q mask(block_causal(1, %n : index)) : (!t, !t, !t) -> !t
  // CHECK: mask(window(%{{.*}} : index)) :
  %o1 = attn.attention %q, %q, %q mask(blocks(1, not not window(%n : index))) : (!t, !t, !t) -> !t
  return %o0, %o1 : !t, !t
}

// What keeps nothing vanishes from an or.
// CHECK-LABEL: @nothing_kept
func.func @nothing_kept(%q: !t, %n: index, %c: tensor<8xi32>) -> !t attributes {attn.kernel} {
  // CHECK: mask(causal) :
  %o = attn.attention %q, %q, %q mask(causal or queries(0) or global(0) or columns(4, 1, 0) or blocks(%n : index, sink(0)) or heads(%c : tensor<8xi32>, sink(0), queries(0))) : (!t, !t, !t) -> !t
  return %o : !t
}

// What keeps everything vanishes from an and; blocks of a run-time size do not,
// which hide everything where it is below 1, and heads do not, whose class may
// be none.
// CHECK-LABEL: @all_kept
func.func @all_kept(%q: !t, %n: index, %c: tensor<8xi32>) -> (!t, !t) attributes {attn.kernel} {
  // CHECK: mask(causal) :
  %o0 = attn.attention %q, %q, %q mask(causal and dilated(1) and columns(4, 9, 4) and blocks(8, window(inf, inf))) : (!t, !t, !t) -> !t
  // CHECK: mask(blocks(%{{.*}} : index, window(inf, inf)) and heads(%{{.*}} : tensor<8xi32>, window(inf, inf))) :
  %o1 = attn.attention %q, %q, %q mask(blocks(%n : index, window(inf, inf)) and heads(%c : tensor<8xi32>, window(inf, inf))) : (!t, !t, !t) -> !t
  return %o0, %o1 : !t, !t
}

// The masks of heads are simplified where they stand.
// CHECK-LABEL: @in_heads
func.func @in_heads(%q: !t, %c: tensor<8xi32>) -> !t attributes {attn.kernel} {
  // CHECK: mask(heads(%{{.*}} : tensor<8xi32>, causal, sink(1))) :
  %o = attn.attention %q, %q, %q mask(heads(%c : tensor<8xi32>, window(inf, 0), sink(1) or sink(1))) : (!t, !t, !t) -> !t
  return %o : !t
}
