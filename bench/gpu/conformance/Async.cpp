// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of mbarriers and bulk copies.
#include "bench/gpu/conformance/Case.h"

namespace fovea::gpu::conformance {

// A CTA of 64 threads with an mbarrier at %b; %zero is 0, %first thread 0.
static Case withBarrier(const std::string &name, uint32_t arrivals,
                        const std::string &body) {
  Case made;
  made.name = name;
  made.hopper = true;
  made.text = kernel(
      "%b = llvm.getelementptr %s[8192] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8\n"
      "%zero = arith.constant 0 : i32\n%one = arith.constant 1 : i32\n"
      "%c32 = arith.constant 32 : i32\n"
      "%first = arith.cmpi eq, %t, %zero : i32\n"
      "scf.if %first {\nhw.mbarrier_init %b, " +
          std::to_string(arrivals) +
          "\nhw.fence_mbarrier_init\n}\nhw.barrier 0, 64\n" + body,
      64, 8200);
  return made;
}

// `parts` copies of one mbarrier's phase, each of `bytes`, by thread 0; all
// threads wait and write out what has come.
static Case bulkCopy(uint32_t bytes, uint32_t parts) {
  std::string size = std::to_string(bytes), issue;
  for (uint32_t i = 0; i < parts; ++i) {
    std::string k = std::to_string(i), offset = std::to_string(i * bytes);
    issue += "%s" + k + " = llvm.getelementptr %s[" + offset +
             "] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8\n%g" + k +
             " = llvm.getelementptr %in[" + offset +
             "] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8\nhw.bulk_copy %s" + k +
             ", %g" + k + ", %bytes, %b\n";
  }
  Case made = withBarrier(
      "bulk_copy_" + std::to_string(parts) + "x" + size, 1,
      "%bytes = arith.constant " + size + " : i32\n%all = arith.constant " +
          std::to_string(parts * bytes) +
          " : i32\nscf.if %first {\nhw.mbarrier_arrive_expect_tx %b, %all\n" +
          issue +
          "}\nhw.mbarrier_wait %b, %zero\n%step = arith.constant 64 : i32\n"
          "%words = arith.constant " +
          std::to_string(parts * bytes / 4) +
          " : i32\nscf.for %i = %t to %words step %step : i32 {\n" +
          atShared("%p", "%i") + atGlobal("%q", "%i", "%out") +
          "%v = hw.load %p : !llvm.ptr<3> -> i32\n"
          "hw.store %v, %q : i32, !llvm.ptr<1>\n}");
  for (uint32_t i = 0; i < parts * bytes / 4; ++i)
    made.in.push_back(0x9e3779b9u * (i + 1));
  made.expected = made.in;
  return made;
}

void addAsyncCases(std::vector<Case> &cases) {
  // 32 threads store and arrive, the others wait and load.
  Case one = withBarrier(
      "mbarrier_arrive_and_wait", 32,
      "%v = hw.load %i0 : !llvm.ptr<1> -> i32\n"
      "%writes = arith.cmpi ult, %t, %c32 : i32\nscf.if %writes {\n" +
          atShared("%p", "%t") +
          "hw.store %v, %p : i32, !llvm.ptr<3>\nhw.mbarrier_arrive %b\n"
          "} else {\nhw.mbarrier_wait %b, %zero\n"
          "%c63 = arith.constant 63 : i32\n%u = arith.subi %c63, %t : i32\n" +
          atShared("%p", "%u") +
          "%w = hw.load %p : !llvm.ptr<3> -> i32\n"
          "hw.store %w, %o : i32, !llvm.ptr<1>\n}");
  for (uint32_t t = 0; t < 64; ++t)
    one.in.push_back(7 * t + 1);
  one.expected.assign(32, untouched);
  for (uint32_t t = 32; t < 64; ++t)
    one.expected.push_back(one.in[63 - t]);
  cases.push_back(one);

  // A ring of one slot through eight phases: the second mbarrier, %e, gives
  // the slot back. Thread 32 sums what thread 0 puts there.
  Case ring = withBarrier(
      "mbarrier_phases", 1,
      R"(%e = llvm.getelementptr %s[4096] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
  scf.if %first {
    hw.mbarrier_init %e, 1
    hw.fence_mbarrier_init
  }
  hw.barrier 0, 64
  %c8 = arith.constant 8 : i32
  %second = arith.cmpi eq, %t, %c32 : i32
  scf.if %first {
    scf.for %i = %zero to %c8 step %one : i32 {
      %p = arith.andi %i, %one : i32
      %q = arith.xori %p, %one : i32
      hw.mbarrier_wait %e, %q
      )" + atGlobal("%from", "%i", "%in") +
          R"(%v = hw.load %from : !llvm.ptr<1> -> i32
      hw.store %v, %s : i32, !llvm.ptr<3>
      hw.mbarrier_arrive %b
    }
  }
  scf.if %second {
    %sum = scf.for %i = %zero to %c8 step %one iter_args(%n = %zero) -> i32 : i32 {
      %p = arith.andi %i, %one : i32
      hw.mbarrier_wait %b, %p
      %v = hw.load %s : !llvm.ptr<3> -> i32
      hw.mbarrier_arrive %e
      %c3 = arith.constant 3 : i32
      %m = arith.muli %n, %c3 : i32
      %next = arith.addi %m, %v : i32
      scf.yield %next : i32
    }
    hw.store %sum, %out : i32, !llvm.ptr<1>
  })");
  uint32_t sum = 0;
  for (uint32_t i = 0; i < 8; ++i) {
    ring.in.push_back(i * i + 1);
    sum = sum * 3 + ring.in.back();
  }
  ring.expected = {sum};
  cases.push_back(ring);

  cases.push_back(bulkCopy(16, 1));
  cases.push_back(bulkCopy(4096, 1));
  cases.push_back(bulkCopy(1040, 3));
}

} // namespace fovea::gpu::conformance
