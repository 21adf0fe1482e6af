// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s --sel-expand-masks --attn-to-tile="target=x86-64-v4" | FileCheck %s

!t = tensor<1x2x?x64xf32>

// Ranges of keys with a period, here two of them, are inserted by one helper:
// their code in line is what compiling a mask of dozens of them took.
// CHECK-LABEL: func.func private @twice_attend_bounds
// CHECK: call @fovea_mask_insert_pieces
// CHECK: call @fovea_mask_insert_pieces
// CHECK-NOT: call @fovea_mask_insert
// CHECK: return
func.func @twice(%q: !t, %k: !t, %v: !t) -> !t attributes {attn.kernel} {
  %o = attn.attention %q, %k, %v mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %c64 = arith.constant 64 : index
      %c96 = arith.constant 96 : index
      %zero = arith.constant 0 : index
      %a = arith.remui %j, %c64 : index
      %c = arith.remui %j, %c96 : index
      %first = arith.cmpi eq, %a, %zero : index
      %second = arith.cmpi eq, %c, %zero : index
      %keep = arith.ori %first, %second : i1
      sel.yield %keep : i1
  } : (!t, !t, !t) -> !t
  return %o : !t
}
