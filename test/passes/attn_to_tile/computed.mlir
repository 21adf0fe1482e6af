// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numbers that are computed outside of regions: masks and modifiers copy the
// ops, nothing else takes one.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 --split-input-file \
// RUN:   -verify-diagnostics | FileCheck %s

!t = tensor<?x4x?x64xf32>

// The functions of the mask take the argument alone and compute the sum.
// CHECK-LABEL: tile.program @window
// CHECK: tile.runs closed(@window_attend, %{{.*}} : index)
// CHECK: tile.map {{.*}} on(partial)
// CHECK: arith.addi
// CHECK: func.func private @window_attend_bounds(%{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %{{.*}}: memref<8x2xi64>) -> i32
func.func @window(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}, %w: index {attn.name = "w"}) -> !t attributes {attn.kernel} {
  %two = arith.constant 2 : index
  %n = arith.addi %w, %two : index
  %o = attn.attention %q, %k, %v mask(window(%n : index)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!q = tensor<?x4x?x64xf32>
!s = !sel.scores<per = (b, h, q : 16), unit = k : 16>
!l = !kv.list<per = (b, h, q : 16), unit = k : 16, order = any>
func.func @choose(%q: !q {attn.name = "q"}, %k: !q {attn.name = "k"}, %v: !q {attn.name = "v"}, %n: index {attn.name = "n"}) -> !q attributes {attn.kernel} {
  %two = arith.constant 2 : index
  // expected-note@+1 {{it is computed here}}
  %m = arith.addi %n, %two : index
  %s = sel.score %q, %k pooled : !q, !q -> !s
  // expected-error@+1 {{a computed number outside of masks and score modifiers is not supported by this compiler}}
  %l = sel.choose %s top_k(%m : index) : !s -> !l
  %o = attn.attention %q, %k, %v over(%l : !l) : (!q, !q, !q) -> !q
  return %o : !q
}

// -----

// causal(top_left) beside a mask of tokens needs to know the first token: from
// offset(..), an operand more, or from a static number of queries.
// CHECK-LABEL: tile.program @offset
// CHECK: tile.runs closed(@offset_attend, %[[OFF:[a-z0-9_]+]] : !tile.view<?xi32>){{.*}} offsets(%[[OFF]]
!t = tensor<?x4x?x64xf32>
func.func @offset(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}, %off: tensor<?xi32> {attn.name = "off"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal(top_left) or window(4)) offset(%off : tensor<?xi32>) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

// CHECK-LABEL: tile.program @static
// CHECK: tile.runs closed(@static_attend) as "causal(top_left) or window(4)" clip{{.*}} dims("{{[a-z0-9_]+}}", "{{[a-z0-9_]+}}"){{$}}
!q = tensor<?x4x8x64xf32>
!k = tensor<?x4x?x64xf32>
func.func @static(%q: !q {attn.name = "q"}, %k: !k {attn.name = "k"}, %v: !k {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal(top_left) or window(4)) : (!q, !k, !k) -> !q
  return %o : !q
}

// -----

!t = tensor<?x4x?x64xf32>
func.func @neither(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}) -> !t attributes {attn.kernel} {
  // expected-error@+1 {{causal(top_left) beside a mask that reads the query's token index is not supported by this compiler without offset(..) or a static number of queries}}
  %o = attn.attention %q, %k, %v mask(causal(top_left) or window(4)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

// One pooling serves attention of the same lengths.
!t = tensor<?x4x?x64xf32>
!n = tensor<?xi32>
!p = !kv.pyramid<levels = [1, 2], of = !t>
!m = !sel.levels<per = (b, h, q : 16), unit = k : 16>
func.func @lengths(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}, %n: !n {attn.name = "n"}, %l: tensor<?x4x?x?xi8> {attn.name = "l"}) -> (!t, !t) attributes {attn.kernel} {
  %p = sel.pool %k, %v levels(1, 2) reduce(mean) : !t, !t -> !p
  %m = sel.levels %l : tensor<?x4x?x?xi8> -> !m
  // expected-error@+1 {{attention of other lengths over a pyramid is not supported by this compiler: pool the keys once more}}
  %o = attn.attention %q, %p levels(%m : !m) lengths(%n : !n) : (!t, !p) -> !t
  %o2 = attn.attention %q, %p levels(%m : !m) : (!t, !p) -> !t
  return %o, %o2 : !t, !t
}
