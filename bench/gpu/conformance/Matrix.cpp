// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of ldmatrix, stmatrix and mma. All products are of small integers, so
// that every sum is exact, whatever the order and width of the adders.
#include "bench/gpu/conformance/Case.h"
#include "codegen/gpu/emulator/Numbers.h"

#include <string>

namespace fovea::gpu::conformance {

// "%a0 = ..., %a1 = ...": `count` words from word %`index` of `base`.
static std::string loads(const std::string &name, int count,
                         const std::string &index, const std::string &type) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    std::string number = std::to_string(i), each = name + number;
    text += "%" + each + "o = arith.constant " + number + " : i32\n%" + each +
            "i = arith.addi " + index + ", %" + each + "o : i32\n" +
            atGlobal("%" + each + "p", "%" + each + "i", "%in") + "%" + each +
            " = hw.load %" + each + "p : !llvm.ptr<1> -> " + type + "\n";
  }
  return text;
}

static std::string stores(const std::string &prefix, int count,
                          const std::string &index, const std::string &type) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    std::string number = std::to_string(i);
    text += "%so" + number + " = arith.constant " + number + " : i32\n%si" +
            number + " = arith.addi " + index + ", %so" + number + " : i32\n" +
            atGlobal("%sp" + number, "%si" + number, "%out") + "hw.store " +
            prefix + number + ", %sp" + number + " : " + type +
            ", !llvm.ptr<1>\n";
  }
  return text;
}

// Four matrices of 8 rows of 16 bytes, one after the other.
static uint16_t element(const Words &in, uint32_t matrix, uint32_t row,
                        uint32_t column) {
  uint32_t half = matrix * 64 + row * 8 + column;
  return uint16_t(in[half / 2] >> (16 * (half & 1)));
}

static void addMoves(std::vector<Case> &cases) {
  for (uint32_t count : {1u, 2u, 4u})
    for (bool trans : {false, true}) {
      std::string number = std::to_string(count);
      // Lanes beyond the count repeat addresses that nobody reads.
      std::string rows = "%c4 = arith.constant 4 : i32\n"
                         "%cr = arith.constant " +
                         std::to_string(8 * count - 1) +
                         " : i32\n%row = arith.andi %t, %cr : i32\n"
                         "%word = arith.muli %row, %c4 : i32\n" +
                         atShared("%p", "%word");
      std::string first = "%n = arith.muli %t, %c4 : i32\n";
      std::string types, names;
      for (uint32_t i = 0; i < count; ++i) {
        types += i ? ", i32" : "i32";
        names += (i ? ", %v" : "%v") + std::to_string(i);
      }
      Case load;
      load.name = "ldmatrix_x" + number + (trans ? "_trans" : "");
      for (uint32_t i = 0; i < 128; ++i)
        load.in.push_back(0x9e3779b9u * (i + 3));
      load.text = kernel(
          rows + first + loads("v", 4, "%n", "i32") + atShared("%to", "%n") +
          "%q1 = llvm.getelementptr %to[1] : (!llvm.ptr<3>) -> !llvm.ptr<3>, "
          "i32\n%q2 = llvm.getelementptr %to[2] : (!llvm.ptr<3>) -> "
          "!llvm.ptr<3>, i32\n%q3 = llvm.getelementptr %to[3] : "
          "(!llvm.ptr<3>) -> !llvm.ptr<3>, i32\n"
          "hw.store %v0, %to : i32, !llvm.ptr<3>\n"
          "hw.store %v1, %q1 : i32, !llvm.ptr<3>\n"
          "hw.store %v2, %q2 : i32, !llvm.ptr<3>\n"
          "hw.store %v3, %q3 : i32, !llvm.ptr<3>\nhw.warp_barrier\n%r:" +
          number + " = hw.ldmatrix %p " + (trans ? "trans " : "") + ": " +
          types + "\n" + stores("%r#", int(count), "%n", "i32"));
      load.expected.assign(128, untouched);
      for (uint32_t t = 0; t < 32; ++t)
        for (uint32_t i = 0; i < count; ++i) {
          uint32_t r = t / 4, c = 2 * (t % 4);
          uint32_t low =
              trans ? element(load.in, i, c, r) : element(load.in, i, r, c);
          uint32_t high = trans ? element(load.in, i, c + 1, r)
                                : element(load.in, i, r, c + 1);
          load.expected[4 * t + i] = low | high << 16;
        }
      cases.push_back(load);

      // The opposite: lane t's registers are in[4 t ...], and shared memory is
      // written out as it lies.
      Case store;
      store.name = "stmatrix_x" + number + (trans ? "_trans" : "");
      store.hopper = true;
      store.in = load.in;
      std::string copy;
      for (uint32_t i = 0; i < count; ++i) {
        std::string k = std::to_string(i);
        copy += "%d" + k + " = arith.constant " + std::to_string(32 * i) +
                " : i32\n%e" + k + " = arith.addi %t, %d" + k + " : i32\n" +
                atShared("%l" + k, "%e" + k) +
                atGlobal("%g" + k, "%e" + k, "%out") + "%h" + k +
                " = hw.load %l" + k + " : !llvm.ptr<3> -> i32\nhw.store %h" +
                k + ", %g" + k + " : i32, !llvm.ptr<1>\n";
      }
      store.text = kernel(
          rows + first + loads("v", 4, "%n", "i32") + "hw.stmatrix %p(" +
          names + ")" + (trans ? " trans" : "") + "\nhw.warp_barrier\n" + copy);
      std::vector<uint16_t> halves(64 * count);
      for (uint32_t t = 0; t < 32; ++t)
        for (uint32_t i = 0; i < count; ++i)
          for (uint32_t e = 0; e < 2; ++e) {
            uint32_t r = t / 4, c = 2 * (t % 4) + e;
            halves[64 * i + (trans ? 8 * c + r : 8 * r + c)] =
                uint16_t(store.in[4 * t + i] >> (16 * e));
          }
      for (uint32_t i = 0; i < 32 * count; ++i)
        store.expected.push_back(halves[2 * i] | uint32_t(halves[2 * i + 1])
                                                     << 16);
      cases.push_back(store);
    }
}

