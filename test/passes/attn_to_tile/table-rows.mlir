// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Items of a masked stream by what says which keys a query sees: two panels in
// general, also where tables by head give the width of a window; four where
// tables by tokens scatter the keys. Blocks of keys stay long, register tiles
// are of 8 keys: what nobody sees in a block is passed over.
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
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} lanes = 32, reg = 8, keys = 96, rows = 128, max_rows = -1
func.func @tree(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"},
    %parents: tensor<?xi32> {attn.name = "parents"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask(tree(%parents : tensor<?xi32>)) : (!t, !t, !t) -> !t
  return %o : !t
}

// -----

!t = tensor<?x4x?x64xf32>

// CHECK-LABEL: tile.program @blocks
// CHECK: tile.stage @attend_prefill launch("attend") {{.*}} lanes = 32, reg = 8, keys = 128, rows = 128, max_rows = -1
func.func @blocks(%q: !t {attn.name = "q"}, %k: !t {attn.name = "k"}, %v: !t {attn.name = "v"},
    %blocks: tensor<4x?x?xi8> {attn.name = "blocks", attn.dims = "h rows columns"}) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %size = arith.constant 16 : index
      %zero = arith.constant 0 : i8
      %row = arith.divsi %i, %size : index
      %column = arith.divsi %j, %size : index
      %byte = tensor.extract %blocks[%h, %row, %column] : tensor<4x?x?xi8>
      %keep = arith.cmpi ne, %byte, %zero : i8
      sel.yield %keep : i1
  } : (!t, !t, !t) -> !t
  return %o : !t
}
