// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-ptx %s --arch=sm_90a | FileCheck %s
// Copies, mbarriers and fences of sm_90a.

// CHECK: .version 8.5
// CHECK: .target sm_90a
// CHECK-LABEL: .entry hopper(
hw.kernel @hopper(%g: !llvm.ptr<1>, %map: !llvm.ptr, %n: i32)
    attributes {threads = 384 : i32, shared_bytes = 232448 : i32,
                min_ctas = 1 : i32} {
  %s = hw.shared_memory
  // A constant coordinate is as good as a register.
  %zero = arith.constant 0 : i32
  // CHECK: fence.mbarrier_init.release.cluster;
  hw.fence_mbarrier_init
  // CHECK: fence.proxy.async.shared::cta;
  hw.fence_async_proxy
  // CHECK: setmaxnreg.dec.sync.aligned.u32 24;
  hw.set_max_registers dec, 24
  // CHECK: mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r{{[0-9]+}}], %r{{[0-9]+}};
  hw.mbarrier_arrive_expect_tx %s, %n
  // CHECK: again:
  // CHECK-NEXT: mbarrier.try_wait.parity.shared::cta.b64 done, [%r{{[0-9]+}}], %r{{[0-9]+}};
  // CHECK-NEXT: @!done bra again;
  hw.mbarrier_wait %s, %n
  // CHECK: again:
  hw.mbarrier_wait %s, %zero
  // CHECK: cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r{{[0-9]+}}], [%rd{{[0-9]+}}], %r{{[0-9]+}}, [%r{{[0-9]+}}];
  hw.bulk_copy %s, %g, %n, %s
  // CHECK: cp.async.bulk.tensor.1d.shared::cluster.global.mbarrier::complete_tx::bytes [%r{{[0-9]+}}], [%rd{{[0-9]+}}, {%r{{[0-9]+}}}], [%r{{[0-9]+}}];
  hw.tma_load %s, %map[%n], %s
  // CHECK: cp.async.bulk.tensor.2d.shared::cluster
  hw.tma_load %s, %map[%n, %zero], %s
  // CHECK: cp.async.bulk.tensor.5d.shared::cluster
  hw.tma_load %s, %map[%n, %n, %n, %n, %n], %s
  // CHECK: cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%rd{{[0-9]+}}, {%r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}}], [%r{{[0-9]+}}];
  hw.tma_store %map[%n, %zero, %n], %s
  // CHECK: cp.async.bulk.commit_group;
  hw.bulk_commit
  // CHECK: cp.async.bulk.wait_group.read 1;
  hw.bulk_wait 1 read
  // CHECK: cp.async.bulk.wait_group 0;
  hw.bulk_wait 0
  hw.return
}
