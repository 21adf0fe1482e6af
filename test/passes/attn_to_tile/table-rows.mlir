// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where a table by head says how much a query sees, an item is one panel: heads
// that see little would pay for a second one's hidden keys.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v4 --split-input-file \
// RUN:   | FileCheck %s
!t = tensor<?x4x?x64xf32>

// CHECK-LABEL: tile.program @by_head
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} lanes = 32, {{.*}} rows = 32, max_rows = -1
func.func @by_head(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"},
    %window: tensor<4xi32> {attn.name = "window"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(window(%window : tensor<4xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x4x?x64xf32>

// CHECK-LABEL: tile.program @by_number
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} lanes = 32, {{.*}} rows = 64, max_rows = -1
func.func @by_number(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"},
    %window: index {attn.name = "window"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(window(%window : index)) : (!t, !t, !t) -> !t
  return %o : !t
}
