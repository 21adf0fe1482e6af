// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One kernel for each instruction of the hw dialect, against a plain formula.
#include "test/unit/codegen/gpu/emulator/lowering/Conformance.h"
#include "codegen/gpu/emulator/Emulator.h"
#include "codegen/gpu/emulator/Numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

using namespace fovea::gpu;
using fovea::emulator::bitsOf, fovea::emulator::floatOf;

namespace {
struct Case {
  const char *name, *body;
  /// The result of lane t; `in` has three inputs per lane.
  std::function<uint32_t(const std::vector<uint32_t> &in, uint32_t t)> expected;
};
} // namespace

using In = const std::vector<uint32_t> &;

// Floats from 1 to 4.875 in the first two inputs, bits in the third.
static std::vector<uint32_t> inputs() {
  std::vector<uint32_t> in(96);
  for (uint32_t t = 0; t < 32; ++t) {
    in[t] = bitsOf(1 + t * 0.125f);
    in[t + 32] = bitsOf(4.875f - t * 0.125f);
    in[t + 64] = 0x9e3779b9u * (t + 1);
  }
  return in;
}

static const std::vector<Case> &cases() {
  static const auto &call = *fovea_emulator_get();
  static const std::vector<Case> list = {
      {"thread_id, cta_id, cta_count",
       "%c = hw.cta_id\n %n = hw.cta_count\n %a = arith.addi %t, %c : i32\n"
       "%r = arith.addi %a, %n : i32",
       [](In, uint32_t t) { return t + 1; }},
      {"shared_offset", "%r = hw.shared_offset %s",
       [](In, uint32_t) { return 1024u; }},
      {"shuffle xor",
       "%l = arith.constant 3 : i32\n"
       "%r = hw.shuffle xor %v, %l : i32",
       [](In in, uint32_t t) { return in[t ^ 3]; }},
      {"shuffle down of f32",
       "%l = arith.constant 4 : i32\n %q = hw.shuffle down %f, %l : f32\n"
       "%r = arith.bitcast %q : f32 to i32",
       [](In in, uint32_t t) { return in[t < 28 ? t + 4 : t]; }},
      {"vote ballot",
       "%z = arith.constant 0 : i32\n %p = arith.cmpi slt, %x, %z : i32\n"
       "%r = hw.vote ballot %p : i32",
       [](In in, uint32_t) {
         uint32_t bits = 0;
         for (int i = 0; i < 32; ++i)
           bits |= (in[64 + i] >> 31) << i;
         return bits;
       }},
      {"vote all",
       "%z = arith.constant 32 : i32\n %p = arith.cmpi slt, %t, %z : i32\n"
       "%q = hw.vote all %p : i1\n %r = arith.extui %q : i1 to i32",
       [](In, uint32_t) { return 1u; }},
      {"store, barrier, load of shared memory",
       "%a = llvm.getelementptr %s[%t] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, "
       "i32\n hw.store %v, %a : i32, !llvm.ptr<3>\n hw.barrier 0, 32\n"
       "%c31 = arith.constant 31 : i32\n %u = arith.subi %c31, %t : i32\n"
       "%b = llvm.getelementptr %s[%u] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, "
       "i32\n %r = hw.load %b : !llvm.ptr<3> -> i32",
       [](In in, uint32_t t) { return in[31 - t]; }},
      {"vector load of global memory in a branch",
       "%c7 = arith.constant 7 : i32\n %q = arith.andi %t, %c7 : i32\n"
       "%p = llvm.getelementptr %in[%q] : (!llvm.ptr<1>, i32) -> "
       "!llvm.ptr<1>, vector<4xi32>\n"
       "%y = hw.load %p cache nc : !llvm.ptr<1> -> vector<4xi32>\n"
       "%one = llvm.mlir.constant(1 : i32) : i32\n"
       "%e = llvm.extractelement %y[%one : i32] : vector<4xi32>\n"
       "%k = arith.cmpi ult, %t, %c7 : i32\n"
       "%r = scf.if %k -> i32 { scf.yield %e : i32 } else "
       "{ scf.yield %v : i32 }",
       [](In in, uint32_t t) { return t < 7 ? in[4 * t + 1] : in[t]; }},
      {"atomic add",
       "%z = arith.constant 0 : i32\n %c1 = arith.constant 5 : i32\n"
       "%l = arith.cmpi eq, %t, %z : i32\n"
       "scf.if %l { hw.store %z, %s : i32, !llvm.ptr<3> }\n hw.warp_barrier\n"
       "%old = hw.atomic add %s, %c1 relaxed cta : !llvm.ptr<3>, i32\n"
       "hw.fence cta\n hw.warp_barrier\n"
       "%r = hw.load %s order acquire cta : !llvm.ptr<3> -> i32",
       [](In, uint32_t) { return 160u; }},
      {"copy_async with zeros",
       "%d = llvm.getelementptr %s[%t] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, "
       "i32\n %n = arith.constant 2 : i32\n"
       "hw.copy_async 4, %d, %i0 valid %n\n hw.copy_async_commit\n"
       "hw.copy_async_wait 0\n %r = hw.load %d : !llvm.ptr<3> -> i32",
       [](In in, uint32_t t) { return in[t] & 0xffff; }},
      {"ldmatrix",
       "%d = llvm.getelementptr %s[%t] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, "
       "i32\n hw.store %x, %d : i32, !llvm.ptr<3>\n hw.warp_barrier\n"
       "%c7 = arith.constant 7 : i32\n %q = arith.andi %t, %c7 : i32\n"
       "%p = llvm.getelementptr %s[%q] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, "
       "vector<4xi32>\n %r = hw.ldmatrix %p : i32",
       [](In in, uint32_t t) { return in[64 + t]; }},
      {"mma bf16",
       "%z = arith.constant 0.0 : f32\n %o1 = arith.constant 1.0 : f32\n"
       "%ones = hw.pack bf16 %o1, %o1\n"
       "%d:4 = hw.mma bf16(%ones, %ones, %ones, %ones), (%ones, %ones), "
       "(%f, %z, %z, %z) : f32, f32, f32, f32\n"
       "%r = arith.bitcast %d#0 : f32 to i32",
       [](In in, uint32_t t) { return bitsOf(floatOf(in[t]) + 16); }},
      {"mma s8",
       "%z = arith.constant 0 : i32\n"
       "%d:4 = hw.mma s8(%x, %z, %z, %z), (%x, %z), (%z, %z, %z, %z) : i32, "
       "i32, i32, i32\n %r = arith.addi %d#1, %z : i32",
       [](In in, uint32_t t) {
         int32_t sum = 0;
         for (uint32_t g = 0; g < 4; ++g)
           for (int e = 0; e < 4; ++e)
             sum += int8_t(in[64 + t / 4 * 4 + g] >> 8 * e) *
                    int8_t(in[64 + (t % 4 * 2 + 1) * 4 + g] >> 8 * e);
         return uint32_t(sum);
       }},
      {"exp2", "%q = hw.exp2 %f\n %r = arith.bitcast %q : f32 to i32",
       [](In in, uint32_t t) { return bitsOf(exp2f(floatOf(in[t]))); }},
      {"log2", "%q = hw.log2 %f\n %r = arith.bitcast %q : f32 to i32",
       [](In in, uint32_t t) { return bitsOf(log2f(floatOf(in[t]))); }},
      {"rcp", "%q = hw.rcp %f\n %r = arith.bitcast %q : f32 to i32",
       [](In in, uint32_t t) { return bitsOf(1 / floatOf(in[t])); }},
      {"tanh", "%q = hw.tanh %f\n %r = arith.bitcast %q : f32 to i32",
       [](In in, uint32_t t) { return bitsOf(tanhf(floatOf(in[t]))); }},
      {"pack and unpack",
       "%p = hw.pack f16 %f, %g\n %lo, %hi = hw.unpack f16 %p\n"
       "%q = arith.subf %hi, %lo : f32\n %r = arith.bitcast %q : f32 to i32",
       [](In in, uint32_t t) {
         return bitsOf(floatOf(in[t + 32]) - floatOf(in[t]));
       }},
      {"pack_fp8 and unpack_fp8",
       "%p = hw.pack_fp8 e4m3 %f, %g\n %r = hw.unpack_fp8 e4m3 %p",
       [](In in, uint32_t t) {
         float out[2];
         call.unpack(FOVEA_EMULATOR_E4M3,
                     call.pack(FOVEA_EMULATOR_E4M3, floatOf(in[t]),
                               floatOf(in[t + 32])),
                     out);
         return call.pack(FOVEA_EMULATOR_F16, out[0], out[1]);
       }},
      {"byte_permute",
       "%m = arith.constant 0x0123 : i32\n %r = hw.byte_permute %x, %v, %m",
       [](In in, uint32_t t) { return __builtin_bswap32(in[t + 64]); }},
      {"lop3", "%r = hw.lop3 234, %v, %w, %x",
       [](In in, uint32_t t) { return (in[t] & in[t + 32]) | in[t + 64]; }},
      {"dp4a", "%c = arith.constant 257 : i32\n %r = hw.dp4a %x, %c, %v",
       [](In in, uint32_t t) {
         return in[t] + uint32_t(int8_t(in[t + 64])) +
                uint32_t(int8_t(in[t + 64] >> 8));
       }},
  };
  return list;
}

