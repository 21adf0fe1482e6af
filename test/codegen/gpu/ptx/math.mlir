// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-ptx %s --arch=sm_80 | FileCheck %s
// Approximations, pairs of 16 bits, and bits.

// CHECK-LABEL: .entry floats(
hw.kernel @floats(%f: f32, %g: f32, %h: !llvm.ptr<1>)
    attributes {threads = 32 : i32} {
  // CHECK: ex2.approx.ftz.f32
  %0 = hw.exp2 %f
  // CHECK: lg2.approx.ftz.f32
  %1 = hw.log2 %0
  // CHECK: rcp.approx.ftz.f32
  %2 = hw.rcp %1
  // CHECK: tanh.approx.f32
  %3 = hw.tanh %2
  // CHECK: cvt.rn.bf16x2.f32 %r{{[0-9]+}}, %[[HIGH:f[0-9]+]], %[[LOW:f[0-9]+]];
  %4 = hw.pack bf16 %3, %g
  // CHECK: cvt.rn.f16x2.f32 %r{{[0-9]+}}, %[[HIGH]], %[[LOW]];
  %5 = hw.pack f16 %3, %g
  %6 = arith.addi %4, %5 : i32
  hw.store %6, %h : i32, !llvm.ptr<1>
  hw.return
}

// CHECK-LABEL: .entry bits(
hw.kernel @bits(%a: i32, %b: i32, %c: i32, %h: !llvm.ptr<1>)
    attributes {threads = 32 : i32} {
  // CHECK: prmt.b32 %[[P:r[0-9]+]],
  %0 = hw.byte_permute %a, %b, %c
  // CHECK: lop3.b32 %[[Q:r[0-9]+]], %[[P]], %r{{[0-9]+}}, %r{{[0-9]+}}, 234;
  %1 = hw.lop3 234, %0, %b, %c
  // CHECK: dp4a.s32.s32 %[[R:r[0-9]+]], %[[Q]], %r{{[0-9]+}}, %r{{[0-9]+}};
  %2 = hw.dp4a %1, %b, %c
  hw.store %2, %h : i32, !llvm.ptr<1>
  hw.return
}

// CHECK-LABEL: .entry unpack(
hw.kernel @unpack(%a: i32, %h: !llvm.ptr<1>) attributes {threads = 32 : i32} {
  // CHECK-DAG: shl.b32 %r{{[0-9]+}}, %r{{[0-9]+}}, 16;
  // CHECK-DAG: and.b32 %r{{[0-9]+}}, %r{{[0-9]+}}, -65536;
  %low, %high = hw.unpack bf16 %a
  // CHECK-DAG: cvt.f32.f16
  // CHECK-DAG: cvt.f32.f16
  %l, %u = hw.unpack f16 %a
  %0 = arith.addf %low, %high : f32
  %1 = arith.addf %l, %u : f32
  %2 = arith.mulf %0, %1 : f32
  hw.store %2, %h : f32, !llvm.ptr<1>
  hw.return
}
