// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs small emitted functions for each instruction set against libm and
// scalar code: exp2, number formats, transposes, and the object rules (no
// undefined symbol, private functions internal).
#include "test/unit/codegen/cpu/LoadObject.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

using namespace mlir;
using namespace fovea::cpu;

namespace {

class EmitterTest : public testing::TestWithParam<Isa> {
protected:
  void SetUp() override {
    if (!hostRuns(GetParam()))
      GTEST_SKIP() << "this processor lacks the instruction set";
    module = ModuleOp::create(UnknownLoc::get(&testContext()));
    builder.setInsertionPointToEnd(module->getBody());
  }

  /// A function f(in, out, n) whose body runs for each group of `lanes`.
  void elementwise(StringRef name, int64_t lanes, unsigned inBytes,
                   unsigned outBytes,
                   llvm::function_ref<Value(Emitter &, Value)> loadOp,
                   llvm::function_ref<Value(Emitter &, Value)> op) {
    Type ptr = LLVM::LLVMPointerType::get(&testContext());
    auto fn = builder.create<func::FuncOp>(
        module->getLoc(), name,
        builder.getFunctionType({ptr, ptr, builder.getI64Type()}, {}));
    Emitter e(fn, GetParam());
    e.forLoop(e.cI64(0), fn.getArgument(2), e.cI64(lanes), [&](Value i) {
      Value v = loadOp(e, e.at(fn.getArgument(0), i, inBytes));
      e.store(op(e, v), e.at(fn.getArgument(1), i, outBytes));
    });
    e.ret();
  }

  OwningOpRef<ModuleOp> module;
  OpBuilder builder{&testContext()};
};

using Map = void(const void *, void *, int64_t);

TEST_P(EmitterTest, Exp2) {
  for (int degree : {4, 5})
    elementwise(
        "exp2_" + std::to_string(degree), 32, 4, 4,
        [](Emitter &e, Value p) { return e.load(e.vec(32, e.f32), p); },
        [&](Emitter &e, Value v) { return e.exp2(v, degree); });
  LoadedModule loaded(*module, machineFor(GetParam()));
  ASSERT_EQ(loaded.undefined, "");
  std::vector<float> x, y(1 << 16);
  for (int i = 0; i < 1 << 16; ++i)
    x.push_back(-125.0f + i * (126.0f / (1 << 16)));
  for (int degree : {4, 5}) {
    loaded.get<Map>("exp2_" + std::to_string(degree))(x.data(), y.data(),
                                                      x.size());
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i)
      worst = std::max(worst, std::abs(y[i] / std::exp2(double(x[i])) - 1));
    EXPECT_LT(worst, degree == 4 ? 3.2e-6 : 2.5e-7) << "degree " << degree;
  }
  const float inf = INFINITY;
  uint32_t payload = 0xffffffff;
  float nan;
  std::memcpy(&nan, &payload, 4);
  std::vector<float> special(32, -inf), out(32);
  special[1] = 0;
  special[2] = -1e30f;
  special[3] = nan;
  special[4] = -200;
  special[5] = NAN;
  loaded.get<Map>("exp2_5")(special.data(), out.data(), 32);
  EXPECT_EQ(out[0], 0);
  EXPECT_EQ(out[1], 1);
  EXPECT_EQ(out[2], 0);
  EXPECT_TRUE(std::isnan(out[3]));
  EXPECT_LT(out[4], 1e-37f);
  EXPECT_TRUE(std::isnan(out[5]));
}

