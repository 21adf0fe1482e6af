// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of any length by warps: whole lines, rows that are not aligned, and a
// last piece that is short.
// RUN: fovea verify %s -D D=64 --shape=x_0=2,x_2=9 --target=sm_80-emulated | FileCheck %s
// RUN: fovea verify %s -D D=46 --shape=x_0=2,x_2=9 --target=sm_80-emulated | FileCheck %s
// RUN: fovea verify %s -D D=3 --shape=x_0=2,x_2=9 --target=sm_80-emulated | FileCheck %s
// RUN: fovea verify %s -D D=300 --shape=x_0=1,x_2=1 --target=sm_80-emulated | FileCheck %s
// CHECK: ok: largest error 0.00e+00
!x = tensor<?x3x?x${D}xf16>
!e = tensor<?x3x?x${D}xf16, #kv.int8<per tok>>

func.func @encode(%x: !x) -> !e attributes {attn.kernel} {
  %e = kv.encode %x : !x -> !e
  return %e : !e
}