TEST(EmulatorConformance, EveryInstruction) {
  std::vector<uint32_t> in = inputs();
  for (const Case &test : cases()) {
    std::vector<uint32_t> out(32, 0xdeadbeef);
    Outcome outcome = runKernel(warpKernel(test.body), in, out);
    ASSERT_EQ(outcome.error, 0) << test.name << ": " << outcome.message;
    for (uint32_t t = 0; t < 32; ++t)
      EXPECT_EQ(out[t], test.expected(in, t)) << test.name << ", lane " << t;
  }
}

// One thread copies its warp's inputs; the others wait for the bytes.
TEST(EmulatorConformance, BulkCopyWithAnMbarrier) {
  std::vector<uint32_t> in = inputs(), out(32);
  Outcome outcome = runKernel(warpKernel(R"(
  %b = llvm.getelementptr %s[2048] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
  %zero = arith.constant 0 : i32
  %bytes = arith.constant 128 : i32
  %first = arith.cmpi eq, %t, %zero : i32
  scf.if %first {
    hw.mbarrier_init %b, 1
    hw.fence_mbarrier_init
  }
  hw.warp_barrier
  scf.if %first {
    hw.mbarrier_arrive_expect_tx %b, %bytes
    hw.bulk_copy %s, %in, %bytes, %b
  }
  hw.mbarrier_wait %b, %zero
  %p = llvm.getelementptr %s[%t] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
  %r = hw.load %p : !llvm.ptr<3> -> i32)"),
                              in, out);
  ASSERT_EQ(outcome.error, 0) << outcome.message;
  for (uint32_t t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], in[t]);
}

