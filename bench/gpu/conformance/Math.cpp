// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of approximations, packed formats and bits.
#include "bench/gpu/conformance/Case.h"
#include "codegen/gpu/emulator/Numbers.h"

#include <cmath>

namespace fovea::gpu::conformance {

using emulator::bitsOf, emulator::floatOf;

// What PTX allows: 2^-22 for ex2 and lg2, 2^-23 for rcp, 2^-11 for tanh.
static void addApproximation(std::vector<Case> &cases, const std::string &name,
                             float (*exact)(float), float tolerance) {
  cases.push_back(warpCase(
      name, "%q = hw." + name + " %f\n%r = arith.bitcast %q : f32 to i32",
      [=](const Words &in, uint32_t t) {
        return bitsOf(exact(floatOf(in[t])));
      }));
  cases.back().tolerance = tolerance;
}

// Numbers on and between those of a small format, and beyond it.
static Words hardNumbers() {
  const float numbers[] = {
      0,       -0.0f, 1,        -1,    1.0009765f, 1.001f, 1.0625f, 1.1875f,
      65504,   65519, 65520,    -7e4f, 447,        449,    57344,   6e4f,
      6e-8f,   3e-8f, 2.98e-8f, 1e-3f, 0.018f,     2.5f,   3.5f,    -4.5f,
      1.5e-5f, 240,   248,      0.01f, 17,         19,     -21,     1e-30f};
  Words in;
  for (int copy = 0; copy < 3; ++copy)
    for (float x : numbers)
      in.push_back(bitsOf(copy == 1 ? -0.75f * x : x));
  return in;
}

static void addPacked(std::vector<Case> &cases) {
  auto add = [&](const std::string &name, const std::string &body,
                 const std::function<uint32_t(float, float)> &expected,
                 bool hopper) {
    Case made;
    made.name = name;
    made.text = warpKernel(body);
    made.hopper = hopper;
    made.in = hardNumbers();
    for (uint32_t t = 0; t < 32; ++t)
      made.expected.push_back(
          expected(floatOf(made.in[t]), floatOf(made.in[t + 32])));
    cases.push_back(made);
  };
  using emulator::toF16, emulator::toBf16, emulator::toE4m3, emulator::toE5m2;
  add(
      "pack_f16", "%r = hw.pack f16 %f, %g",
      [](float f, float g) { return toF16(f) | toF16(g) << 16; }, false);
  add(
      "pack_bf16", "%r = hw.pack bf16 %f, %g",
      [](float f, float g) { return toBf16(f) | toBf16(g) << 16; }, false);
  add(
      "pack_fp8_e4m3", "%r = hw.pack_fp8 e4m3 %f, %g",
      [](float f, float g) { return toE4m3(f) | toE4m3(g) << 8; }, true);
  add(
      "pack_fp8_e5m2", "%r = hw.pack_fp8 e5m2 %f, %g",
      [](float f, float g) { return toE5m2(f) | toE5m2(g) << 8; }, true);
  // Every byte of an 8-bit format, 16 per lane, as pairs of f16. NaNs are left
  // out, since their bits are not specified.
  for (const char *format : {"e4m3", "e5m2"}) {
    bool e4m3 = std::string(format) == "e4m3";
    Case made;
    made.name = std::string("unpack_fp8_") + format;
    made.hopper = true;
    made.text =
        kernel("%c0 = arith.constant 0 : i32\n"
               "%c1 = arith.constant 1 : i32\n"
               "%c4 = arith.constant 4 : i32\n"
               "%n = arith.muli %t, %c4 : i32\n"
               "scf.for %i = %c0 to %c4 step %c1 : i32 {\n"
               "%m = arith.addi %n, %i : i32\n" +
               atGlobal("%a", "%m", "%in") + atGlobal("%b", "%m", "%out") +
               "%v = hw.load %a : !llvm.ptr<1> -> i32\n"
               "%w = hw.unpack_fp8 " +
               format + " %v\nhw.store %w, %b : i32, !llvm.ptr<1>\n}");
    auto decode = [e4m3](uint32_t byte) {
      float x = e4m3 ? emulator::fromE4m3(byte) : emulator::fromE5m2(byte);
      return toF16(x);
    };
    for (uint32_t i = 0; i < 128; ++i) {
      uint32_t low = 2 * i, high = 2 * i + 1;
      auto isNan = [e4m3](uint32_t byte) {
        return (byte & 0x7f) > (e4m3 ? 0x7eu : 0x7cu);
      };
      low = isNan(low) ? 1 : low;
      high = isNan(high) ? 1 : high;
      made.in.push_back(low | high << 8);
      made.expected.push_back(decode(low) | decode(high) << 16);
    }
    cases.push_back(made);
  }
  for (const char *format : {"f16", "bf16"}) {
    bool f16 = std::string(format) == "f16";
    cases.push_back(warpCase(std::string("unpack_") + format,
                             "%m = arith.constant 0x3fff3fff : i32\n"
                             "%y = arith.andi %x, %m : i32\n"
                             "%lo, %hi = hw.unpack " +
                                 std::string(format) +
                                 " %y\n%a = arith.bitcast %lo : f32 to i32\n"
                                 "%b = arith.bitcast %hi : f32 to i32\n"
                                 "%c3 = arith.constant 3 : i32\n"
                                 "%e = arith.shrui %b, %c3 : i32\n"
                                 "%r = arith.xori %a, %e : i32",
                             [f16](const Words &in, uint32_t t) {
                               uint32_t y = in[64 + t] & 0x3fff3fff;
                               auto decode = [f16](uint32_t half) {
                                 return bitsOf(f16 ? emulator::fromF16(half)
                                                   : emulator::fromBf16(half));
                               };
                               return decode(y) ^ decode(y >> 16) >> 3;
                             }));
  }
}

void addMathCases(std::vector<Case> &cases) {
  addApproximation(cases, "exp2", exp2f, 0x1p-21f);
  addApproximation(cases, "log2", log2f, 0x1p-21f);
  addApproximation(cases, "rcp", [](float x) { return 1 / x; }, 0x1p-22f);
  addApproximation(cases, "tanh", tanhf, 0x1p-10f);
  addPacked(cases);
  // Every selector of a nibble, and the sign replication of its high bit.
  cases.push_back(warpCase(
      "byte_permute",
      "%c = arith.constant 0x01234567 : i32\n%c1 = arith.constant 1 : i32\n"
      "%n = arith.shli %t, %c1 : i32\n%odd = arith.addi %n, %c1 : i32\n"
      "%m = arith.muli %c, %odd : i32\n%r = hw.byte_permute %x, %v, %m",
      [](const Words &in, uint32_t t) {
        uint64_t bytes = in[t + 64] | uint64_t(in[t]) << 32;
        uint32_t selector = 0x01234567u * (2 * t + 1), out = 0;
        for (int i = 0; i < 4; ++i) {
          uint32_t nibble = selector >> 4 * i;
          uint32_t byte = uint32_t(bytes >> 8 * (nibble & 7)) & 0xff;
          out |= (nibble & 8 ? (byte & 0x80 ? 0xffu : 0u) : byte) << 8 * i;
        }
        return out;
      }));
  for (uint32_t table : {234u, 0x96u, 0x1u})
    cases.push_back(
        warpCase("lop3_" + std::to_string(table),
                 "%r = hw.lop3 " + std::to_string(table) + ", %v, %w, %x",
                 [table](const Words &in, uint32_t t) {
                   uint32_t out = 0;
                   for (int bit = 0; bit < 32; ++bit) {
                     uint32_t row = (in[t] >> bit & 1) << 2 |
                                    (in[t + 32] >> bit & 1) << 1 |
                                    (in[t + 64] >> bit & 1);
                     out |= (table >> row & 1) << bit;
                   }
                   return out;
                 }));
  cases.push_back(warpCase(
      "dp4a", "%r = hw.dp4a %x, %v, %w", [](const Words &in, uint32_t t) {
        uint32_t sum = in[t + 32];
        for (int i = 0; i < 4; ++i)
          sum += uint32_t(int8_t(in[t + 64] >> 8 * i) * int8_t(in[t] >> 8 * i));
        return sum;
      }));
}

} // namespace fovea::gpu::conformance
