// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-ptx %s --arch=sm_80 | FileCheck %s
// Ids, barriers and exchanges inside a warp on sm_80.

// The size of a CTA and how many share a multiprocessor reach the assembler.
// CHECK: .version 7.4
// CHECK: .target sm_80
// CHECK-LABEL: .entry threads(
// CHECK: .maxntid 128, 1, 1
// CHECK: .minnctapersm 2
hw.kernel @threads(%out: !llvm.ptr<1>)
    attributes {threads = 128 : i32, min_ctas = 2 : i32} {
  // CHECK-DAG: %tid.x
  // CHECK-DAG: %ctaid.x
  // CHECK-DAG: %nctaid.x
  %t = hw.thread_id
  %c = hw.cta_id
  %n = hw.cta_count
  // CHECK: bar.sync 0, 128;
  hw.barrier 0, 128
  // CHECK: bar.arrive 15, 256;
  hw.barrier_arrive 15, 256
  // CHECK: bar.warp.sync 0xffffffff;
  hw.warp_barrier
  // CHECK: fence.acq_rel.cta;
  hw.fence cta
  // CHECK: fence.acq_rel.gpu;
  hw.fence gpu
  // CHECK: fence.acq_rel.sys;
  hw.fence sys
  %f = arith.bitcast %t : i32 to f32
  // CHECK: shfl.sync.bfly.b32 {{.*}}, %r{{[0-9]+}}, 31, -1;
  %s0 = hw.shuffle xor %t, %c : i32
  // CHECK: shfl.sync.idx.b32 {{.*}}, 31, -1;
  %s1 = hw.shuffle idx %f, %c : f32
  // CHECK: shfl.sync.up.b32 {{.*}}, 0, -1;
  %s2 = hw.shuffle up %t, %c : i32
  // CHECK: shfl.sync.down.b32 {{.*}}, 31, -1;
  %s3 = hw.shuffle down %t, %c : i32
  %p = arith.cmpi slt, %t, %n : i32
  // CHECK: vote.sync.any.pred
  %any = hw.vote any %p : i1
  // CHECK: vote.sync.all.pred
  %all = hw.vote all %p : i1
  // CHECK: vote.sync.ballot.b32
  %ballot = hw.vote ballot %p : i32
  %s1i = arith.bitcast %s1 : f32 to i32
  %x0 = arith.select %any, %s0, %s2 : i32
  %x1 = arith.select %all, %s1i, %s3 : i32
  %x2 = arith.addi %x0, %x1 : i32
  %x3 = arith.addi %x2, %ballot : i32
  hw.store %x3, %out : i32, !llvm.ptr<1>
  // CHECK: ret;
  hw.return
}

// A constant goes where a register is expected.
// CHECK-LABEL: .entry constants(
hw.kernel @constants(%out: !llvm.ptr<1>) attributes {threads = 32 : i32} {
  %c1 = arith.constant 1 : i32
  %c5 = arith.constant 5 : i32
  // CHECK: shfl.sync.bfly.b32
  %s = hw.shuffle xor %c5, %c1 : i32
  hw.store %s, %out : i32, !llvm.ptr<1>
  hw.return
}

// A function is inlined, and loops and branches are the kernel's own.
// CHECK-NOT: .func
// CHECK-LABEL: .entry control(
func.func private @least(%a: i32, %b: i32) -> i32 {
  %m = arith.minsi %a, %b : i32
  return %m : i32
}
hw.kernel @control(%out: !llvm.ptr<1>, %n: i32) attributes {threads = 32 : i32} {
  %zero = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  // CHECK: @%p{{[0-9]+}} bra
  // CHECK: bar.sync 1, 32;
  // CHECK: min.s32
  %sum = scf.for %i = %zero to %n step %one iter_args(%s = %zero) -> i32 : i32 {
    hw.barrier 1, 32
    %m = func.call @least(%i, %s) : (i32, i32) -> i32
    %next = arith.addi %m, %one : i32
    scf.yield %next : i32
  }
  hw.store %sum, %out : i32, !llvm.ptr<1>
  hw.return
}
