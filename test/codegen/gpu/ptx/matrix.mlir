// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-ptx %s --arch=sm_80 | FileCheck %s
// Fragments and products of a warp. The formats of the products are the ones
// asked for: nvvm's own op makes f16 of bf16.

// CHECK-LABEL: .entry matrix(
hw.kernel @matrix(%g: !llvm.ptr<1>, %h: !llvm.ptr<1>, %l: !llvm.ptr<1>)
    attributes {threads = 32 : i32, shared_bytes = 1024 : i32} {
  %s = hw.shared_memory
  %f = arith.constant 0.0 : f32
  %i = arith.constant 0 : i32
  // CHECK: ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r{{[0-9]+}}}, [%r{{[0-9]+}}];
  %c = hw.ldmatrix %s : i32
  // CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}}, [%r{{[0-9]+}}];
  %a:4 = hw.ldmatrix %s : i32, i32, i32, i32
  // CHECK: ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r{{[0-9]+}}, %r{{[0-9]+}}}, [%r{{[0-9]+}}];
  %b:2 = hw.ldmatrix %s trans : i32, i32
  // CHECK: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
  %d:4 = hw.mma bf16 (%a#0, %a#1, %a#2, %a#3), (%b#0, %b#1), (%f, %f, %f, %f) : f32, f32, f32, f32
  // CHECK: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
  %e:4 = hw.mma f16 (%a#0, %a#1, %a#2, %a#3), (%b#0, %b#1), (%d#0, %d#1, %d#2, %d#3) : f32, f32, f32, f32
  hw.store %e#3, %l : f32, !llvm.ptr<1>
  // CHECK: mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32
  %j:4 = hw.mma s8 (%a#0, %a#1, %a#2, %a#3), (%b#0, %b#1), (%i, %i, %i, %i) : i32, i32, i32, i32
  // CHECK: mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32
  %k:4 = hw.mma s4 (%a#0, %a#1, %a#2, %a#3), (%b#0, %i), (%j#0, %j#1, %j#2, %j#3) : i32, i32, i32, i32
  hw.store %k#3, %h : i32, !llvm.ptr<1>
  hw.store %c, %g : i32, !llvm.ptr<1>
  hw.return
}
