// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s --hw-lower-to-emulator | FileCheck %s
// Every op has a call: the dialect's own examples are lowered.
// RUN: fovea-opt %S/../../../dialects/hw/ops.mlir --hw-lower-to-emulator | FileCheck %s --check-prefix=ALL
// ALL-NOT: hw.

// The thread's body reads the kernel's arguments behind the table; the kernel's
// own function launches it with its sizes.
// CHECK-LABEL: llvm.func internal @scale.body(
// CHECK-SAME: %[[UNIT:.*]]: !llvm.ptr, %[[ENV:.*]]: !llvm.ptr)
// CHECK: llvm.getelementptr %[[ENV]][0, 1]
// CHECK: llvm.call %{{.*}}(%[[UNIT]]) : !llvm.ptr, (!llvm.ptr) -> i32
// CHECK: llvm.return
// CHECK-LABEL: llvm.func @scale(
// CHECK-SAME: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr<1>) -> i32
// CHECK-DAG: llvm.mlir.addressof @scale.name
// CHECK-DAG: llvm.mlir.addressof @scale.body
// CHECK-DAG: llvm.mlir.constant(64 : i32)
// CHECK-DAG: llvm.mlir.constant(256 : i32)
hw.kernel @scale(%data: !llvm.ptr<1>)
    attributes {threads = 64 : i32, shared_bytes = 256 : i32} {
  %t = hw.thread_id
  %p = llvm.getelementptr %data[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %x = hw.load %p : !llvm.ptr<1> -> f32
  %y = arith.addf %x, %x : f32
  hw.store %y, %p : f32, !llvm.ptr<1>
  hw.return
}
