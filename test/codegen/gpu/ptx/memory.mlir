// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-ptx %s --arch=sm_80 | FileCheck %s
// Loads, stores and atomics with their orders, scopes and cache policies.

// CHECK: .extern .shared .align 1024 .b8 fovea_shared[];

// Weak accesses are as wide as their type.
// CHECK-LABEL: .entry weak(
hw.kernel @weak(%g: !llvm.ptr<1>, %h: !llvm.ptr<1>)
    attributes {threads = 32 : i32, shared_bytes = 1024 : i32} {
  %s = hw.shared_memory
  // CHECK: ld.global.nc.v4.u32
  %v = hw.load %g cache nc : !llvm.ptr<1> -> vector<4xi32>
  // CHECK: st.shared.v4.{{[bu]}}32
  hw.store %v, %s : vector<4xi32>, !llvm.ptr<3>
  // CHECK: bar.sync
  hw.barrier 0, 32
  // CHECK: ld.shared.v2.f32
  %w = hw.load %s : !llvm.ptr<3> -> vector<2xf32>
  // CHECK: st.global.v2.f32
  hw.store %w, %h : vector<2xf32>, !llvm.ptr<1>
  hw.barrier 0, 32
  // CHECK: ld.global.{{[bu]}}8
  %b = hw.load %g : !llvm.ptr<1> -> i8
  // CHECK: st.shared.{{[bu]}}8
  hw.store %b, %s : i8, !llvm.ptr<3>
  hw.barrier 0, 32
  // CHECK: ld.global.{{[bu]}}16
  %f = hw.load %g : !llvm.ptr<1> -> bf16
  // CHECK: st.shared.{{[bu]}}16
  hw.store %f, %s : bf16, !llvm.ptr<3>
  hw.barrier 0, 32
  // CHECK: ld.global.{{[bu]}}64
  %l = hw.load %g : !llvm.ptr<1> -> i64
  // CHECK: st.shared.{{[bu]}}64
  hw.store %l, %s : i64, !llvm.ptr<3>
  hw.return
}

// A policy is made once and given to the load.
// CHECK-LABEL: .entry evict_first(
hw.kernel @evict_first(%g: !llvm.ptr<1>, %h: !llvm.ptr<1>)
    attributes {threads = 32 : i32} {
  // CHECK: createpolicy.fractional.L2::evict_first.b64 policy, 1.0;
  // CHECK-SAME: ld.global.L2::cache_hint.v4.b32 {%r{{[0-9]+}}, {{.*}}}, [%rd{{[0-9]+}}], policy;
  %v = hw.load %g cache evict_first : !llvm.ptr<1> -> vector<4xi32>
  hw.store %v, %h : vector<4xi32>, !llvm.ptr<1>
  // CHECK: ld.global.L2::cache_hint.b32 %f
  %f = hw.load %g cache evict_first : !llvm.ptr<1> -> f32
  hw.store %f, %h : f32, !llvm.ptr<1>
  // CHECK: ld.global.L2::cache_hint.b64
  %l = hw.load %g cache evict_first : !llvm.ptr<1> -> i64
  hw.store %l, %h : i64, !llvm.ptr<1>
  // CHECK: ld.global.L2::cache_hint.u16
  %b = hw.load %g cache evict_first : !llvm.ptr<1> -> bf16
  hw.store %b, %h : bf16, !llvm.ptr<1>
  // CHECK: ld.global.L2::cache_hint.u8
  %c = hw.load %g cache evict_first : !llvm.ptr<1> -> i8
  hw.store %c, %h : i8, !llvm.ptr<1>
  // CHECK: prefetch.global.L2 [
  hw.prefetch_l2 %h
  hw.return
}

// Orders and scopes stay.
// CHECK-LABEL: .entry orders(
hw.kernel @orders(%g: !llvm.ptr<1>, %h: !llvm.ptr<1>)
    attributes {threads = 32 : i32, shared_bytes = 16 : i32} {
  %s = hw.shared_memory
  // CHECK: ld.acquire.gpu.global.b32 %r
  %i = hw.load %g order acquire gpu : !llvm.ptr<1> -> i32
  // CHECK: ld.relaxed.sys.global.b64 %rd
  %l = hw.load %g order relaxed sys : !llvm.ptr<1> -> i64
  // CHECK: ld.acquire.cta.shared.b32 %f
  %f = hw.load %s order acquire cta : !llvm.ptr<3> -> f32
  // CHECK: st.release.gpu.global.b32
  hw.store %i, %h order release gpu : i32, !llvm.ptr<1>
  // CHECK: st.relaxed.cta.shared.b64
  hw.store %l, %s order relaxed cta : i64, !llvm.ptr<3>
  // CHECK: st.release.sys.global.b32 {{.*}}, %f
  hw.store %f, %h order release sys : f32, !llvm.ptr<1>
  // CHECK: atom.acq_rel.gpu.global.add.u32
  %0 = hw.atomic add %g, %i acq_rel gpu : !llvm.ptr<1>, i32
  // CHECK: atom.relaxed.gpu.global.add.u64
  %1 = hw.atomic add %g, %l relaxed gpu : !llvm.ptr<1>, i64
  // CHECK: atom.relaxed.cta.shared.add.f32
  %2 = hw.atomic add %s, %f relaxed cta : !llvm.ptr<3>, f32
  // CHECK: atom.acquire.gpu.global.max.s32
  %3 = hw.atomic max %g, %i acquire gpu : !llvm.ptr<1>, i32
  // CHECK: atom.release.gpu.global.min.s64
  %4 = hw.atomic min %g, %l release gpu : !llvm.ptr<1>, i64
  // CHECK: atom.relaxed.gpu.global.exch.b32
  %5 = hw.atomic exch %g, %f relaxed gpu : !llvm.ptr<1>, f32
  // CHECK: atom.acq_rel.sys.global.cas.b32 %r{{[0-9]+}}, [%rd{{[0-9]+}}], %r{{[0-9]+}}, %r{{[0-9]+}};
  %6 = hw.atomic cas %g, %i if %0 : i32 acq_rel sys : !llvm.ptr<1>, i32
  // CHECK: atom.relaxed.cta.shared.cas.b64
  %7 = hw.atomic cas %s, %l if %1 : i64 relaxed cta : !llvm.ptr<3>, i64
  %o = hw.shared_offset %s
  hw.store %o, %h : i32, !llvm.ptr<1>
  hw.return
}