// A warpgroup multiplies ones by ones: each sum of 16 is 16, on 2 of before.
TEST(EmulatorConformance, WgmmaThroughItsWait) {
  std::vector<uint32_t> in(1), out(128);
  Outcome outcome = runKernel(R"(
hw.kernel @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>)
    attributes {threads = 128 : i32, shared_bytes = 1024 : i32} {
  %t = hw.thread_id
  %s = hw.shared_memory
  %two = arith.constant 2.0 : f32
  %one = arith.constant 1.0 : f32
  %ones = hw.pack bf16 %one, %one
  %c2 = arith.constant 2 : i32
  %i = arith.muli %t, %c2 : i32
  %p = llvm.getelementptr %s[%i] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
  %q = llvm.getelementptr %p[1] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i32
  hw.store %ones, %p : i32, !llvm.ptr<3>
  hw.store %ones, %q : i32, !llvm.ptr<3>
  hw.fence_async_proxy
  hw.barrier 0, 128
  %o = hw.shared_offset %s
  %wide = arith.extui %o : i32 to i64
  %four = arith.constant 4 : i64
  %start = arith.shrui %wide, %four : i64
  %mode = arith.constant 0x4000004000000000 : i64
  %d = arith.ori %start, %mode : i64
  %c:4 = hw.wgmma_fence(%two, %two, %two, %two) : f32, f32, f32, f32
  %a:4 = hw.wgmma bf16 n 8 (%ones, %ones, %ones, %ones : i32, i32, i32, i32),
      %d, (%c#0, %c#1, %c#2, %c#3) : f32, f32, f32, f32
  hw.wgmma_commit
  %r:4 = hw.wgmma_wait 0 (%a#0, %a#1, %a#2, %a#3) : f32, f32, f32, f32
  %sum = arith.addf %r#0, %r#3 : f32
  %bits = arith.bitcast %sum : f32 to i32
  %to = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  hw.store %bits, %to : i32, !llvm.ptr<1>
  hw.return
})",
                              in, out);
  ASSERT_EQ(outcome.error, 0) << outcome.message;
  for (uint32_t t = 0; t < 128; ++t)
    EXPECT_EQ(out[t], bitsOf(36));
}

// A fault of a compiled kernel is told with the kernel's name.
TEST(EmulatorConformance, FaultsNameTheKernel) {
  std::vector<uint32_t> out(32);
  Outcome outcome = runKernel(
      warpKernel("%r = hw.load %s : !llvm.ptr<3> -> i32"), inputs(), out);
  EXPECT_EQ(outcome.error, FOVEA_EMULATOR_UNINITIALISED);
  EXPECT_EQ(outcome.message,
            "kernel k, cta 0, thread 0: load of shared memory: expected shared "
            "offset 0 to have been written, got a read before");
}
