// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -hw-lower-to-nvvm=arch=sm_90a -allow-unregistered-dialect -split-input-file -verify-diagnostics
// An op that a kernel cannot have is refused where it stands, with what to use.

hw.kernel @approximation(%f: f32, %h: !llvm.ptr<1>) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected ops that a GPU kernel can have, got 'math.acosh': use hw.exp2, hw.log2, hw.rcp, hw.tanh or a polynomial}}
  %0 = math.acosh %f : f32
  hw.store %0, %h : f32, !llvm.ptr<1>
  hw.return
}

// -----

hw.kernel @unknown(%h: !llvm.ptr<1>) attributes {threads = 32 : i32} {
  // expected-error@+1 {{expected ops that a GPU kernel can have, got 'test.unknown': use ops of hw, arith, scf, cf, func and llvm}}
  %0 = "test.unknown"() : () -> i32
  hw.store %0, %h : i32, !llvm.ptr<1>
  hw.return
}
