// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of ids, barriers, fences, shuffles and votes.
#include "bench/gpu/conformance/Case.h"

namespace fovea::gpu::conformance {

// Each lane votes the sign of its bits, or a condition on its number.
static void addVotes(std::vector<Case> &cases) {
  auto vote = [&](const char *name, const char *kind, const char *condition,
                  uint32_t expected) {
    bool ballot = std::string(kind) == "ballot";
    cases.push_back(warpCase(
        name,
        "%c0 = arith.constant 0 : i32\n%c31 = arith.constant 31 : i32\n"
        "%p = arith.cmpi " +
            std::string(condition) + " : i32\n" +
            (ballot ? "%r = hw.vote ballot %p : i32"
                    : "%q = hw.vote " + std::string(kind) +
                          " %p : i1\n%r = arith.extui %q : i1 to i32"),
        [=](const Words &, uint32_t) { return expected; }));
  };
  uint32_t signs = 0;
  Words in = warpInputs();
  for (uint32_t t = 0; t < 32; ++t)
    signs |= (in[64 + t] >> 31) << t;
  vote("vote_ballot", "ballot", "slt, %x, %c0", signs);
  vote("vote_any_of_one", "any", "eq, %t, %c31", 1);
  vote("vote_any_of_none", "any", "sgt, %t, %c31", 0);
  vote("vote_all_of_all", "all", "sle, %t, %c31", 1);
  vote("vote_all_but_one", "all", "slt, %t, %c31", 0);
}

static void addShuffles(std::vector<Case> &cases) {
  auto shuffle = [&](const char *kind, uint32_t lane,
                     const std::function<uint32_t(uint32_t)> &from) {
    cases.push_back(warpCase(
        "shuffle_" + std::string(kind) + "_" + std::to_string(lane),
        "%l = arith.constant " + std::to_string(lane) +
            " : i32\n%r = hw.shuffle " + kind + " %x, %l : i32",
        [=](const Words &in, uint32_t t) { return in[64 + from(t)]; }));
  };
  for (uint32_t by : {1u, 16u, 31u}) {
    shuffle("xor", by, [by](uint32_t t) { return t ^ by; });
    shuffle("idx", by, [by](uint32_t) { return by; });
    // A lane without a partner keeps its own.
    shuffle("up", by, [by](uint32_t t) { return t >= by ? t - by : t; });
    shuffle("down", by, [by](uint32_t t) { return t + by < 32 ? t + by : t; });
  }
  cases.push_back(
      warpCase("shuffle_idx_by_lane",
               "%c7 = arith.constant 7 : i32\n"
               "%m = arith.muli %t, %c7 : i32\n"
               "%c31 = arith.constant 31 : i32\n"
               "%l = arith.andi %m, %c31 : i32\n"
               "%q = hw.shuffle idx %f, %l : f32\n"
               "%r = arith.bitcast %q : f32 to i32",
               [](const Words &in, uint32_t t) { return in[7 * t % 32]; }));
}

// Two halves of a CTA of 64 threads: what one warp stores the other loads.
static Case halves(const std::string &name, const std::string &writer,
                   const std::string &reader) {
  Case made;
  made.name = name;
  made.text = kernel(
      "%c32 = arith.constant 32 : i32\n"
      "%first = arith.cmpi ult, %t, %c32 : i32\n"
      "%v = hw.load %i0 : !llvm.ptr<1> -> i32\n"
      "scf.if %first {\n" +
          atShared("%a", "%t") + "hw.store %v, %a : i32, !llvm.ptr<3>\n" +
          writer + "hw.store %v, %o : i32, !llvm.ptr<1>\n} else {\n" + reader +
          "%u = arith.subi %t, %c32 : i32\n" + atShared("%a", "%u") +
          "%r = hw.load %a : !llvm.ptr<3> -> i32\n"
          "hw.store %r, %o : i32, !llvm.ptr<1>\n}",
      64);
  for (uint32_t t = 0; t < 64; ++t)
    made.in.push_back(3 * t + 1);
  for (uint32_t t = 0; t < 64; ++t)
    made.expected.push_back(made.in[t % 32]);
  return made;
}

void addThreadCases(std::vector<Case> &cases) {
  cases.push_back(warpCase(
      "ids",
      "%c = hw.cta_id\n%n = hw.cta_count\n%a = arith.addi %t, %c : i32\n"
      "%r = arith.addi %a, %n : i32",
      [](const Words &, uint32_t t) { return t + 1; }));
  addShuffles(cases);
  addVotes(cases);
  cases.push_back(
      halves("barrier", "hw.barrier 0, 64\n", "hw.barrier 0, 64\n"));
  cases.push_back(halves("barrier_arrive", "hw.barrier_arrive 15, 64\n",
                         "hw.barrier 15, 64\n"));
  cases.push_back(warpCase(
      "warp_barrier",
      atShared("%a", "%t") +
          "hw.store %x, %a : i32, !llvm.ptr<3>\n"
          "hw.warp_barrier\n"
          "%c31 = arith.constant 31 : i32\n"
          "%u = arith.subi %c31, %t : i32\n" +
          atShared("%b", "%u") + "%r = hw.load %b : !llvm.ptr<3> -> i32",
      [](const Words &in, uint32_t t) { return in[64 + 31 - t]; }));
  // One lane publishes a value by a flag; all lanes of the other warp wait.
  for (const char *scope : {"cta", "gpu", "sys"}) {
    Case made;
    made.name = "fence_" + std::string(scope);
    made.text = kernel(
        R"(%c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c32 = arith.constant 32 : i32
  %flag = llvm.getelementptr %s[64] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
  %zero = arith.cmpi eq, %t, %c0 : i32
  scf.if %zero { hw.store %c0, %flag : i32, !llvm.ptr<3> }
  hw.barrier 0, 64
  %second = arith.cmpi uge, %t, %c32 : i32
  scf.if %zero {
    %v = hw.load %i0 : !llvm.ptr<1> -> i32
    hw.store %v, %s : i32, !llvm.ptr<3>
    hw.fence )" +
            std::string(scope) +
            R"(
    hw.store %c1, %flag order relaxed cta : i32, !llvm.ptr<3>
  }
  scf.if %second {
    scf.while : () -> () {
      %now = hw.load %flag order relaxed cta : !llvm.ptr<3> -> i32
      %unset = arith.cmpi eq, %now, %c0 : i32
      scf.condition(%unset)
    } do {
      scf.yield
    }
    hw.fence )" +
            scope +
            R"(
    %r = hw.load %s : !llvm.ptr<3> -> i32
    %to = llvm.getelementptr %o[-32] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
    hw.store %r, %to : i32, !llvm.ptr<1>
  })",
        64);
    made.in.assign(1, 42);
    made.expected.assign(32, 42);
    cases.push_back(made);
  }
  // Registers move between warpgroups; values stay.
  Case registers;
  registers.name = "set_max_registers";
  registers.hopper = true;
  registers.text =
      kernel("%c128 = arith.constant 128 : i32\n"
             "%v = hw.load %i0 : !llvm.ptr<1> -> i32\n"
             "%first = arith.cmpi ult, %t, %c128 : i32\n"
             "scf.if %first {\nhw.set_max_registers dec, 24\n"
             "hw.store %v, %o : i32, !llvm.ptr<1>\n} else {\n"
             "hw.set_max_registers inc, 240\n%w = arith.addi %v, %v : i32\n"
             "hw.store %w, %o : i32, !llvm.ptr<1>\n}",
             256, 0, false, ", min_ctas = 1 : i32");
  for (uint32_t t = 0; t < 256; ++t) {
    registers.in.push_back(t + 5);
    registers.expected.push_back(t < 128 ? t + 5 : 2 * (t + 5));
  }
  cases.push_back(registers);
}

} // namespace fovea::gpu::conformance
