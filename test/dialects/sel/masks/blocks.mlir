// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -split-input-file -verify-diagnostics -sel-expand-masks | FileCheck %s

!t = tensor<?x8x?x64xf32>
// The ends of the query's block: nothing is computed per key.
// CHECK-LABEL: @chunked
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[N:.*]] = arith.constant 16 : index
// CHECK-NEXT: %[[B:.*]] = arith.floordivsi %[[Q]], %[[N]] : index
// CHECK-NEXT: %[[LO:.*]] = arith.muli %[[B]], %[[N]] : index
// CHECK-NEXT: %[[HI:.*]] = arith.addi %[[LO]], %[[N]] : index
// CHECK-NEXT: %[[L:.*]] = arith.cmpi sle, %[[LO]], %[[K]] : index
// CHECK-NEXT: %[[R:.*]] = arith.cmpi slt, %[[K]], %[[HI]] : index
// CHECK-NEXT: %[[KEEP:.*]] = arith.andi %[[L]], %[[R]] : i1
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @chunked(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask(chunked(16)) : (!t, !t, !t) -> !t
  return %o : !t
}

// A block begins at a run-time token.
// CHECK-LABEL: @chunked_first
// CHECK-SAME: %[[F:[^ :,]+]]: index)
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: arith.constant 16 : index
// CHECK: %[[UP:.*]] = arith.maxsi %[[F]], %{{.*}} : index
// CHECK: %[[FIRST:.*]] = arith.minsi %[[UP]], %{{.*}} : index
// CHECK-NEXT: %[[X:.*]] = arith.subi %[[Q]], %[[FIRST]] : index
// CHECK-NEXT: %[[B:.*]] = arith.floordivsi %[[X]], %{{.*}} : index
// CHECK-NEXT: %[[M:.*]] = arith.muli %[[B]], %{{.*}} : index
// CHECK-NEXT: arith.addi %[[M]], %[[FIRST]] : index
func.func @chunked_first(%q: !t, %f: index) -> !t {
  %o = attn.attention %q, %q, %q mask(chunked(16, %f : index)) : (!t, !t, !t) -> !t
  return %o : !t
}

// The end of the query's block alone; a run-time size below 1 keeps nothing.
// CHECK-LABEL: @block_causal
// CHECK-SAME: %[[N:[^ :,]+]]: index)
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK: %[[UP:.*]] = arith.maxsi %[[N]], %{{.*}} : index
// CHECK: %[[SIZE:.*]] = arith.minsi %[[UP]], %{{.*}} : index
// CHECK-NEXT: %[[ONE:.*]] = arith.constant 1 : index
// CHECK-NEXT: %[[S:.*]] = arith.maxsi %[[SIZE]], %[[ONE]] : index
// CHECK-NEXT: %[[OK:.*]] = arith.cmpi sle, %[[ONE]], %[[SIZE]] : index
// CHECK-NEXT: %[[B:.*]] = arith.floordivsi %[[Q]], %[[S]] : index
// CHECK-NEXT: %[[LO:.*]] = arith.muli %[[B]], %[[S]] : index
// CHECK-NEXT: %[[HI:.*]] = arith.addi %[[LO]], %[[S]] : index
// CHECK-NEXT: %[[BEFORE:.*]] = arith.cmpi slt, %[[K]], %[[HI]] : index
// CHECK-NEXT: %[[KEEP:.*]] = arith.andi %[[OK]], %[[BEFORE]] : i1
// CHECK-NEXT: sel.yield %[[KEEP]] : i1
func.func @block_causal(%q: !t, %n: index) -> !t {
  %o = attn.attention %q, %q, %q mask(block_causal(%n : index)) : (!t, !t, !t) -> !t
  return %o : !t
}

