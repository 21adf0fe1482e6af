// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The instructions of the matrix unit, and plain code that does the same.
#include "codegen/cpu/MatrixUnit.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace fovea::cpu {

int64_t MatrixUnit::memoryBytes(Isa isa) {
  return isa == Isa::AVX512 ? 64 : kTiles * kRows * kRowBytes;
}

void MatrixUnit::call(StringRef name, ArrayRef<Value> args) {
  e.b.create<LLVM::CallIntrinsicOp>(e.loc, TypeRange(), e.b.getStringAttr(name),
                                    args, LLVM::FastmathFlagsAttr());
}

Value MatrixUnit::number(int tile) {
  return e.constant(e.b.getIntegerAttr(e.i8, tile));
}

Value MatrixUnit::tileAt(int tile) {
  return e.at(memory, tile * kRows * kRowBytes);
}

void MatrixUnit::begin() {
  if (!real())
    return;
  // Byte 0 is the palette; from 16 on the bytes of each tile's rows, from 48 on
  // the numbers of rows.
  SmallVector<uint8_t, 64> config(64, 0);
  config[0] = 1;
  for (int64_t tile = 0; tile < kTiles; ++tile) {
    config[16 + 2 * tile] = kRowBytes;
    config[48 + tile] = kRows;
  }
  for (size_t i = 0; i < config.size(); i += 8) {
    uint64_t word = 0;
    for (size_t byte = 0; byte < 8; ++byte)
      word |= uint64_t(config[i + byte]) << (8 * byte);
    e.store(e.cI64(int64_t(word)), e.at(memory, int64_t(i)));
  }
  call("llvm.x86.ldtilecfg", {memory});
}

void MatrixUnit::end() {
  if (real())
    call("llvm.x86.tilerelease", {});
}

void MatrixUnit::zero(int tile) {
  if (real())
    return call("llvm.x86.tilezero", {number(tile)});
  Value none = e.splatF32(kFloats, 0);
  for (int64_t row = 0; row < kRows; ++row)
    e.store(none, e.at(tileAt(tile), row * kRowBytes));
}

void MatrixUnit::load(int tile, Value at, Value stride) {
  if (real())
    return call("llvm.x86.tileloadd64", {number(tile), at, stride});
  e.forLoop(e.cI64(0), e.cI64(kRows), e.cI64(1), [&](Value row) {
    Value v = e.load(e.vec(kFloats, e.f32), e.at(at, e.mul(row, stride), 1));
    e.store(v, e.at(tileAt(tile), e.mul(row, kRowBytes), 1));
  });
}

void MatrixUnit::store(int tile, Value at, Value stride) {
  if (real())
    return call("llvm.x86.tilestored64", {number(tile), at, stride});
  e.forLoop(e.cI64(0), e.cI64(kRows), e.cI64(1), [&](Value row) {
    Value v = e.load(e.vec(kFloats, e.f32),
                     e.at(tileAt(tile), e.mul(row, kRowBytes), 1));
    e.store(v, e.at(at, e.mul(row, stride), 1));
  });
}

void MatrixUnit::dot(int sum, int left, int right) {
  if (real())
    return call("llvm.x86.tdpbf16ps",
                {number(sum), number(left), number(right)});
  Type floats = e.vec(kFloats, e.f32), words = e.vec(kFloats, e.i32);
  // The two halves of 32 bits as f32.
  auto parts = [&](Value bits) {
    Value low = e.shl(bits, 16);
    Value high = e.andI(bits, e.splatInt(kFloats, e.i32, -65536));
    return std::pair(e.bitcast(low, floats), e.bitcast(high, floats));
  };
  e.forLoop(e.cI64(0), e.cI64(kRows), e.cI64(1), [&](Value row) {
    Value at = e.mul(row, kRowBytes);
    Value to = e.at(tileAt(sum), at, 1);
    Values acc{e.load(floats, to)};
    acc = e.forLoop(
        e.cI64(0), e.cI64(kFloats), e.cI64(1), acc,
        [&](Value k, ValueRange carried) -> Values {
          Value word = e.load(e.i32, e.at(e.at(tileAt(left), at, 1), k, 4));
          auto [l0, l1] = parts(e.splat(word, kFloats));
          Value r = e.load(words, e.at(tileAt(right), e.mul(k, kRowBytes), 1));
          auto [r0, r1] = parts(r);
          return {e.fma(l1, r1, e.fma(l0, r0, carried[0]))};
        });
    e.store(acc[0], to);
  });
}

} // namespace fovea::cpu
