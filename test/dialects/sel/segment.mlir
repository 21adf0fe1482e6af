// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sel.segment: spelling, the tables that it takes, and where it may stand.
// RUN: fovea-opt %s -split-input-file -verify-diagnostics | fovea-opt -split-input-file | FileCheck %s

!t = tensor<?x8x?x64xf32>
// CHECK-LABEL: @segment
func.func @segment(%q: !t, %cu: tensor<?xi32>, %rows: tensor<?x?xi32>) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %q, %q mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // CHECK: %{{.+}}, %[[B:.+]], %{{.+}} = sel.segment %{{.+}} of %{{.+}} : tensor<?xi32>
      %x, %begin, %end = sel.segment %i of %cu : tensor<?xi32>
      // CHECK-NEXT: %[[X:.+]], %{{.+}}, %{{.+}} = sel.segment %{{.+}} of %{{.+}}[%{{.+}}] : tensor<?x?xi32>
      %y, %begin1, %end1 = sel.segment %j of %rows[%b] : tensor<?x?xi32>
      // CHECK-NEXT: arith.cmpi sle, %[[B]], %[[X]]
      %z = arith.cmpi sle, %begin, %y : index
      sel.yield %z : i1
  } : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @segment_c1_row(%q: !t, %cu: tensor<?x?xi32>) attributes {attn.kernel} {
  %o = attn.attention %q, %q, %q mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // expected-error@+1 {{expected boundaries of tensor<?xi32>, or of tensor<?x?xi32> at a row, got 'tensor<?x?xi32>' without a row [segment_c1]}}
      %x, %begin, %end = sel.segment %i of %cu : tensor<?x?xi32>
      %z = arith.cmpi sle, %begin, %j : index
      sel.yield %z : i1
  } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @segment_c1_type(%q: !t, %cu: tensor<?xi64>) attributes {attn.kernel} {
  %o = attn.attention %q, %q, %q mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // expected-error@+1 {{expected boundaries of tensor<?xi32>, or of tensor<?x?xi32> at a row, got 'tensor<?xi64>' at a row [segment_c1]}}
      %x, %begin, %end = sel.segment %i of %cu[%b] : tensor<?xi64>
      %z = arith.cmpi sle, %begin, %j : index
      sel.yield %z : i1
  } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
// The table is an argument of the kernel.
func.func @mask_c4(%q: !t) attributes {attn.kernel} {
  %cu = arith.constant dense<[0, 4]> : tensor<2xi32>
  // expected-error@+1 {{expected a table of the mask region to be an argument of the kernel [mask_c4]}}
  %o = attn.attention %q, %q, %q mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // expected-note@+1 {{the table is read here}}
      %x, %begin, %end = sel.segment %i of %cu : tensor<2xi32>
      %z = arith.cmpi sle, %begin, %j : index
      sel.yield %z : i1
  } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
// A modifier asks for no segments.
func.func @modifier_c3(%q: !t, %cu: tensor<?xi32>) attributes {attn.kernel} {
  // expected-error@+1 {{expected the score region to hold scalar arith and math ops, tensor.extract and sel.coordinates, got 'sel.segment' [modifier_c3]}}
  %o = attn.attention %q, %q, %q score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      // expected-note@+1 {{the op is here}}
      %x, %begin, %end = sel.segment %i of %cu : tensor<?xi32>
      attn.yield %s : f32
  } : (!t, !t, !t) -> !t
  return
}
