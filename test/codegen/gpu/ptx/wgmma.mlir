// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-ptx %s --arch=sm_90a | FileCheck %s
// Products of a warpgroup: accumulators stay in their registers through the
// product and the wait, whose results are what may be read.

// Both operands in memory; the old accumulators are left out.
// CHECK-LABEL: .entry descriptors(
hw.kernel @descriptors(%g: !llvm.ptr<1>, %d: i64, %i: i32, %x: f32)
    attributes {threads = 128 : i32} {
  // CHECK: wgmma.fence.sync.aligned;
  hw.wgmma_fence
  // CHECK: setp.ne.b32 useOld, 0, 0; wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f{{[0-9]+}}, %f{{[0-9]+}}, %f{{[0-9]+}}, %f{{[0-9]+}}}, %[[D:rd[0-9]+]], %[[D]], useOld, 1, 1, 0, 0;
  %a:4 = hw.wgmma bf16 n 8 zero (%d : i64), %d, (%x, %x, %x, %x) : f32, f32, f32, f32
  // CHECK: wgmma.commit_group.sync.aligned;
  hw.wgmma_commit
  // CHECK: wgmma.wait_group.sync.aligned 0;
  %r:4 = hw.wgmma_wait 0 (%a#0, %a#1, %a#2, %a#3) : f32, f32, f32, f32
  // CHECK: st.global.f32
  hw.store %r#3, %g : f32, !llvm.ptr<1>
  hw.return
}

// Both operands in memory, b transposed; the old accumulators are added to.
// CHECK-LABEL: .entry transposed(
hw.kernel @transposed(%g: !llvm.ptr<1>, %d: i64, %i: i32, %x: f32)
    attributes {threads = 128 : i32} {
  // CHECK: wgmma.fence.sync.aligned;
  %c:8 = hw.wgmma_fence(%x, %x, %x, %x, %x, %x, %x, %x) : f32, f32, f32, f32, f32, f32, f32, f32
  // CHECK: setp.ne.b32 useOld, 1, 0; wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 {{.*}}, useOld, 1, 1, 0, 1;
  %a:8 = hw.wgmma f16 n 16 trans_b (%d : i64), %d, (%c#0, %c#1, %c#2, %c#3, %c#4, %c#5, %c#6, %c#7) : f32, f32, f32, f32, f32, f32, f32, f32
  // CHECK: wgmma.commit_group.sync.aligned;
  hw.wgmma_commit
  // CHECK: wgmma.wait_group.sync.aligned 0;
  %r:8 = hw.wgmma_wait 0 (%a#0, %a#1, %a#2, %a#3, %a#4, %a#5, %a#6, %a#7) : f32, f32, f32, f32, f32, f32, f32, f32
  // CHECK: st.global.f32
  hw.store %r#7, %g : f32, !llvm.ptr<1>
  hw.return
}

// A in registers, which has no flag of its own.
// CHECK-LABEL: .entry registers(
hw.kernel @registers(%g: !llvm.ptr<1>, %d: i64, %i: i32, %x: f32)
    attributes {threads = 128 : i32} {
  // CHECK: wgmma.fence.sync.aligned;
  hw.wgmma_fence
  // CHECK: wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {{{.*}}}, {%r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}}, %rd{{[0-9]+}}, useOld, 1, 1, 1;
  %a:4 = hw.wgmma bf16 n 8 trans_b zero (%i, %i, %i, %i : i32, i32, i32, i32), %d, (%x, %x, %x, %x) : f32, f32, f32, f32
  // CHECK: wgmma.commit_group.sync.aligned;
  hw.wgmma_commit
  // CHECK: wgmma.wait_group.sync.aligned 0;
  %r:4 = hw.wgmma_wait 0 (%a#0, %a#1, %a#2, %a#3) : f32, f32, f32, f32
  // CHECK: st.global.f32
  hw.store %r#3, %g : f32, !llvm.ptr<1>
  hw.return
}

// 8-bit floats.
// CHECK-LABEL: .entry e4m3(
hw.kernel @e4m3(%g: !llvm.ptr<1>, %d: i64, %i: i32, %x: f32)
    attributes {threads = 128 : i32} {
  // CHECK: wgmma.fence.sync.aligned;
  hw.wgmma_fence
  // CHECK: wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {{.*}}, useOld, 1, 1;
  %a:4 = hw.wgmma e4m3 n 8 zero (%d : i64), %d, (%x, %x, %x, %x) : f32, f32, f32, f32
  // CHECK: wgmma.commit_group.sync.aligned;
  hw.wgmma_commit
  // CHECK: wgmma.wait_group.sync.aligned 0;
  %r:4 = hw.wgmma_wait 0 (%a#0, %a#1, %a#2, %a#3) : f32, f32, f32, f32
  // CHECK: st.global.f32
  hw.store %r#3, %g : f32, !llvm.ptr<1>
  hw.return
}

// The other 8-bit floats, from registers.
// CHECK-LABEL: .entry e5m2(
hw.kernel @e5m2(%g: !llvm.ptr<1>, %d: i64, %i: i32, %x: f32)
    attributes {threads = 128 : i32} {
  // CHECK: wgmma.fence.sync.aligned;
  hw.wgmma_fence
  // CHECK: wgmma.mma_async.sync.aligned.m64n8k32.f32.e5m2.e5m2 {{.*}}, useOld, 1, 1;
  %a:4 = hw.wgmma e5m2 n 8 zero (%i, %i, %i, %i : i32, i32, i32, i32), %d, (%x, %x, %x, %x) : f32, f32, f32, f32
  // CHECK: wgmma.commit_group.sync.aligned;
  hw.wgmma_commit
  // CHECK: wgmma.wait_group.sync.aligned 0;
  %r:4 = hw.wgmma_wait 0 (%a#0, %a#1, %a#2, %a#3) : f32, f32, f32, f32
  // CHECK: st.global.f32
  hw.store %r#3, %g : f32, !llvm.ptr<1>
  hw.return
}

// Bytes.
// CHECK-LABEL: .entry s8(
hw.kernel @s8(%g: !llvm.ptr<1>, %d: i64, %i: i32, %x: i32)
    attributes {threads = 128 : i32} {
  // CHECK: wgmma.fence.sync.aligned;
  hw.wgmma_fence
  // CHECK: wgmma.mma_async.sync.aligned.m64n8k32.s32.s8.s8 {{.*}}, useOld;
  %a:4 = hw.wgmma s8 n 8 zero (%d : i64), %d, (%x, %x, %x, %x) : i32, i32, i32, i32
  // CHECK: wgmma.commit_group.sync.aligned;
  hw.wgmma_commit
  // CHECK: wgmma.wait_group.sync.aligned 0;
  %r:4 = hw.wgmma_wait 0 (%a#0, %a#1, %a#2, %a#3) : i32, i32, i32, i32
  // CHECK: st.global.{{[bu]}}32
  hw.store %r#3, %g : i32, !llvm.ptr<1>
  hw.return
}

// The widest product takes half of the registers.
// CHECK-LABEL: .entry widest(
hw.kernel @widest(%g: !llvm.ptr<1>, %d: i64, %i: i32, %x: f32)
    attributes {threads = 128 : i32} {
  // CHECK: wgmma.fence.sync.aligned;
  hw.wgmma_fence
  // CHECK: wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {
  %a:128 = hw.wgmma bf16 n 256 zero (%d : i64), %d, (%x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x) : f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32
  // CHECK: wgmma.commit_group.sync.aligned;
  hw.wgmma_commit
  // CHECK: wgmma.wait_group.sync.aligned 0;
  %r:128 = hw.wgmma_wait 0 (%a#0, %a#1, %a#2, %a#3, %a#4, %a#5, %a#6, %a#7, %a#8, %a#9, %a#10, %a#11, %a#12, %a#13, %a#14, %a#15, %a#16, %a#17, %a#18, %a#19, %a#20, %a#21, %a#22, %a#23, %a#24, %a#25, %a#26, %a#27, %a#28, %a#29, %a#30, %a#31, %a#32, %a#33, %a#34, %a#35, %a#36, %a#37, %a#38, %a#39, %a#40, %a#41, %a#42, %a#43, %a#44, %a#45, %a#46, %a#47, %a#48, %a#49, %a#50, %a#51, %a#52, %a#53, %a#54, %a#55, %a#56, %a#57, %a#58, %a#59, %a#60, %a#61, %a#62, %a#63, %a#64, %a#65, %a#66, %a#67, %a#68, %a#69, %a#70, %a#71, %a#72, %a#73, %a#74, %a#75, %a#76, %a#77, %a#78, %a#79, %a#80, %a#81, %a#82, %a#83, %a#84, %a#85, %a#86, %a#87, %a#88, %a#89, %a#90, %a#91, %a#92, %a#93, %a#94, %a#95, %a#96, %a#97, %a#98, %a#99, %a#100, %a#101, %a#102, %a#103, %a#104, %a#105, %a#106, %a#107, %a#108, %a#109, %a#110, %a#111, %a#112, %a#113, %a#114, %a#115, %a#116, %a#117, %a#118, %a#119, %a#120, %a#121, %a#122, %a#123, %a#124, %a#125, %a#126, %a#127) : f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32
  // CHECK: st.global.f32
  hw.store %r#127, %g : f32, !llvm.ptr<1>
  hw.return
}

// What is read behind a wait went through it, and a product of the same group
// may go on with the accumulators of the last.
// CHECK-LABEL: .entry chain(
hw.kernel @chain(%g: !llvm.ptr<1>, %d: i64) attributes {threads = 128 : i32} {
  %zero = arith.constant 0.0 : f32
  // CHECK: wgmma.fence
  hw.wgmma_fence
  // CHECK: wgmma.mma_async
  %a:4 = hw.wgmma bf16 n 8 zero (%d : i64), %d, (%zero, %zero, %zero, %zero) : f32, f32, f32, f32
  // CHECK: wgmma.mma_async
  %b:4 = hw.wgmma bf16 n 8 (%d : i64), %d, (%a#0, %a#1, %a#2, %a#3) : f32, f32, f32, f32
  // CHECK: wgmma.commit_group
  hw.wgmma_commit
  // CHECK: wgmma.wait_group.sync.aligned 1;
  hw.wgmma_wait 1
  // CHECK-NOT: mul
  // CHECK: wgmma.wait_group.sync.aligned 0;
  %r:4 = hw.wgmma_wait 0 (%b#0, %b#1, %b#2, %b#3) : f32, f32, f32, f32
  // CHECK: mul
  %m = arith.mulf %r#0, %r#1 : f32
  hw.store %m, %g : f32, !llvm.ptr<1>
  hw.return
}

// Constants are put into registers first.
// CHECK-LABEL: .entry fragments(
hw.kernel @fragments(%i: i32)
    attributes {threads = 32 : i32, shared_bytes = 1024 : i32} {
  %s = hw.shared_memory
  %none = arith.constant 0 : i32
  // CHECK: stmatrix.sync.aligned.m8n8.x4.shared.b16 [%r{{[0-9]+}}], {%r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}};
  hw.stmatrix %s(%i, %i, %none, %i)
  // CHECK: stmatrix.sync.aligned.m8n8.x2.shared.b16
  hw.stmatrix %s(%i, %i)
  // CHECK: stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%r{{[0-9]+}}], {%r{{[0-9]+}}};
  hw.stmatrix %s(%i) trans
  hw.return
}
