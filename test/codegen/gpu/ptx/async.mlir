// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-ptx %s --arch=sm_80 | FileCheck %s
// Copies and mbarriers that sm_80 has.

// CHECK-LABEL: .entry copies(
hw.kernel @copies(%g: !llvm.ptr<1>, %n: i32)
    attributes {threads = 32 : i32, shared_bytes = 1024 : i32} {
  %s = hw.shared_memory
  // CHECK: cp.async.cg.shared.global [%r{{[0-9]+}}], [%rd{{[0-9]+}}], 16;
  hw.copy_async 16, %s, %g
  // CHECK: cp.async.ca.shared.global [%r{{[0-9]+}}], [%rd{{[0-9]+}}], 8;
  hw.copy_async 8, %s, %g
  // CHECK: cp.async.ca.shared.global [%r{{[0-9]+}}], [%rd{{[0-9]+}}], 4, %r{{[0-9]+}};
  hw.copy_async 4, %s, %g valid %n
  // CHECK: cp.async.commit_group;
  hw.copy_async_commit
  // CHECK: cp.async.wait_group 1;
  hw.copy_async_wait 1
  // CHECK: mbarrier.init.shared.b64 [%r{{[0-9]+}}], 128;
  hw.mbarrier_init %s, 128
  // CHECK: mbarrier.arrive.shared.b64 _, [%r{{[0-9]+}}];
  hw.mbarrier_arrive %s
  hw.return
}
