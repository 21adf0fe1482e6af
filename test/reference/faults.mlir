// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the interpreter refuses: tables that are too small, divisions by zero.
// RUN: not fovea-reference %s | FileCheck %s

!t = tensor<1x1x4x1xf32>

// CHECK: short_table: error: expected attention to read what is there, got a table index out of range in scalar code
func.func @short_table() -> !t {
  %q = arith.constant dense<1.0> : !t
  %d = arith.constant dense<[1, 2, 3]> : tensor<3xi32>
  %o = attn.attention %q, %q, %q mask(documents(%d : tensor<3xi32>))
      : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK: division: error: expected attention to read what is there, got a division by zero in scalar code
func.func @division() -> !t {
  %q = arith.constant dense<1.0> : !t
  %o = attn.attention %q, %q, %q
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %r = arith.remui %j, %b : index // the batch is 0; a literal is mask_c8
        %keep = arith.cmpi eq, %r, %b : index
        sel.yield %keep : i1 } : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK: boundaries: error: expected attention to read what is there, got a table of boundaries that do not ascend in scalar code
func.func @boundaries() -> !t {
  %q = arith.constant dense<1.0> : !t
  %d = arith.constant dense<[0, 3, 2]> : tensor<3xi32>
  %o = attn.attention %q, %q, %q
      mask(documents(cu_seqlens(%d : tensor<3xi32>))) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK: boundaries_row: error: expected attention to read what is there, got a table index out of range in scalar code
func.func @boundaries_row() -> !t {
  %q = arith.constant dense<1.0> : !t
  %rows = arith.constant dense<> : tensor<0x3xi32>
  %o = attn.attention %q, %q, %q
      mask(documents(cu_seqlens(%rows : tensor<0x3xi32>))) : (!t, !t, !t) -> !t
  return %o : !t
}

// CHECK: grid: error: expected attention to read what is there, got a division by zero in scalar code
func.func @grid() -> !t {
  %q = arith.constant dense<1.0> : !t
  %o = attn.attention %q, %q, %q
      mask { ^bb0(%b: index, %h: index, %i: index, %j: index):
        %y, %x = sel.coordinates %j grid(4, %b : index) // the batch is 0
        %keep = arith.cmpi eq, %x, %b : index
        sel.yield %keep : i1 } : (!t, !t, !t) -> !t
  return %o : !t
}
