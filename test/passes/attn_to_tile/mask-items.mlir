// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Items of a masked stream: two panels, four where keys are converted, eight
// where stripes with gaps between them have the keys; of few queries where the
// stripes move with the query. Blocks of keys are long but for stripes, register
// tiles are of 8 keys.
// RUN: fovea-opt %s --attn-to-tile=target=x86-64-v4 --split-input-file \
// RUN:   | FileCheck %s
!t = tensor<?x4x?x64xf32>

// CHECK-LABEL: tile.program @by_head
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} lanes = 32, reg = 8, keys = 128, rows = 64, max_rows = -1
func.func @by_head(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"},
    %window: tensor<4xi32> {attn.name = "window"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(window(%window : tensor<4xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x4x?x64xf32>

// CHECK-LABEL: tile.program @by_number
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} lanes = 32, reg = 8, keys = 128, rows = 64, max_rows = -1
func.func @by_number(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"},
    %window: index {attn.name = "window"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(window(%window : index)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x4x?x64xbf16>

// Keys are converted for all panels together.
// CHECK-LABEL: tile.program @tree
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} lanes = 32, reg = 8, keys = 128, rows = 128, max_rows = -1
func.func @tree(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"},
    %parents: tensor<?xi32> {attn.name = "parents"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(tree(%parents : tensor<?xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x4x?x64xf32>

// CHECK-LABEL: tile.program @columns
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} lanes = 32, reg = 8, keys = 16, rows = 256, max_rows = -1
func.func @columns(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal and columns(128, 112, 16)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x4x?x64xf32>

// CHECK-LABEL: tile.program @diagonals
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} lanes = 16, reg = 8, keys = 16, rows = 128, max_rows = -1
func.func @diagonals(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(causal and dilated(128)) : (!t, !t, !t) -> !t
  return %o : !t
}
