// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of loads, stores, atomics and cp.async.
#include "bench/gpu/conformance/Case.h"
#include "codegen/gpu/emulator/Numbers.h"

#include <cstring>

namespace fovea::gpu::conformance {

using emulator::bitsOf, emulator::floatOf;

// Every type goes from global through shared to global memory: `copy` stands
// behind the load's address, words is the size of a lane's part.
static void addCopy(std::vector<Case> &cases, const std::string &name,
                    const std::string &type, uint32_t bytes,
                    const std::string &load = "",
                    const std::string &sharedOrder = "",
                    const std::string &storeOrder = "") {
  Case made;
  made.name = name;
  auto at = [&](const char *result, const char *base, const char *space) {
    return std::string(result) + " = llvm.getelementptr " + base +
           "[%n] : (!llvm.ptr<" + space + ">, i32) -> !llvm.ptr<" + space +
           ">, i8\n";
  };
  made.text = kernel(
      "%size = arith.constant " + std::to_string(bytes) +
      " : i32\n%n = arith.muli %t, %size : i32\n" + at("%a", "%in", "1") +
      at("%b", "%s", "3") + at("%c", "%out", "1") + "%v = hw.load %a" + load +
      " : !llvm.ptr<1> -> " + type + "\nhw.store %v, %b" + storeOrder + " : " +
      type + ", !llvm.ptr<3>\nhw.warp_barrier\n%w = hw.load %b" + sharedOrder +
      " : !llvm.ptr<3> -> " + type + "\nhw.store %w, %c" + storeOrder + " : " +
      type + ", !llvm.ptr<1>");
  for (uint32_t i = 0; i < 32 * bytes / 4; ++i)
    made.in.push_back(0x9e3779b9u * (i + 1));
  made.expected = made.in;
  cases.push_back(made);
}

static void addLoads(std::vector<Case> &cases) {
  struct {
    const char *name, *type;
    uint32_t bytes;
  } types[] = {{"i8", "i8", 1},
               {"i16", "i16", 2},
               {"f16", "f16", 2},
               {"bf16", "bf16", 2},
               {"i32", "i32", 4},
               {"f32", "f32", 4},
               {"i64", "i64", 8},
               {"i32x2", "vector<2xi32>", 8},
               {"f32x2", "vector<2xf32>", 8},
               {"i32x4", "vector<4xi32>", 16},
               {"f32x4", "vector<4xf32>", 16}};
  for (auto &one : types)
    addCopy(cases, std::string("copy_") + one.name, one.type, one.bytes);
  for (auto &one : types)
    for (const char *cache : {"nc", "evict_first"})
      if (std::string(one.name) == "i32x4" || std::string(one.name) == "bf16")
        addCopy(cases, std::string("load_") + cache + "_" + one.name, one.type,
                one.bytes, std::string(" cache ") + cache);
  for (const char *scope : {"cta", "gpu", "sys"}) {
    std::string s = scope;
    addCopy(cases, "ordered_i32_" + s, "i32", 4, " order acquire " + s,
            " order relaxed " + s, " order release " + s);
    addCopy(cases, "ordered_i64_" + s, "i64", 8, " order relaxed " + s,
            " order acquire " + s, " order relaxed " + s);
  }
  cases.push_back(warpCase(
      "prefetch_l2", "hw.prefetch_l2 %in\n%r = arith.addi %x, %t : i32",
      [](const Words &in, uint32_t t) { return in[64 + t] + t; }));
}

// 32 lanes change one word of out; the first input is its start, given as the
// first operand of the kernel. The old values differ from run to run, so that
// only the last one counts; exch and cas are chosen so that it does not either.
static void addAtomic(std::vector<Case> &cases, const std::string &kind,
                      const std::string &type, const std::string &order,
                      const std::string &scope, bool shared,
                      const std::string &value, const std::string &compare,
                      uint64_t start, uint64_t expected) {
  bool wide = type == "i64";
  std::string place = shared ? "%s" : "%out";
  std::string space = shared ? "!llvm.ptr<3>" : "!llvm.ptr<1>";
  Case made;
  made.name = "atomic_" + kind + "_" + type + "_" + order + "_" + scope +
              (shared ? "_shared" : "_global");
  std::string end = shared ? "%q = hw.load %s order relaxed cta : "
                             "!llvm.ptr<3> -> " +
                                 type + "\nhw.store %q, %out : " + type +
                                 ", !llvm.ptr<1>\n"
                           : "";
  made.text = kernel(
      "%c0 = arith.constant 0 : i32\n%first = arith.cmpi eq, %t, %c0 : i32\n"
      "%wide = arith.extui %t : i32 to i64\n"
      "%float = arith.sitofp %t : i32 to f32\n"
      "%start = hw.load %in : !llvm.ptr<1> -> " +
      type + "\nscf.if %first { hw.store %start, " + place + " : " + type +
      ", " + space + " }\nhw.barrier 0, 32\n" + value + compare +
      "%old = hw.atomic " + kind + " " + place + ", %value " +
      (compare.empty() ? "" : "if %compare : " + type + " ") + order + " " +
      scope + " : " + space + ", " + type + "\nhw.barrier 0, 32\n" +
      "scf.if %first {\n" + end + "}");
  made.in = {uint32_t(start), uint32_t(start >> 32)};
  made.expected = {uint32_t(expected)};
  if (wide)
    made.expected.push_back(uint32_t(expected >> 32));
  cases.push_back(made);
}

static void addAtomics(std::vector<Case> &cases) {
  // Signed: the lanes offer t - 16.
  std::string lane = "%c16 = arith.constant 16 : i32\n"
                     "%value = arith.subi %t, %c16 : i32\n";
  std::string wideLane = "%c16 = arith.constant 16 : i64\n"
                         "%value = arith.subi %wide, %c16 : i64\n";
  std::string same = "%value = arith.constant 77 : i32\n";
  uint64_t big = 0xfffffffff0ull;
  for (bool shared : {false, true}) {
    const char *scope = shared ? "cta" : "gpu";
    addAtomic(cases, "add", "i32", "acq_rel", scope, shared, lane, "",
              uint32_t(-100), uint32_t(-116));
    addAtomic(cases, "add", "i64", "relaxed", scope, shared,
              "%value = arith.addi %wide, %wide : i64\n", "", big, big + 992);
    addAtomic(cases, "add", "f32", "relaxed", scope, shared,
              "%value = arith.addf %float, %float : f32\n", "", bitsOf(0.5f),
              bitsOf(992.5f));
    addAtomic(cases, "max", "i32", "acquire", scope, shared, lane, "",
              uint32_t(-3), 15);
    addAtomic(cases, "min", "i32", "release", scope, shared, lane, "", 3,
              uint32_t(-16));
    addAtomic(cases, "max", "i64", "relaxed", scope, shared, wideLane, "",
              ~uint64_t(0), 15);
    addAtomic(cases, "min", "i64", "acq_rel", scope, shared, wideLane, "", big,
              uint64_t(-16));
    addAtomic(cases, "exch", "i32", "acq_rel", scope, shared, same, "", 1, 77);
    addAtomic(cases, "exch", "f32", "relaxed", scope, shared,
              "%value = arith.constant 2.5 : f32\n", "", 0, bitsOf(2.5f));
    // The one that finds 5 makes it 77; nobody finds the 5 again.
    addAtomic(cases, "cas", "i32", "acq_rel", scope, shared, same,
              "%compare = arith.constant 5 : i32\n", 5, 77);
    addAtomic(cases, "cas", "i64", "relaxed", scope, shared,
              "%value = arith.constant 77 : i64\n",
              "%compare = arith.constant 6 : i64\n", 5, 5);
  }
  addAtomic(cases, "add", "i32", "relaxed", "sys", false, lane, "", 16, 0);
  // What it gives: every lane draws another ticket.
  cases.push_back(warpCase(
      "atomic_add_gives_the_old",
      "%c0 = arith.constant 0 : i32\n%c1 = arith.constant 1 : i32\n"
      "%first = arith.cmpi eq, %t, %c0 : i32\n"
      "scf.if %first { hw.store %c0, %s : i32, !llvm.ptr<3> }\n"
      "hw.warp_barrier\n"
      "%old = hw.atomic add %s, %c1 relaxed cta : !llvm.ptr<3>, i32\n"
      "%bit = arith.shli %c1, %old : i32\n"
      "%word = llvm.getelementptr %s[8] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i32\n"
      "scf.if %first { hw.store %c0, %word : i32, !llvm.ptr<3> }\n"
      "hw.warp_barrier\n"
      "%was = hw.atomic add %word, %bit relaxed cta : !llvm.ptr<3>, i32\n"
      "hw.warp_barrier\n"
      "%r = hw.load %word order relaxed cta : !llvm.ptr<3> -> i32",
      [](const Words &, uint32_t) { return ~0u; }));
}

static void addCopies(std::vector<Case> &cases) {
  for (uint32_t bytes : {4u, 8u, 16u})
    for (uint32_t valid : {bytes, bytes - 3, 0u}) {
      uint32_t words = bytes / 4;
      Case made;
      made.name = "copy_async_" + std::to_string(bytes) + "_valid_" +
                  std::to_string(valid);
      made.text =
          kernel("%size = arith.constant " + std::to_string(words) +
                 " : i32\n%n = arith.muli %t, %size : i32\n" +
                 atGlobal("%a", "%n", "%in") + atShared("%b", "%n") +
                 "%valid = arith.constant " + std::to_string(valid) +
                 " : i32\nhw.copy_async " + std::to_string(bytes) + ", %b, %a" +
                 (valid < bytes ? " valid %valid" : "") +
                 "\nhw.copy_async_commit\nhw.copy_async_wait 0\n"
                 "%c0 = arith.constant 0 : i32\n%c1 = arith.constant 1 : i32\n"
                 "scf.for %i = %c0 to %size step %c1 : i32 {\n"
                 "%m = arith.addi %n, %i : i32\n" +
                 atShared("%c", "%m") + atGlobal("%d", "%m", "%out") +
                 "%v = hw.load %c : !llvm.ptr<3> -> i32\n"
                 "hw.store %v, %d : i32, !llvm.ptr<1>\n}");
      for (uint32_t i = 0; i < 32 * words; ++i)
        made.in.push_back(0x9e3779b9u * (i + 7));
      made.expected = made.in;
      for (uint32_t t = 0; t < 32; ++t)
        memset(reinterpret_cast<char *>(made.expected.data()) + t * bytes +
                   valid,
               0, bytes - valid);
      cases.push_back(made);
    }
  // Of two groups the older one has arrived.
  cases.push_back(warpCase(
      "copy_async_two_groups",
      atShared("%a", "%t") + "%b = llvm.getelementptr %a[32] : "
                             "(!llvm.ptr<3>) -> !llvm.ptr<3>, i32\n"
                             "hw.copy_async 4, %a, %i2\n"
                             "hw.copy_async_commit\n"
                             "hw.copy_async 4, %b, %i1\n"
                             "hw.copy_async_commit\n"
                             "hw.copy_async_wait 1\n"
                             "%p = hw.load %a : !llvm.ptr<3> -> i32\n"
                             "hw.copy_async_wait 0\n"
                             "%q = hw.load %b : !llvm.ptr<3> -> i32\n"
                             "%r = arith.xori %p, %q : i32",
      [](const Words &in, uint32_t t) { return in[64 + t] ^ in[32 + t]; }));
}

void addMemoryCases(std::vector<Case> &cases) {
  cases.push_back(warpCase(
      "shared_offset",
      "%p = llvm.getelementptr %s[48] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8\n"
      "%a = hw.shared_offset %s\n%b = hw.shared_offset %p\n"
      "%d = arith.subi %b, %a : i32\n%c1023 = arith.constant 1023 : i32\n"
      "%m = arith.andi %a, %c1023 : i32\n%r = arith.addi %d, %m : i32",
      [](const Words &, uint32_t) { return 48u; }));
  addLoads(cases);
  addAtomics(cases);
  addCopies(cases);
}

} // namespace fovea::gpu::conformance
