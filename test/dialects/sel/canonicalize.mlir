// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -canonicalize -verify-diagnostics | FileCheck %s

!t = tensor<?x8x?x64xf32>
!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>

// The mask of a score folds like that of attention, and operands go with it.
// CHECK-LABEL: @score
func.func @score(%q: !t, %w: index) -> !t attributes {attn.kernel} {
  // CHECK: sel.score %{{.*}}, %{{.*}} pooled mask(causal) :
  %s = sel.score %q, %q pooled mask(not not causal) : !t, !t -> !s
  %l = sel.choose %s top_k(4) : !s -> !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
  %o = attn.attention %q, %q, %q over(%l : !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK-LABEL: @nothing_hidden
func.func @nothing_hidden(%q: !t, %w: index) -> !t attributes {attn.kernel} {
  // CHECK: sel.score %{{.*}}, %{{.*}} pooled :
  // expected-remark@+1 {{the mask 'window(inf, inf) or window(%0)' hides nothing and is dropped}}
  %s = sel.score %q, %q pooled mask(window(inf, inf) or window(%w : index)) : !t, !t -> !s
  %l = sel.choose %s top_k(4) : !s -> !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>
  %o = attn.attention %q, %q, %q over(%l : !kv.list<per = (b, h, q : 64), unit = k : 64, order = any>) : (!t, !t, !t) -> !t
  return %o : !t
}