// The mask sees blocks; behind it, tokens are tokens again.
// CHECK-LABEL: @blocks
// CHECK: ^bb0(%{{.*}}: index, %{{.*}}: index, %[[Q:[^ :,]+]]: index, %[[K:[^ :,]+]]: index):
// CHECK-NEXT: %[[N:.*]] = arith.constant 16 : index
// CHECK-NEXT: %[[QB:.*]] = arith.floordivsi %[[Q]], %[[N]] : index
// CHECK-NEXT: %[[KB:.*]] = arith.divsi %[[K]], %[[N]] : index
// CHECK-NEXT: arith.cmpi sle, %[[KB]], %[[QB]] : index
// CHECK-NEXT: arith.cmpi sle, %[[K]], %[[Q]] : index
func.func @blocks(%q: !t) -> !t {
  %o = attn.attention %q, %q, %q mask(blocks(16, causal) and causal) : (!t, !t, !t) -> !t
  return %o : !t
}


// -----

!t = tensor<?x8x?x64xf32>
func.func @chunked_c1_size(%q: !t) {
  // expected-error@+1 {{expected the size of a block to be from 1 to 2147483647, got 0 [chunked_c1]}}
  %o = attn.attention %q, %q, %q mask(chunked(0)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @chunked_c1_first(%q: !t) {
  // expected-error@+1 {{expected the start of a block to be from 0 to 2147483647, got -1 [chunked_c1]}}
  %o = attn.attention %q, %q, %q mask(chunked(4, -1)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @chunked_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected chunked(n) or chunked(n, first) [chunked_c1]}}
  %o = attn.attention %q, %q, %q mask(chunked) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @chunked_c1_word(%q: !t) {
  // expected-error@+1 {{expected chunked(n) or chunked(n, first) [chunked_c1]}}
  %o = attn.attention %q, %q, %q mask(chunked(inf)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @block_causal_c1_size(%q: !t) {
  // expected-error@+1 {{expected the size of a block to be from 1 to 2147483647, got 2147483648 [block_causal_c1]}}
  %o = attn.attention %q, %q, %q mask(block_causal(2147483648)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @block_causal_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected block_causal(n) or block_causal(n, first) [block_causal_c1]}}
  %o = attn.attention %q, %q, %q mask(block_causal(1, 2, 3)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @blocks_c1_size(%q: !t) {
  // expected-error@+1 {{expected the size of a block to be from 1 to 2147483647, got 0 [blocks_c1]}}
  %o = attn.attention %q, %q, %q mask(blocks(0, causal)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @blocks_c1_arguments(%q: !t) {
  // expected-error@+1 {{expected blocks(n, mask) [blocks_c1]}}
  %o = attn.attention %q, %q, %q mask(blocks(4)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @blocks_c1_two(%q: !t) {
  // expected-error@+1 {{expected blocks(n, mask) [blocks_c1]}}
  %o = attn.attention %q, %q, %q mask(blocks(4, causal, causal)) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @blocks_inner(%q: !t) {
  // expected-error@+1 {{expected the number of sinks to be from 0 to 2147483647, got -1 [sink_c1]}}
  %o = attn.attention %q, %q, %q mask(blocks(4, sink(-1))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @blocks_c2(%q: !t) {
  // expected-error@+1 {{expected a mask of blocks not to count rows of the call, got causal(top_left) [blocks_c2]}}
  %o = attn.attention %q, %q, %q mask(blocks(4, sink(1) or causal(top_left))) : (!t, !t, !t) -> !t
  return
}

// -----

!t = tensor<?x8x?x64xf32>
func.func @mask_c7_blocks(%q: !t) {
  // expected-error@+1 {{expected 'blocks' to be of masks, got 5 : i64 [mask_c7]}}
  %o = "attn.attention"(%q, %q, %q) <{mask = #sel.blocks<4, 5>, operandSegmentSizes = array<i32: 1, 2, 0, 0, 0, 0, 0, 0, 0, 0>}> ({}, {}, {}) : (!t, !t, !t) -> !t
  return
}
