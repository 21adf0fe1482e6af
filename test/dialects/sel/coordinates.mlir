// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sel.coordinates: spelling and the sizes that it takes.
// RUN: fovea-opt %s -split-input-file -verify-diagnostics | fovea-opt -split-input-file | FileCheck %s

!t = tensor<?x8x?x64xf32>
// CHECK-LABEL: @coordinates
func.func @coordinates(%q: !t, %w: index) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %q, %q mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // CHECK: %{{.+}}:2 = sel.coordinates %{{.+}} grid(64, %{{.+}} : index)
      %y, %x = sel.coordinates %i grid(64, %w : index)
      // CHECK: %[[P:.+]]:3 = sel.coordinates %{{.+}} grid(4, 8, 16)
      %a, %c, %d = sel.coordinates %j grid(4, 8, 16)
      // CHECK: arith.cmpi sle, %{{.+}}, %[[P]]#1
      %z = arith.cmpi sle, %x, %c : index
      sel.yield %z : i1
  }
  score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      // CHECK: sel.coordinates %{{.+}} grid(64, %{{.+}} : index)
      %y, %x = sel.coordinates %i grid(64, %w : index)
      attn.yield %s : f32
  } : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

func.func @coordinates_c1(%i: index) {
  // expected-error@+1 {{expected a grid of two or three sizes and as many results, got 1 and 1 [coordinates_c1]}}
  %x = sel.coordinates %i grid(64)
  return
}

// -----

func.func @coordinates_c1_results(%i: index) {
  // expected-error@+1 {{expected a grid of two or three sizes and as many results, got 2 and 3 [coordinates_c1]}}
  %x:3 = "sel.coordinates"(%i) <{staticSizes = array<i64: 4, 4>}> : (index) -> (index, index, index)
  return
}

// -----

func.func @coordinates_c2(%i: index) {
  // expected-error@+1 {{expected the sizes of a grid to be from 1 to 2147483647, got 0 [coordinates_c2]}}
  %y, %x = sel.coordinates %i grid(64, 0)
  return
}

// -----

func.func @coordinates_c2_word(%i: index) {
  // expected-error@+1 {{expected the sizes of a grid to be integers or index values, got "wide" [coordinates_c2]}}
  %y, %x = sel.coordinates %i grid(64, wide)
  return
}