// D = A B + C with A of 16 x depth and B of depth x 8, `bits` an element, as
// the manual lays them out: in[4 t] A, in[128 + 2 t] B, in[192 + 4 t] C.
static void addMma(std::vector<Case> &cases, const std::string &kind,
                   uint32_t bits) {
  bool real = bits == 16;
  uint32_t per = 32 / bits, depth = 8 * per;
  std::string type = real ? "f32" : "i32";
  Case made;
  made.name = "mma_" + kind;
  made.in.assign(320, 0);
  std::vector<std::vector<int>> a(16, std::vector<int>(depth)),
      b(8, std::vector<int>(depth));
  uint32_t state = 12345;
  auto draw = [&](int from, int to) {
    state = state * 1664525u + 1013904223u;
    return from + int((state >> 8) % uint32_t(to - from + 1));
  };
  int most = real ? 9 : (1 << (bits - 1)) - 1, least = real ? -9 : -most - 1;
  for (auto *matrix : {&a, &b})
    for (auto &row : *matrix)
      for (int &x : row)
        x = draw(least, most);
  auto encode = [&](int x) -> uint32_t {
    if (kind == "f16")
      return emulator::toF16(float(x));
    if (kind == "bf16")
      return emulator::toBf16(float(x));
    return uint32_t(x) & ((1u << bits) - 1);
  };
  for (uint32_t t = 0; t < 32; ++t) {
    uint32_t group = t / 4, inGroup = t % 4;
    for (uint32_t i = 0; i < 4 * per; ++i) {
      uint32_t row = group + (i / per % 2 ? 8 : 0);
      uint32_t column = inGroup * per + i % per + (i >= 2 * per ? 4 * per : 0);
      made.in[4 * t + i / per] |= encode(a[row][column]) << bits * (i % per);
    }
    for (uint32_t i = 0; i < 2 * per; ++i) {
      uint32_t row = inGroup * per + i % per + (i >= per ? 4 * per : 0);
      made.in[128 + 2 * t + i / per] |= encode(b[group][row])
                                        << bits * (i % per);
    }
    for (uint32_t i = 0; i < 4; ++i) {
      int c = draw(-1000, 1000), sum = c;
      made.in[192 + 4 * t + i] =
          real ? emulator::bitsOf(float(c)) : uint32_t(c);
      uint32_t row = group + (i >= 2 ? 8 : 0), column = 2 * inGroup + i % 2;
      for (uint32_t k = 0; k < depth; ++k)
        sum += a[row][k] * b[column][k];
      made.expected.push_back(real ? emulator::bitsOf(float(sum))
                                   : uint32_t(sum));
    }
  }
  made.text = kernel(
      "%k2 = arith.constant 2 : i32\n%k4 = arith.constant 4 : i32\n"
      "%k128 = arith.constant 128 : i32\n%k192 = arith.constant 192 : i32\n"
      "%n = arith.muli %t, %k4 : i32\n%m2 = arith.muli %t, %k2 : i32\n"
      "%m = arith.addi %m2, %k128 : i32\n%l = arith.addi %n, %k192 : i32\n" +
      loads("a", 4, "%n", "i32") + loads("b", 2, "%m", "i32") +
      loads("c", 4, "%l", type) + "%r:4 = hw.mma " + kind +
      "(%a0, %a1, %a2, %a3), (%b0, %b1), (%c0, %c1, %c2, %c3) : " + type +
      ", " + type + ", " + type + ", " + type + "\n" +
      stores("%r#", 4, "%n", type));
  cases.push_back(made);
}

void addMatrixCases(std::vector<Case> &cases) {
  addMoves(cases);
  addMma(cases, "f16", 16);
  addMma(cases, "bf16", 16);
  addMma(cases, "s8", 8);
  addMma(cases, "s4", 4);
}

} // namespace fovea::gpu::conformance
