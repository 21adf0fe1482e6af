// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -hw-lower-to-nvvm | FileCheck %s
// The pass leaves functions of the llvm dialect.

// CHECK: llvm.mlir.global external @fovea_shared() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>
// CHECK-LABEL: llvm.func @k(
// CHECK-SAME: !llvm.ptr<1>, %{{.*}}: i32) attributes {nvvm.kernel, nvvm.maxntid = array<i32: 64, 1, 1>, nvvm.minctasm = 2 : i32}
hw.kernel @k(%g: !llvm.ptr<1>, %i: i32)
    attributes {threads = 64 : i32, min_ctas = 2 : i32, shared_bytes = 64 : i32} {
  // CHECK: llvm.mlir.addressof @fovea_shared : !llvm.ptr<3>
  %s = hw.shared_memory
  // CHECK: llvm.inline_asm has_side_effects "bar.sync 0, 64;", "~{memory}"
  hw.barrier 0, 64
  // CHECK: llvm.inline_asm has_side_effects "st.release.gpu.global.b32 [$0], $1;", "l,r,~{memory}"
  hw.store %i, %g order release gpu : i32, !llvm.ptr<1>
  // CHECK: llvm.inline_asm "dp4a.s32.s32 $0, $1, $2, $3;", "=r,r,r,r"
  %0 = hw.dp4a %i, %i, %i
  // CHECK: llvm.return
  hw.return
}

// Shared memory is one symbol for all kernels.
// CHECK-NOT: llvm.mlir.global
hw.kernel @again(%g: !llvm.ptr<1>) attributes {threads = 32 : i32} {
  %s = hw.shared_memory
  hw.return
}
