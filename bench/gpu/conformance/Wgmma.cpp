// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of wgmma: one warpgroup, D (64 x n) = A (64 x 32 bytes) B + C. All
// products are of small integers, so that every sum is exact.
#include "bench/gpu/conformance/Case.h"
#include "codegen/gpu/emulator/Numbers.h"

#include <string>

namespace fovea::gpu::conformance {

namespace {
struct Shape {
  const char *name, *kind;
  uint32_t n;
  bool registers, transpose, zero;
};
} // namespace

static uint32_t encode(const std::string &kind, int x) {
  if (kind == "f16")
    return emulator::toF16(float(x));
  if (kind == "bf16")
    return emulator::toBf16(float(x));
  if (kind == "e4m3")
    return emulator::toE4m3(float(x));
  if (kind == "e5m2")
    return emulator::toE5m2(float(x));
  return uint32_t(x) & 0xff;
}

// Shared memory as the kernel fills it, word by word from in: A in the first
// 8 KB, B behind it, in the 128-byte swizzle.
static uint32_t swizzled(uint32_t byte) { return byte ^ (byte >> 3 & 0x70); }

static void put(Words &memory, uint32_t byte, uint32_t bits, uint32_t value) {
  byte = swizzled(byte);
  uint32_t shift = 8 * (byte % 4), mask = (bits == 8 ? 0xffu : 0xffffu);
  memory[byte / 4] = (memory[byte / 4] & ~(mask << shift)) | value << shift;
}

// A descriptor of the 128-byte swizzle with 1024 bytes from one group of 8
// rows, or of 8 of depth, to the next.
static std::string descriptor(const std::string &name, uint32_t offset) {
  return "%" + name + "p = llvm.getelementptr %s[" + std::to_string(offset) +
         "] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8\n%" + name +
         "a = hw.shared_offset %" + name + "p\n%" + name + "w = arith.extui %" +
         name + "a : i32 to i64\n%" + name + "h = arith.shrui %" + name +
         "w, %four : i64\n%" + name + " = arith.ori %" + name +
         "h, %mode : i64\n";
}

static void addCase(std::vector<Case> &cases, const Shape &shape) {
  std::string kind = shape.kind, type = kind == "s8" ? "i32" : "f32";
  uint32_t bits = kind == "f16" || kind == "bf16" ? 16 : 8;
  uint32_t depth = 256 / bits, n = shape.n, count = n / 2;
  uint32_t bBytes = shape.transpose ? 2048 : n * 128;
  uint32_t words = (8192 + bBytes) / 4;
  Case made;
  made.name = std::string("wgmma_") + shape.name;
  made.hopper = true;
  uint32_t state = 99;
  auto draw = [&](int most) {
    state = state * 1664525u + 1013904223u;
    return int((state >> 8) % uint32_t(2 * most + 1)) - most;
  };
  std::vector<std::vector<int>> a(64, std::vector<int>(depth)),
      b(n, std::vector<int>(depth));
  for (auto *matrix : {&a, &b})
    for (auto &row : *matrix)
      for (int &x : row)
        x = draw(kind == "s8" ? 127 : 4);
  // in: shared memory, then A's fragments (4 a thread), then C.
  Words memory(words);
  for (uint32_t r = 0; r < 64; ++r)
    for (uint32_t k = 0; k < depth; ++k)
      put(memory, r * 128 + k * bits / 8, bits, encode(kind, a[r][k]));
  for (uint32_t r = 0; r < n; ++r)
    for (uint32_t k = 0; k < depth; ++k)
      put(memory,
          8192 + (shape.transpose ? k * 128 + r * 2 : r * 128 + k * bits / 8),
          bits, encode(kind, b[r][k]));
  made.in = memory;
  uint32_t per = 32 / bits;
  for (uint32_t t = 0; t < 128; ++t)
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t row = t / 32 * 16 + t % 32 / 4 + (i % 2 ? 8 : 0), word = 0;
      for (uint32_t e = 0; e < per; ++e)
        word |= encode(kind, a[row][t % 4 * per + e + (i >= 2 ? 4 * per : 0)])
                << bits * e;
      made.in.push_back(word);
    }
  auto number = [&](int x) {
    return type == "f32" ? emulator::bitsOf(float(x)) : uint32_t(x);
  };
  for (uint32_t t = 0; t < 128; ++t)
    for (uint32_t i = 0; i < count; ++i) {
      int sum = draw(100);
      made.in.push_back(number(sum));
      if (shape.zero)
        sum = 0;
      uint32_t row = t / 32 * 16 + t % 32 / 4 + (i / 2 % 2 ? 8 : 0);
      uint32_t column = i / 4 * 8 + t % 4 * 2 + i % 2;
      for (uint32_t k = 0; k < depth; ++k)
        sum += a[row][k] * b[column][k];
      made.expected.push_back(number(sum));
    }

