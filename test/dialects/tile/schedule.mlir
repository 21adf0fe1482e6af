// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Schedules with and without a matrix unit and a tuning table's entry.
// RUN: fovea-opt %s | FileCheck %s
// CHECK: max_rows = -1, prefetch = 0>
// CHECK: prefetch = 0 matrix = true>
// CHECK: prefetch = 0, tuned = "entry">
// CHECK: prefetch = 0 matrix = true, tuned = "entry">
module attributes {
  test.a = #tile.schedule<"prefill", lanes = 32, reg = 12, keys = 96, rows = 64, max_rows = -1, prefetch = 0>,
  test.b = #tile.schedule<"prefill", lanes = 32, reg = 32, keys = 96, rows = 64, max_rows = -1, prefetch = 0 matrix = true>,
  test.c = #tile.schedule<"prefill", lanes = 32, reg = 12, keys = 96, rows = 64, max_rows = -1, prefetch = 0, tuned = "entry">,
  test.d = #tile.schedule<"prefill", lanes = 32, reg = 32, keys = 96, rows = 64, max_rows = -1, prefetch = 0 matrix = true, tuned = "entry">
} {}
