// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s | fovea-opt | FileCheck %s
// RUN: fovea-opt %s --mlir-print-op-generic | fovea-opt | FileCheck %s
// Every op of the hw dialect is printed as it is read.

// CHECK-LABEL: hw.kernel @threads(
// CHECK-SAME: %{{.*}}: !llvm.ptr<1>, %{{.*}}: i64) attributes {min_ctas = 1 : i32, shared_bytes = 1024 : i32, threads = 128 : i32}
hw.kernel @threads(%args: !llvm.ptr<1>, %begin: i64)
    attributes {threads = 128 : i32, shared_bytes = 1024 : i32, min_ctas = 1 : i32} {
  // CHECK: %[[T:[a-z0-9]+]] = hw.thread_id
  %t = hw.thread_id
  // CHECK: hw.cta_id
  %c = hw.cta_id
  // CHECK: hw.cta_count
  %n = hw.cta_count
  // CHECK: hw.barrier 0, 128
  hw.barrier 0, 128
  // CHECK: hw.barrier_arrive 15, 256
  hw.barrier_arrive 15, 256
  // CHECK: hw.warp_barrier
  hw.warp_barrier
  // CHECK: hw.fence gpu
  hw.fence gpu
  // CHECK: hw.fence_async_proxy
  hw.fence_async_proxy
  // CHECK: hw.fence_mbarrier_init
  hw.fence_mbarrier_init
  // CHECK: hw.set_max_registers inc, 240
  hw.set_max_registers inc, 240
  // CHECK: hw.shuffle xor %[[T]], %[[T]] : i32
  %s = hw.shuffle xor %t, %t : i32
  // CHECK: hw.shuffle down
  %d = hw.shuffle down %t, %t : i32
  // CHECK: %[[P:[a-z0-9]+]] = arith.cmpi
  %p = arith.cmpi eq, %t, %c : i32
  // CHECK: hw.vote any %[[P]] : i1
  %any = hw.vote any %p : i1
  // CHECK: hw.vote ballot %[[P]] : i32
  %ballot = hw.vote ballot %p : i32
  // CHECK: hw.return
  hw.return
}

// CHECK-LABEL: hw.kernel @memory(
// CHECK-SAME: %[[G:[a-z0-9]+]]: !llvm.ptr<1>
hw.kernel @memory(%g: !llvm.ptr<1>) attributes {threads = 32 : i32} {
  // CHECK: %[[S:[a-z0-9]+]] = hw.shared_memory
  %s = hw.shared_memory
  // CHECK: hw.shared_offset %[[S]]
  %o = hw.shared_offset %s
  // CHECK: %[[V:[a-z0-9]+]] = hw.load %[[G]] : !llvm.ptr<1> -> vector<4xi32>
  %v = hw.load %g : !llvm.ptr<1> -> vector<4xi32>
  // CHECK: hw.load %[[G]] cache nc : !llvm.ptr<1> -> bf16
  %b = hw.load %g cache nc : !llvm.ptr<1> -> bf16
  // CHECK: hw.load %[[G]] cache evict_first : !llvm.ptr<1> -> vector<2xf32>
  %f = hw.load %g cache evict_first : !llvm.ptr<1> -> vector<2xf32>
  // CHECK: %[[I:[a-z0-9]+]] = hw.load %[[S]] order acquire cta : !llvm.ptr<3> -> i32
  %i = hw.load %s order acquire cta : !llvm.ptr<3> -> i32
  // CHECK: hw.store %[[V]], %[[S]] : vector<4xi32>, !llvm.ptr<3>
  hw.store %v, %s : vector<4xi32>, !llvm.ptr<3>
  // CHECK: hw.store %[[I]], %[[G]] order release gpu : i32, !llvm.ptr<1>
  hw.store %i, %g order release gpu : i32, !llvm.ptr<1>
  // CHECK: hw.atomic add %[[G]], %[[I]] acq_rel gpu : !llvm.ptr<1>, i32
  %a = hw.atomic add %g, %i acq_rel gpu : !llvm.ptr<1>, i32
  // CHECK: hw.atomic cas %[[S]], %[[I]] if %[[I]] : i32 relaxed cta : !llvm.ptr<3>, i32
  %c = hw.atomic cas %s, %i if %i : i32 relaxed cta : !llvm.ptr<3>, i32
  // CHECK: hw.prefetch_l2 %[[G]]
  hw.prefetch_l2 %g
  hw.return
}

// CHECK-LABEL: hw.kernel @async(
// CHECK-SAME: %[[G:[a-z0-9]+]]: !llvm.ptr<1>, %[[M:[a-z0-9]+]]: !llvm.ptr, %[[N:[a-z0-9]+]]: i32
hw.kernel @async(%g: !llvm.ptr<1>, %map: !llvm.ptr, %n: i32)
    attributes {threads = 32 : i32} {
  // CHECK: %[[S:[a-z0-9]+]] = hw.shared_memory
  %s = hw.shared_memory
  // CHECK: hw.copy_async 16, %[[S]], %[[G]]
  hw.copy_async 16, %s, %g
  // CHECK: hw.copy_async 8, %[[S]], %[[G]] valid %[[N]]
  hw.copy_async 8, %s, %g valid %n
  // CHECK: hw.copy_async_commit
  hw.copy_async_commit
  // CHECK: hw.copy_async_wait 1
  hw.copy_async_wait 1
  // CHECK: hw.mbarrier_init %[[S]], 128
  hw.mbarrier_init %s, 128
  // CHECK: hw.mbarrier_arrive %[[S]]
  hw.mbarrier_arrive %s
  // CHECK: hw.mbarrier_arrive_expect_tx %[[S]], %[[N]]
  hw.mbarrier_arrive_expect_tx %s, %n
  // CHECK: hw.mbarrier_wait %[[S]], %[[N]]
  hw.mbarrier_wait %s, %n
  // CHECK: hw.bulk_copy %[[S]], %[[G]], %[[N]], %[[S]]
  hw.bulk_copy %s, %g, %n, %s
  // CHECK: hw.tma_load %[[S]], %[[M]][%[[N]], %[[N]]], %[[S]]
  hw.tma_load %s, %map[%n, %n], %s
  // CHECK: hw.tma_store %[[M]][%[[N]]], %[[S]]
  hw.tma_store %map[%n], %s
  // CHECK: hw.bulk_commit
  hw.bulk_commit
  // CHECK: hw.bulk_wait 0 read
  hw.bulk_wait 0 read
  hw.return
}

