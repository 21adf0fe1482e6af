// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrices of a warp, approximations, packed formats and bits as calls of the
// emulator.
#include "codegen/gpu/emulator/Emulator.h"
#include "codegen/gpu/emulator/lowering/Caller.h"
#include "dialects/hw/Hw.h"

using namespace mlir;

namespace fovea::gpu {

template <typename Op, Call slot>
static void addApprox(LLVMTypeConverter &converter,
                      RewritePatternSet &patterns) {
  addCall<Op>(converter, patterns,
              [](Op op, typename Op::Adaptor operands, Caller &caller) {
                caller.builder.replaceOp(
                    op, caller.call(slot, caller.f32, operands.getValue()));
              });
}

static void emitLdmatrix(hw::LdmatrixOp op, hw::LdmatrixOp::Adaptor operands,
                         Caller &caller) {
  Value out = caller.buffer(16);
  caller.call(Call::ldmatrix, Type(),
              {caller.unit(), caller.constant(op.getNumResults()),
               caller.constant(op.getTrans()),
               caller.sharedAddress(operands.getShared()), out});
  SmallVector<Value> results;
  caller.loadArray(out, op.getResultTypes(), results);
  caller.builder.replaceOp(op, results);
}

static void emitStmatrix(hw::StmatrixOp op, hw::StmatrixOp::Adaptor operands,
                         Caller &caller) {
  caller.call(Call::stmatrix, Type(),
              {caller.unit(), caller.constant(operands.getValues().size()),
               caller.constant(op.getTrans()),
               caller.sharedAddress(operands.getShared()),
               caller.array(operands.getValues())});
  caller.builder.eraseOp(op);
}

static void emitMma(hw::MmaOp op, hw::MmaOp::Adaptor operands, Caller &caller) {
  Value out = caller.buffer(16);
  caller.call(Call::mma, Type(),
              {caller.unit(), caller.constant(int64_t(op.getKind())),
               caller.array(operands.getA()), caller.array(operands.getB()),
               caller.array(operands.getAccumulators()), out});
  SmallVector<Value> results;
  caller.loadArray(out, op.getResultTypes(), results);
  caller.builder.replaceOp(op, results);
}

// The emulator's number of an 8-bit format.
static int64_t formatOf(hw::Fp8 format) {
  return format == hw::Fp8::E4M3 ? FOVEA_EMULATOR_E4M3 : FOVEA_EMULATOR_E5M2;
}

static void emitUnpack(hw::UnpackOp op, hw::UnpackOp::Adaptor operands,
                       Caller &caller) {
  Value out = caller.buffer(8);
  caller.call(
      Call::unpack, Type(),
      {caller.constant(int64_t(op.getFormat())), operands.getPair(), out});
  SmallVector<Value> results;
  caller.loadArray(out, op.getResultTypes(), results);
  caller.builder.replaceOp(op, results);
}

// The op gives f16, in which every 8-bit float is exact.
static void emitUnpackFp8(hw::UnpackFp8Op op, hw::UnpackFp8Op::Adaptor operands,
                          Caller &caller) {
  Value out = caller.buffer(8);
  caller.call(
      Call::unpack, Type(),
      {caller.constant(formatOf(op.getFormat())), operands.getPair(), out});
  SmallVector<Value> numbers = {caller.constant(FOVEA_EMULATOR_F16)};
  caller.loadArray(out, {caller.f32, caller.f32}, numbers);
  caller.builder.replaceOp(op, caller.call(Call::pack, caller.i32, numbers));
}

void populateEmulatorMathPatterns(LLVMTypeConverter &converter,
                                  RewritePatternSet &patterns) {
  addApprox<hw::Exp2Op, Call::exp2_approx>(converter, patterns);
  addApprox<hw::Log2Op, Call::log2_approx>(converter, patterns);
  addApprox<hw::RcpOp, Call::rcp_approx>(converter, patterns);
  addApprox<hw::TanhOp, Call::tanh_approx>(converter, patterns);
  addCall<hw::LdmatrixOp>(converter, patterns, emitLdmatrix);
  addCall<hw::StmatrixOp>(converter, patterns, emitStmatrix);
  addCall<hw::MmaOp>(converter, patterns, emitMma);
  addCall<hw::UnpackOp>(converter, patterns, emitUnpack);
  addCall<hw::UnpackFp8Op>(converter, patterns, emitUnpackFp8);
  addCall<hw::PackOp>(
      converter, patterns,
      [](hw::PackOp op, hw::PackOp::Adaptor operands, Caller &caller) {
        caller.builder.replaceOp(
            op, caller.call(Call::pack, caller.i32,
                            {caller.constant(int64_t(op.getFormat())),
                             operands.getLow(), operands.getHigh()}));
      });
  addCall<hw::PackFp8Op>(
      converter, patterns,
      [](hw::PackFp8Op op, hw::PackFp8Op::Adaptor operands, Caller &caller) {
        caller.builder.replaceOp(
            op, caller.call(Call::pack, caller.i32,
                            {caller.constant(formatOf(op.getFormat())),
                             operands.getLow(), operands.getHigh()}));
      });
  addCall<hw::BytePermuteOp>(
      converter, patterns,
      [](hw::BytePermuteOp op, hw::BytePermuteOp::Adaptor operands,
         Caller &caller) {
        caller.builder.replaceOp(op, caller.call(Call::byte_permute, caller.i32,
                                                 operands.getOperands()));
      });
  addCall<hw::Lop3Op>(
      converter, patterns,
      [](hw::Lop3Op op, hw::Lop3Op::Adaptor operands, Caller &caller) {
        caller.builder.replaceOp(
            op, caller.call(Call::lop3, caller.i32,
                            {operands.getA(), operands.getB(), operands.getC(),
                             caller.constant(op.getTable())}));
      });
  addCall<hw::Dp4aOp>(
      converter, patterns,
      [](hw::Dp4aOp op, hw::Dp4aOp::Adaptor operands, Caller &caller) {
        caller.builder.replaceOp(
            op, caller.call(Call::dp4a, caller.i32, operands.getOperands()));
      });
}

} // namespace fovea::gpu
