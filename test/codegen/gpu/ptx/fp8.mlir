// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-ptx %s --arch=sm_90a | FileCheck %s
// Conversions of 8-bit floats: the second operand is the low byte.

// CHECK-LABEL: .entry fp8(
// CHECK: ld.param.f32 %[[F:f[0-9]+]], [fp8_param_0];
// CHECK: ld.param.f32 %[[G:f[0-9]+]], [fp8_param_1];
hw.kernel @fp8(%f: f32, %g: f32, %h: !llvm.ptr<1>)
    attributes {threads = 32 : i32} {
  // CHECK: cvt.rn.satfinite.e4m3x2.f32 pair, %[[G]], %[[F]]; cvt.u32.u16 %[[P:r[0-9]+]], pair;
  %0 = hw.pack_fp8 e4m3 %f, %g
  // CHECK: cvt.u16.u32 pair, %[[P]]; cvt.rn.f16x2.e4m3x2 %[[H:r[0-9]+]], pair;
  %1 = hw.unpack_fp8 e4m3 %0
  // CHECK: cvt.rn.satfinite.e5m2x2.f32
  %2 = hw.pack_fp8 e5m2 %f, %g
  // CHECK: cvt.rn.f16x2.e5m2x2
  %3 = hw.unpack_fp8 e5m2 %2
  %4 = arith.addi %1, %3 : i32
  hw.store %4, %h : i32, !llvm.ptr<1>
  hw.return
}
