// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -hw-lower-to-nvvm=arch=sm_80 -split-input-file -verify-diagnostics
// An op that sm_80 lacks is refused by name.

hw.kernel @hopper(%g: !llvm.ptr<1>, %m: !llvm.ptr, %s: !llvm.ptr<3>, %i: i32,
                  %f: f32, %d: i64) attributes {threads = 128 : i32, min_ctas = 1 : i32} {
  // expected-error@+1 {{'hw.fence_async_proxy' op needs sm_90a, got sm_80}}
  hw.fence_async_proxy
  // expected-error@+1 {{'hw.fence_mbarrier_init' op needs sm_90a, got sm_80}}
  hw.fence_mbarrier_init
  // expected-error@+1 {{'hw.set_max_registers' op needs sm_90a, got sm_80}}
  hw.set_max_registers inc, 240
  // expected-error@+1 {{'hw.mbarrier_arrive_expect_tx' op needs sm_90a, got sm_80}}
  hw.mbarrier_arrive_expect_tx %s, %i
  // expected-error@+1 {{'hw.mbarrier_wait' op needs sm_90a, got sm_80}}
  hw.mbarrier_wait %s, %i
  // expected-error@+1 {{'hw.bulk_copy' op needs sm_90a, got sm_80}}
  hw.bulk_copy %s, %g, %i, %s
  // expected-error@+1 {{'hw.tma_load' op needs sm_90a, got sm_80}}
  hw.tma_load %s, %m[%i], %s
  // expected-error@+1 {{'hw.tma_store' op needs sm_90a, got sm_80}}
  hw.tma_store %m[%i], %s
  // expected-error@+1 {{'hw.bulk_commit' op needs sm_90a, got sm_80}}
  hw.bulk_commit
  // expected-error@+1 {{'hw.bulk_wait' op needs sm_90a, got sm_80}}
  hw.bulk_wait 0
  // expected-error@+1 {{'hw.stmatrix' op needs sm_90a, got sm_80}}
  hw.stmatrix %s(%i)
  // expected-error@+1 {{'hw.wgmma_fence' op needs sm_90a, got sm_80}}
  hw.wgmma_fence
  // expected-error@+1 {{'hw.wgmma_commit' op needs sm_90a, got sm_80}}
  hw.wgmma_commit
  // expected-error@+1 {{'hw.wgmma_wait' op needs sm_90a, got sm_80}}
  hw.wgmma_wait 0
  // expected-error@+1 {{'hw.wgmma' op needs sm_90a, got sm_80}}
  %0:4 = hw.wgmma bf16 n 8 (%d : i64), %d, (%f, %f, %f, %f) : f32, f32, f32, f32
  // expected-error@+1 {{'hw.pack_fp8' op needs sm_90a, got sm_80}}
  %1 = hw.pack_fp8 e4m3 %f, %f
  // expected-error@+1 {{'hw.unpack_fp8' op needs sm_90a, got sm_80}}
  %2 = hw.unpack_fp8 e4m3 %i
  hw.return
}

// -----

// sm_80 has less shared memory.
// expected-error@+1 {{expected shared_bytes to be at most 166912 on sm_80, got 166913}}
hw.kernel @shared() attributes {threads = 32 : i32, shared_bytes = 166913 : i32} {
  hw.return
}
