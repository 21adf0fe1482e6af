// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A walk over a grid: only prefill runs it, a box is about a block of keys and
// divides the grid where it can, and the combine stage stores in the same order.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v4 --split-input-file \
// RUN:   | FileCheck %s

// CHECK-LABEL: tile.program @frame
// CHECK-NOT: decode
// CHECK: tile.stage @attend_prefill {{.*}} keys = 128, {{.*}} order(<grid = [45, 80], box = [8, 16]>)
// CHECK-NOT: decode
// CHECK: tile.stage @attend_combine_prefill {{.*}} order(<grid = [45, 80], box = [8, 16]>)
// The planner's predicate is over positions: a division per dim of the grid.
// CHECK: func.func private @frame_attend_keep
!q = tensor<?x2x?x64xf32>
func.func @frame(%q: !q {attn.name = "q"}, %k: !q {attn.name = "k"}, %v: !q {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal) order(grid(45, 80)) : (!q, !q, !q) -> !q
  return %o : !q
}

// -----

// A given box; blocks of keys divide it.
// CHECK-LABEL: tile.program @tiles
// CHECK: tile.stage @attend_prefill {{.*}} keys = 128, {{.*}} box = [6, 8, 8]>)
!q = tensor<?x2x?x64xf32>
func.func @tiles(%q: !q {attn.name = "q"}, %k: !q {attn.name = "k"}, %v: !q {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v order(grid(30, 48, 80), box(6, 8, 8)) : (!q, !q, !q) -> !q
  return %o : !q
}

// -----

// Near a cube, and dividing the inner dims.
// CHECK-LABEL: tile.program @video
// CHECK: box = [4, 4, 8]>)
!q = tensor<?x2x?x64xf32>
func.func @video(%q: !q {attn.name = "q"}, %k: !q {attn.name = "k"}, %v: !q {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v order(grid(30, 48, 80)) : (!q, !q, !q) -> !q
  return %o : !q
}
