// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// By token, by batch and token, and as a region has it.
// CHECK-LABEL: @tree
// CHECK-SAME: , %[[P:[^ :,]+]]: tensor<?xi32>, %[[R:[^ :,]+]]: tensor<?x?xi32>)
// CHECK: ^bb0(%[[B:[^ :,]+]]: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[X:.*]] = sel.ancestor in %[[P]][%[[K]], %[[Q]]] : tensor<?xi32>
// CHECK-NEXT: %[[Y:.*]] = sel.ancestor in %[[R]][%[[B]], %[[K]], %[[Q]]] : tensor<?x?xi32>
// CHECK-NEXT: arith.ori %[[X]], %[[Y]] : i1
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q1:[^ :,]+]]: index, %[[K1:[^ :,]+]]: index):
// CHECK-NEXT: sel.ancestor in %[[P]][%[[K1]], %[[Q1]]] : tensor<?xi32>
func.func @tree(%q: !t, %parents: tensor<?xi32>, %rows: tensor<?x?xi32>)
    -> (!t, !t) attributes {attn.kernel} {
  %o = attn.attention %q, %q, %q
      mask(tree(%parents : tensor<?xi32>) or tree(%rows : tensor<?x?xi32>)) : (!t, !t, !t) -> !t
  %o2 = attn.attention %q, %q, %q mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %x = sel.ancestor in %parents[%j, %i] : tensor<?xi32>
      sel.yield %x : i1
  } : (!t, !t, !t) -> !t
  return %o, %o2 : !t, !t
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @tree_c1_word(%q: !t) {
  // expected-error@+1 {{expected tree, or tree(%parents : tensor<?xi32>) [tree_c1]}}
  %o = attn.attention %q, %q, %q mask(tree(3)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @tree_c1_type(%q: !t, %parents: tensor<?xi64>) {
  // expected-error@+1 {{expected the parents of a tree to be a tensor<?xi32> by token or a tensor<?x?xi32> by batch and token, got 'tensor<?xi64>' [tree_c1]}}
  %o = attn.attention %q, %q, %q mask(tree(%parents : tensor<?xi64>)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @tree_c1_operand(%q: !t) {
  // expected-error@+1 {{expected the parents of a tree to be an operand, got #sel.arg<0> [tree_c1]}}
  "attn.attention"(%q, %q, %q) <{mask = #sel.tree<#sel.arg<0>>, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @tree_c1_indices(%q: !t, %parents: tensor<?x?xi32>) attributes {attn.kernel} {
  %o = attn.attention %q, %q, %q mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // expected-error@+1 {{expected parents of tensor<?xi32> at a key and a query, or of tensor<?x?xi32> at a batch, a key and a query, got 'tensor<?x?xi32>' at 2 indices [tree_c1]}}
      %x = sel.ancestor in %parents[%j, %i] : tensor<?x?xi32>
      sel.yield %x : i1
  } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @tree_c2(%q: !t) {
  // expected-error@+1 {{expected 'tree' without a table of parents only over a cache, whose batch has the tree [tree_c2]}}
  %o = attn.attention %q, %q, %q mask(causal and tree) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @tree_c2_region(%q: !t) attributes {attn.kernel} {
  // expected-error@+1 {{expected 'tree' without a table of parents only over a cache, whose batch has the tree [tree_c2]}}
  %o = attn.attention %q, %q, %q mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %x = sel.ancestor
      sel.yield %x : i1
  } : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
!s = !sel.scores<per = (b, h, q : 64), unit = k : 64>
func.func @tree_c2_score(%q: !t) {
  // expected-error@+1 {{expected 'tree' without a table of parents only over a cache, whose batch has the tree [tree_c2]}}
  %s = sel.score %q, %q pooled mask(tree) : !t, !t -> !s
  return
}

// -----

!t = tensor<?x8x?x64xf32>
!c = !kv.cache<heads = 8, dim = 64, layout = paged<16>, segments = [all : f32]>
func.func @tree_c3(%q: tensor<?x8x64xf32>, %c: !c) {
  // expected-error@+1 {{expected a mask of blocks not to ask for the tree of the batch, which is of tokens, got tree [tree_c3]}}
  %o = attn.attention %q, %c mask(blocks(4, tree)) : (tensor<?x8x64xf32>, !c) -> tensor<?x8x64xf32>
  return
}

// -----

!t = tensor<?x8x?x64xf32>
// A modifier asks for no ancestors.
func.func @modifier_c3(%q: !t, %parents: tensor<?xi32>) attributes {attn.kernel} {
  // expected-error@+1 {{expected the score region to hold scalar arith and math ops, tensor.extract and sel.coordinates, got 'sel.ancestor' [modifier_c3]}}
  %o = attn.attention %q, %q, %q score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      // expected-note@+1 {{the op is here}}
      %x = sel.ancestor in %parents[%j, %i] : tensor<?xi32>
      attn.yield %s : f32
  } : (!t, !t, !t) -> !t
  return
}