  std::string names, types, load, store;
  auto list = [&](const std::string &prefix) {
    std::string text;
    for (uint32_t i = 0; i < count; ++i)
      text += (i ? ", " : "") + prefix + std::to_string(i);
    return text;
  };
  for (uint32_t i = 0; i < count; ++i) {
    std::string k = std::to_string(i);
    types += i ? ", " + type : type;
    load += "%ci" + k + " = llvm.getelementptr %cs[" + k +
            "] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32\n%c" + k +
            " = hw.load %ci" + k + " : !llvm.ptr<1> -> " + type + "\n";
    store += "%d" + k + " = llvm.getelementptr %ds[" + k +
             "] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32\nhw.store %r#" + k +
             ", %d" + k + " : " + type + ", !llvm.ptr<1>\n";
  }
  std::string fragment;
  for (uint32_t i = 0; i < 4; ++i) {
    std::string k = std::to_string(i);
    fragment += "%xi" + k + " = llvm.getelementptr %xs[" + k +
                "] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32\n%x" + k +
                " = hw.load %xi" + k + " : !llvm.ptr<1> -> i32\n";
  }
  std::string total = std::to_string(count);
  // The fragments of a go through the fence as well: they are registers that
  // the product reads.
  std::string through = list("%c"), throughTypes = types;
  std::string left = "(%a : i64)";
  if (shape.registers) {
    through += ", %x0, %x1, %x2, %x3";
    throughTypes += ", i32, i32, i32, i32";
    left = "(";
    for (uint32_t i = 0; i < 4; ++i)
      left += (i ? ", %e#" : "%e#") + std::to_string(count + i);
    left += " : i32, i32, i32, i32)";
  }
  made.text = kernel(
      "%zero = arith.constant 0 : i32\n%one28 = arith.constant 128 : i32\n"
      "%words = arith.constant " +
          std::to_string(words) +
          " : i32\nscf.for %i = %t to %words step %one28 : i32 {\n" +
          atGlobal("%from", "%i", "%in") + atShared("%to", "%i") +
          "%v = hw.load %from : !llvm.ptr<1> -> i32\n"
          "hw.store %v, %to : i32, !llvm.ptr<3>\n}\n"
          "hw.fence_async_proxy\nhw.barrier 0, 128\n"
          "%k4 = arith.constant 4 : i32\n%t4 = arith.muli %t, %k4 : i32\n"
          "%xb = arith.addi %t4, %words : i32\n" +
          atGlobal("%xs", "%xb", "%in") + "%kc = arith.constant " + total +
          " : i32\n%tc = arith.muli %t, %kc : i32\n"
          "%k512 = arith.constant 512 : i32\n"
          "%cb = arith.addi %tc, %words : i32\n"
          "%cc = arith.addi %cb, %k512 : i32\n" +
          atGlobal("%cs", "%cc", "%in") + atGlobal("%ds", "%tc", "%out") +
          load + (shape.registers ? fragment : "") +
          "%four = arith.constant 4 : i64\n"
          "%mode = arith.constant 0x4000004000000000 : i64\n" +
          descriptor("a", 0) + descriptor("b", 8192) +
          "%e:" + std::to_string(count + (shape.registers ? 4 : 0)) +
          " = hw.wgmma_fence(" + through + ") : " + throughTypes +
          "\n%p:" + total + " = hw.wgmma " + kind + " n " + std::to_string(n) +
          (shape.transpose ? " trans_b" : "") + (shape.zero ? " zero" : "") +
          left + ", %b, (" + list("%e#") + ") : " + types +
          "\nhw.wgmma_commit\n%r:" + total + " = hw.wgmma_wait 0(" +
          list("%p#") + ") : " + types + "\n" + store,
      128, words * 4);
  cases.push_back(made);
}

void addWgmmaCases(std::vector<Case> &cases) {
  const Shape shapes[] = {
      {"f16", "f16", 16, false, false, false},
      {"bf16", "bf16", 64, false, false, false},
      {"bf16_registers", "bf16", 24, true, false, false},
      {"bf16_trans_b", "bf16", 64, false, true, false},
      {"f16_registers_trans_b", "f16", 32, true, true, false},
      {"bf16_zero", "bf16", 8, false, false, true},
      {"e4m3", "e4m3", 32, false, false, false},
      {"e5m2", "e5m2", 40, false, false, false},
      {"e4m3_registers", "e4m3", 16, true, false, false},
      {"s8", "s8", 32, false, false, false},
      {"s8_registers", "s8", 8, true, false, true},
  };
  for (const Shape &shape : shapes)
    addCase(cases, shape);
}

} // namespace fovea::gpu::conformance
