// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Approximations, packed formats and bits.
#include "codegen/gpu/ptx/Asm.h"
#include "dialects/hw/Hw.h"

using namespace mlir;
using namespace fovea::hw;

namespace fovea::gpu {

static Type halfPair(OpBuilder &b, Half format) {
  Type element = format == Half::F16 ? Type(b.getF16Type()) : b.getBF16Type();
  return VectorType::get(2, element);
}

// Truncation of a vector would be two scalar conversions.
static SmallVector<Value> emitPack(OpBuilder &b, PackOp op,
                                   PackOp::Adaptor in) {
  StringRef name = op.getFormat() == Half::F16 ? "llvm.nvvm.ff2f16x2.rn"
                                               : "llvm.nvvm.ff2bf16x2.rn";
  Value pair = emitIntrinsic(b, op.getLoc(), halfPair(b, op.getFormat()), name,
                             {in.getHigh(), in.getLow()});
  Value result = b.create<LLVM::BitcastOp>(op.getLoc(), b.getI32Type(), pair);
  return {result};
}

static SmallVector<Value> emitUnpack(OpBuilder &b, UnpackOp op,
                                     UnpackOp::Adaptor in) {
  Location loc = op.getLoc();
  auto constant = [&](int32_t value) -> Value {
    return b.create<LLVM::ConstantOp>(loc, b.getI32Type(), value);
  };
  auto toFloat = [&](Value bits) -> Value {
    return b.create<LLVM::BitcastOp>(loc, b.getF32Type(), bits);
  };
  // A bf16 is the high half of the f32.
  if (op.getFormat() == Half::BF16)
    return {
        toFloat(b.create<LLVM::ShlOp>(loc, in.getPair(), constant(16))),
        toFloat(b.create<LLVM::AndOp>(
            loc, in.getPair(), constant(static_cast<int32_t>(0xffff0000))))};
  Value pair =
      b.create<LLVM::BitcastOp>(loc, halfPair(b, Half::F16), in.getPair());
  SmallVector<Value> results;
  for (int32_t i : {0, 1})
    results.push_back(b.create<LLVM::FPExtOp>(
        loc, b.getF32Type(),
        b.create<LLVM::ExtractElementOp>(loc, pair, constant(i))));
  return results;
}

static SmallVector<Value> emitPackFp8(OpBuilder &b, PackFp8Op op,
                                      PackFp8Op::Adaptor in) {
  return emitAsm(b, op.getLoc(), op.getType(),
                 "{ .reg .b16 pair; cvt.rn.satfinite." +
                     stringifyFp8(op.getFormat()) +
                     "x2.f32 pair, $2, $1; cvt.u32.u16 $0, pair; }",
                 {in.getLow(), in.getHigh()}, Effects::None);
}

static SmallVector<Value> emitUnpackFp8(OpBuilder &b, UnpackFp8Op op,
                                        UnpackFp8Op::Adaptor in) {
  return emitAsm(b, op.getLoc(), op.getType(),
                 "{ .reg .b16 pair; cvt.u16.u32 pair, $1; cvt.rn.f16x2." +
                     stringifyFp8(op.getFormat()) + "x2 $0, pair; }",
                 in.getPair(), Effects::None);
}

void populateMathPatterns(const LLVMTypeConverter &converter,
                          RewritePatternSet &patterns) {
  addEmit<Exp2Op>(
      converter, patterns, [](OpBuilder &b, Exp2Op op, Exp2Op::Adaptor in) {
        return SmallVector<Value>{emitIntrinsic(b, op.getLoc(), op.getType(),
                                                "llvm.nvvm.ex2.approx.ftz.f",
                                                in.getValue())};
      });
  addEmit<Log2Op>(
      converter, patterns, [](OpBuilder &b, Log2Op op, Log2Op::Adaptor in) {
        return SmallVector<Value>{emitIntrinsic(b, op.getLoc(), op.getType(),
                                                "llvm.nvvm.lg2.approx.ftz.f",
                                                in.getValue())};
      });
  addEmit<RcpOp>(
      converter, patterns, [](OpBuilder &b, RcpOp op, RcpOp::Adaptor in) {
        return SmallVector<Value>{emitIntrinsic(b, op.getLoc(), op.getType(),
                                                "llvm.nvvm.rcp.approx.ftz.f",
                                                in.getValue())};
      });
  addEmit<TanhOp>(
      converter, patterns, [](OpBuilder &b, TanhOp op, TanhOp::Adaptor in) {
        return emitAsm(b, op.getLoc(), op.getType(), "tanh.approx.f32 $0, $1;",
                       in.getValue(), Effects::None);
      });
  addEmit<PackOp>(converter, patterns, emitPack);
  addEmit<UnpackOp>(converter, patterns, emitUnpack);
  addEmit<PackFp8Op>(converter, patterns, emitPackFp8);
  addEmit<UnpackFp8Op>(converter, patterns, emitUnpackFp8);
  addEmit<BytePermuteOp>(
      converter, patterns,
      [](OpBuilder &b, BytePermuteOp op, BytePermuteOp::Adaptor in) {
        return SmallVector<Value>{
            emitIntrinsic(b, op.getLoc(), op.getType(), "llvm.nvvm.prmt",
                          {in.getA(), in.getB(), in.getSelector()})};
      });
  addEmit<Lop3Op>(
      converter, patterns, [](OpBuilder &b, Lop3Op op, Lop3Op::Adaptor in) {
        return emitAsm(b, op.getLoc(), op.getType(),
                       "lop3.b32 $0, $1, $2, $3, " + Twine(op.getTable()) + ";",
                       {in.getA(), in.getB(), in.getC()}, Effects::None);
      });
  addEmit<Dp4aOp>(
      converter, patterns, [](OpBuilder &b, Dp4aOp op, Dp4aOp::Adaptor in) {
        return emitAsm(b, op.getLoc(), op.getType(),
                       "dp4a.s32.s32 $0, $1, $2, $3;",
                       {in.getA(), in.getB(), in.getC()}, Effects::None);
      });
}

} // namespace fovea::gpu
