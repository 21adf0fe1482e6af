// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// not binds tighter than and, and than or.
// CHECK-LABEL: @precedence
// CHECK: %[[S:.*]] = arith.cmpi slt, %{{.*}}, %{{.*}} : index
// CHECK: %[[C:.*]] = arith.cmpi sle, %{{.*}}, %{{.*}} : index
// CHECK: %[[TRUE:.*]] = arith.constant true
// CHECK: %[[N:.*]] = arith.xori %[[C]], %[[TRUE]] : i1
// CHECK: %[[P:.*]] = arith.cmpi slt
// CHECK: %[[A:.*]] = arith.andi %[[N]], %[[P]] : i1
// CHECK: %[[O:.*]] = arith.ori %[[S]], %[[A]] : i1
// CHECK: sel.yield %[[O]] : i1
func.func @precedence(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask(sink(1) or not causal and prefix(2)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @unknown(%q: !t) {
  // expected-error-re@+1 {{unknown mask 'widow': did you mean 'window'? masks are: {{[a-z_, ]+}}, window}}
  %o = attn.attention %q, %q, %q mask(causal and widow(3)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @far_from_all(%q: !t) {
  // expected-error-re@+1 {{unknown mask 'xyzzyplugh'; masks are: {{[a-z_, ]+}}, window}}
  %o = attn.attention %q, %q, %q mask(xyzzyplugh) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @missing(%q: !t) {
  // expected-error-re@+1 {{expected a mask; masks are: {{[a-z_, ]+}}, window}}
  %o = attn.attention %q, %q, %q mask(causal and ) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @deep(%q: !t) {
  // expected-error@+1 {{expected a mask nested at most 64 deep}}
  %o = attn.attention %q, %q, %q mask(not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not causal) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c6_order(%q: !t, %a: index, %b: index) {
  // expected-error@+1 {{expected the run-time numbers of the sugar to be its operands in order, got 1 numbers and 2 operands [mask_c6]}}
  %o = "attn.attention"(%q, %q, %q, %a, %b) <{mask = #sel.sink<#sel.arg<0>>, operandSegmentSizes = array<i32: 1, 2, 2, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t, index, index) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c6_missing(%q: !t) {
  // expected-error@+1 {{expected an operand for #sel.arg<0>, got only 0 operands [mask_c6]}}
  %o = "attn.attention"(%q, %q, %q) <{mask = #sel.sink<#sel.arg<0>>, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c7_count(%q: !t) {
  // expected-error@+1 {{expected 'and' to have at least 2 masks, got 1 [mask_c7]}}
  %o = "attn.attention"(%q, %q, %q) <{mask = #sel.and<#sel.causal<bottom_right>>, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c7_kind(%q: !t) {
  // expected-error@+1 {{expected 'not' to be of masks, got 4 : i64 [mask_c7]}}
  %o = "attn.attention"(%q, %q, %q) <{mask = #sel.not<4>, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}