TEST_P(EmitterTest, Formats) {
  auto loader = [](Elem elem) {
    return [elem](Emitter &e, Value p) { return e.loadAsF32(elem, p, 16); };
  };
  auto same = [](Emitter &, Value v) { return v; };
  elementwise("from_f16", 16, 2, 4, loader(Elem::F16), same);
  elementwise("from_bf16", 16, 2, 4, loader(Elem::BF16), same);
  elementwise("from_i8", 16, 1, 4, loader(Elem::I8), same);
  for (Elem elem : {Elem::F16, Elem::BF16})
    elementwise(elem == Elem::F16 ? "to_f16" : "to_bf16", 16, 4, 2,
                loader(Elem::F32),
                [&](Emitter &e, Value v) { return e.narrow(elem, v); });
  LoadedModule loaded(*module, machineFor(GetParam()));
  ASSERT_EQ(loaded.undefined, "");

  // Every f16 and bf16 survives the way there and back.
  std::vector<uint16_t> codes(1 << 16), back(1 << 16);
  for (int i = 0; i < 1 << 16; ++i)
    codes[i] = i;
  std::vector<float> wide(1 << 16);
  for (const char *name : {"f16", "bf16"}) {
    loaded.get<Map>(std::string("from_") + name)(codes.data(), wide.data(),
                                                 codes.size());
    loaded.get<Map>(std::string("to_") + name)(wide.data(), back.data(),
                                               codes.size());
    for (int i = 0; i < 1 << 16; ++i) {
      if (!std::isnan(wide[i])) {
        ASSERT_EQ(back[i], codes[i]) << name;
      }
    }
  }
  EXPECT_EQ(wide[0x3f80], 1.0f);
  // Halfway cases of bf16 go to even, NaN with any payload stays NaN.
  uint32_t bits[16] = {0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff,
                       0x7f800001, 0xffffffff, 0x80000000, 0x7f800000};
  uint16_t rounded[16];
  loaded.get<Map>("to_bf16")(bits, rounded, 16);
  EXPECT_EQ(rounded[0], 0x3f80);
  EXPECT_EQ(rounded[1], 0x3f82);
  EXPECT_EQ(rounded[2], 0x3f81);
  EXPECT_EQ(rounded[3], 0x7f80);
  EXPECT_EQ(rounded[4], 0x7fc0);
  EXPECT_EQ(rounded[5] & 0x7fc0, 0x7fc0);
  EXPECT_EQ(rounded[6], 0x8000);
  EXPECT_EQ(rounded[7], 0x7f80);
  std::vector<int8_t> bytes(256);
  for (int i = 0; i < 256; ++i)
    bytes[i] = i - 128;
  loaded.get<Map>("from_i8")(bytes.data(), wide.data(), 256);
  for (int i = 0; i < 256; ++i)
    EXPECT_EQ(wide[i], i - 128);
}

TEST_P(EmitterTest, TransposeAndInternalFunctions) {
  Type ptr = LLVM::LLVMPointerType::get(&testContext());
  auto helper = builder.create<func::FuncOp>(
      module->getLoc(), "helper", builder.getFunctionType({ptr, ptr}, {}));
  helper.setPrivate();
  {
    Emitter e(helper, GetParam());
    Values rows;
    for (int i = 0; i < 8; ++i)
      rows.push_back(
          e.load(e.vec(8, e.f32), e.at(helper.getArgument(0), 32 * i)));
    rows = e.transpose(rows);
    for (int i = 0; i < 8; ++i)
      e.store(rows[i], e.at(helper.getArgument(1), 32 * i));
    e.ret();
  }
  auto fn = builder.create<func::FuncOp>(
      module->getLoc(), "run", builder.getFunctionType({ptr, ptr}, {}));
  Emitter e(fn, GetParam());
  e.call(helper, fn.getArguments());
  e.ret();
  LoadedModule loaded(*module, machineFor(GetParam()));
  ASSERT_EQ(loaded.undefined, "");
  float in[8][8], out[8][8];
  for (int i = 0; i < 64; ++i)
    in[i / 8][i % 8] = i;
  loaded.get<void(void *, void *)>("run")(in, out);
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < 8; ++j)
      EXPECT_EQ(out[i][j], in[j][i]);
  auto object = orDie(llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef(loaded.object, "stage")));
  for (const auto &symbol : object->symbols())
    if (orDie(symbol.getName()) == "helper") {
      EXPECT_FALSE(orDie(symbol.getFlags()) &
                   llvm::object::SymbolRef::SF_Global);
    }
}

INSTANTIATE_TEST_SUITE_P(Isas, EmitterTest,
                         testing::Values(Isa::AVX2, Isa::AVX512),
                         [](const auto &info) {
                           return info.param == Isa::AVX2 ? "v3" : "v4";
                         });

} // namespace
