// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// REQUIRES: ptxas
// RUN: not fovea-ptx %s --arch=sm_90a --resources 2>&1 | FileCheck %s
// An accumulator that is read before the wait: ptxas would serialise the
// product, and that is an error.
// CHECK: error: expected wgmma and setmaxnreg as they were written, ptxas changed them: {{.*}}(C75
hw.kernel @late(%g: !llvm.ptr<1>, %d: i64) attributes {threads = 128 : i32} {
  %zero = arith.constant 0.0 : f32
  hw.wgmma_fence
  %a:4 = hw.wgmma bf16 n 8 zero (%d : i64), %d, (%zero, %zero, %zero, %zero) : f32, f32, f32, f32
  // Read before the wait.
  %m = arith.mulf %a#0, %a#1 : f32
  hw.store %m, %g : f32, !llvm.ptr<1>
  hw.wgmma_commit
  hw.wgmma_wait 0
  hw.return
}
