// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A decode variant computes all of its rows, live or not. Where one position
// has fewer rows than the table's variant, it gets a variant of its own, which
// the plan finds first. The wider one's combine stage merges for both.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v3 --split-input-file \
// RUN:   | FileCheck %s

// CHECK-LABEL: tile.program @group
// CHECK: tile.stage @attend_decode1 launch("attend") {{.*}} rows = 4, max_rows = 4,
// CHECK: tile.stage @attend_decode launch("attend") {{.*}} rows = 8, max_rows = 8,
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} max_rows = -1,
// CHECK-NOT: @attend_combine_decode1
// CHECK: tile.stage @attend_combine_decode launch("attend_combine") {{.*}} rows = 8, max_rows = 8,
// CHECK: tile.stage @attend_combine_prefill
!q = tensor<?x8x?x64xf32>
!k = tensor<?x2x?x64xf32>
func.func @group(%q: !q {attn.name = "q"}, %k: !k {attn.name = "k"}, %v: !k {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v : (!q, !k, !k) -> !q
  return %o : !q
}

// -----

// Eight rows per position: the table's variant is that of one position.
// CHECK-LABEL: tile.program @wide
// CHECK-NOT: tile.stage
// CHECK: tile.stage @attend_decode launch("attend") {{.*}} rows = 8, max_rows = 8,
// CHECK-NOT: tile.stage
// CHECK: tile.stage @attend_prefill
!q = tensor<?x16x?x64xf32>
!k = tensor<?x2x?x64xf32>
func.func @wide(%q: !q {attn.name = "q"}, %k: !k {attn.name = "k"}, %v: !k {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v : (!q, !k, !k) -> !q
  return %o : !q
}

// -----

// One query by the type: its variant alone, with a combine stage of its own.
// CHECK-LABEL: tile.program @one
// CHECK-NOT: tile.stage
// CHECK: tile.stage @attend_decode launch("attend") {{.*}} rows = 4, max_rows = 4,
// CHECK-NOT: tile.stage
// CHECK: tile.stage @attend_combine_decode {{.*}} rows = 4, max_rows = 4,
// CHECK-NOT: tile.stage
!q = tensor<?x8x1x64xf32>
!k = tensor<?x2x?x64xf32>
func.func @one(%q: !q {attn.name = "q", attn.dims = "b h sq d"}, %k: !k {attn.name = "k"}, %v: !k {attn.name = "v"}) -> !q attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v : (!q, !k, !k) -> !q
  return %o : !q
}
