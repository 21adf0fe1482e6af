// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: fovea-opt %s -hw-lower-to-nvvm=arch=sm_90a -verify-diagnostics
// RUN: not fovea-opt %s -hw-lower-to-nvvm=arch=sm_75 2>&1 | FileCheck %s
// Registers move only in a kernel of one CTA for each multiprocessor.
// CHECK: error: expected architecture to be sm_80 or sm_90a, got sm_75

hw.kernel @registers() attributes {threads = 128 : i32} {
  // expected-error@+1 {{expected a kernel with min_ctas = 1}}
  hw.set_max_registers inc, 240
  hw.return
}