// CHECK-LABEL: hw.kernel @matrix(
// CHECK-SAME: %[[B:[a-z0-9]+]]: i64, %[[F:[a-z0-9]+]]: f32, %[[I:[a-z0-9]+]]: i32
hw.kernel @matrix(%b: i64, %f: f32, %i: i32) attributes {threads = 128 : i32} {
  // CHECK: %[[S:[a-z0-9]+]] = hw.shared_memory
  %s = hw.shared_memory
  // CHECK: %[[R:[a-z0-9]+]]:4 = hw.ldmatrix %[[S]] trans : i32, i32, i32, i32
  %r:4 = hw.ldmatrix %s trans : i32, i32, i32, i32
  // CHECK: hw.stmatrix %[[S]](%[[R]]#0, %[[R]]#1) trans
  hw.stmatrix %s(%r#0, %r#1) trans
  // CHECK: hw.mma bf16(%[[R]]#0, %[[R]]#1, %[[R]]#2, %[[R]]#3), (%[[R]]#0, %[[R]]#1), (%[[F]], %[[F]], %[[F]], %[[F]]) : f32, f32, f32, f32
  %d:4 = hw.mma bf16(%r#0, %r#1, %r#2, %r#3), (%r#0, %r#1), (%f, %f, %f, %f) : f32, f32, f32, f32
  // CHECK: hw.mma s4
  %e:4 = hw.mma s4(%r#0, %r#1, %r#2, %r#3), (%r#0, %r#1), (%i, %i, %i, %i) : i32, i32, i32, i32
  // CHECK: hw.wgmma_fence
  hw.wgmma_fence
  // CHECK: hw.wgmma_fence(%[[F]], %[[I]]) : f32, i32
  %fenced:2 = hw.wgmma_fence(%f, %i) : f32, i32
  // CHECK: %[[W:[a-z0-9]+]]:4 = hw.wgmma f16 n 8 trans_b zero(%[[B]] : i64), %[[B]], (%[[F]], %[[F]], %[[F]], %[[F]]) : f32, f32, f32, f32
  %w:4 = hw.wgmma f16 n 8 trans_b zero(%b : i64), %b, (%f, %f, %f, %f) : f32, f32, f32, f32
  // CHECK: hw.wgmma bf16 n 8(%[[I]], %[[I]], %[[I]], %[[I]] : i32, i32, i32, i32), %[[B]], (%[[W]]#0, %[[W]]#1, %[[W]]#2, %[[W]]#3)
  %x:4 = hw.wgmma bf16 n 8(%i, %i, %i, %i : i32, i32, i32, i32), %b, (%w#0, %w#1, %w#2, %w#3) : f32, f32, f32, f32
  // CHECK: hw.wgmma_commit
  hw.wgmma_commit
  // CHECK: hw.wgmma_wait 0(%{{.*}}#0, %{{.*}}#1) : f32, f32
  %y:2 = hw.wgmma_wait 0(%x#0, %x#1) : f32, f32
  // CHECK: hw.wgmma_wait 1
  hw.wgmma_wait 1
  hw.return
}

// CHECK-LABEL: hw.kernel @math(
// CHECK-SAME: %[[F:[a-z0-9]+]]: f32, %[[I:[a-z0-9]+]]: i32
hw.kernel @math(%f: f32, %i: i32) attributes {threads = 32 : i32} {
  // CHECK: hw.exp2 %[[F]]
  %0 = hw.exp2 %f
  // CHECK: hw.log2 %[[F]]
  %1 = hw.log2 %f
  // CHECK: hw.rcp %[[F]]
  %2 = hw.rcp %f
  // CHECK: hw.tanh %[[F]]
  %3 = hw.tanh %f
  // CHECK: hw.pack bf16 %[[F]], %[[F]]
  %4 = hw.pack bf16 %f, %f
  // CHECK: hw.unpack f16 %[[I]]
  %5, %6 = hw.unpack f16 %i
  // CHECK: hw.pack_fp8 e4m3 %[[F]], %[[F]]
  %7 = hw.pack_fp8 e4m3 %f, %f
  // CHECK: hw.unpack_fp8 e5m2 %[[I]]
  %8 = hw.unpack_fp8 e5m2 %i
  // CHECK: hw.byte_permute %[[I]], %[[I]], %[[I]]
  %9 = hw.byte_permute %i, %i, %i
  // CHECK: hw.lop3 234, %[[I]], %[[I]], %[[I]]
  %10 = hw.lop3 234, %i, %i, %i
  // CHECK: hw.dp4a %[[I]], %[[I]], %[[I]]
  %11 = hw.dp4a %i, %i, %i
  hw.return
}
