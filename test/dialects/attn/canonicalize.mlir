// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -canonicalize -verify-diagnostics | FileCheck %s

!t = tensor<?x8x?x64xf32>

// CHECK-LABEL: @repeated
func.func @repeated(%q: !t) -> !t attributes {attn.kernel} {
  // CHECK: mask(causal) :
  %o = attn.attention %q, %q, %q mask(causal and causal) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK-LABEL: @double_negation
func.func @double_negation(%q: !t) -> !t attributes {attn.kernel} {
  // CHECK: mask(window(8)) :
  %o = attn.attention %q, %q, %q mask(not not window(8)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Nested chains of one connective become one; those of two do not.
// CHECK-LABEL: @flatten
func.func @flatten(%q: !t) -> !t attributes {attn.kernel} {
  // CHECK: mask(causal and window(8) and (sink(2) or prefix(5) or window(4))) :
  %o = attn.attention %q, %q, %q mask((causal and window(8)) and (sink(2) or (prefix(5) or window(4)))) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK-LABEL: @infinite
func.func @infinite(%q: !t) -> !t attributes {attn.kernel} {
  // CHECK: mask(causal and window(inf, 3)) :
  %o = attn.attention %q, %q, %q mask(window(inf, 0) and window(inf, 3) and window(inf, inf)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A mask that hides nothing is dropped, and the compiler says so.
// CHECK-LABEL: @nothing_hidden
func.func @nothing_hidden(%q: !t, %n: index) -> !t attributes {attn.kernel} {
  // CHECK: attn.attention %{{.*}}, %{{.*}}, %{{.*}} :
  // expected-remark@+1 {{the mask 'not sink(0) or prefix(%0)' hides nothing and is dropped}}
  %o = attn.attention %q, %q, %q mask(not sink(0) or prefix(%n : index)) : (!t, !t, !t) -> !t
  return %o : !t
}

// Run-time numbers that are left keep their operands.
// CHECK-LABEL: @renumber
// CHECK-SAME: %[[A:[^ :,]+]]: index, %[[B:[^ :,]+]]: index)
func.func @renumber(%q: !t, %a: index, %b: index) -> !t attributes {attn.kernel} {
  // CHECK: mask(causal and window(%[[B]] : index)) :
  %o = attn.attention %q, %q, %q mask(causal and (window(inf, inf) or sink(%a : index)) and window(%b : index)) : (!t, !t, !t) -> !t
  return %o : !t
}

// sink(0) keeps nothing: it vanishes from an or and decides an and.
// CHECK-LABEL: @nothing_kept
func.func @nothing_kept(%q: !t) -> (!t, !t) attributes {attn.kernel} {
  // CHECK: mask(causal) :
  %o0 = attn.attention %q, %q, %q mask(causal or sink(0)) : (!t, !t, !t) -> !t
  // CHECK: mask(sink(0)) :
  %o1 = attn.attention %q, %q, %q mask(causal and sink(0)) : (!t, !t, !t) -> !t
  return %o0, %o1 : !t, !t
}

// CHECK-LABEL: @partial
func.func @partial(%q: !t) -> !t attributes {attn.kernel} {
  // CHECK: attn.partial {{.*}} mask(causal) :
  %o, %m, %l = attn.partial %q, %q, %q mask(causal or causal) : (!t, !t, !t) -> (!t, tensor<?x8x?xf32>, tensor<?x8x?xf32>)
  return %o : !t
}
