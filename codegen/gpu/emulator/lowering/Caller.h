// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds calls through the emulator's table, for the patterns of this folder.
#ifndef FOVEA_CODEGEN_GPU_EMULATOR_LOWERING_CALLER_H
#define FOVEA_CODEGEN_GPU_EMULATOR_LOWERING_CALLER_H

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Transforms/DialectConversion.h"

namespace fovea::gpu {

/// The position of each call in the table.
enum class Call : int32_t {
#define FOVEA_EMULATOR_CALL(result, name, parameters) name,
#include "codegen/gpu/emulator/Calls.def"
#undef FOVEA_EMULATOR_CALL
};

/// Makes calls in the place of one op of a thread's body, a function of the
/// unit and the environment, which begins with the table.
class Caller {
public:
  Caller(mlir::ConversionPatternRewriter &builder, mlir::Operation *op);

  mlir::Value unit();
  mlir::Value constant(int64_t value, unsigned bits = 32);
  /// The result, or null for one without.
  mlir::Value call(Call slot, mlir::Type result, mlir::ValueRange arguments);
  /// Memory on the thread's stack, of this many bytes.
  mlir::Value buffer(int64_t bytes);
  /// The same, holding 32-bit registers; and what is in one.
  mlir::Value array(mlir::ValueRange registers);
  void loadArray(mlir::Value array, mlir::TypeRange types,
                 llvm::SmallVectorImpl<mlir::Value> &out);
  /// Addresses as the calls take them.
  mlir::Value sharedAddress(mlir::Value pointer);
  mlir::Value globalAddress(mlir::Value pointer);
  /// The bits of a number as an integer of `bits`, and back.
  mlir::Value bitsOf(mlir::Value value, unsigned bits);
  mlir::Value fromBits(mlir::Value bits, mlir::Type type);

  mlir::ConversionPatternRewriter &builder;
  mlir::Location loc;
  mlir::Type pointer, i32, i64, f32;

private:
  mlir::LLVM::LLVMFuncOp body;
};

void populateEmulatorThreadPatterns(mlir::LLVMTypeConverter &converter,
                                    mlir::RewritePatternSet &patterns);
void populateEmulatorMemoryPatterns(mlir::LLVMTypeConverter &converter,
                                    mlir::RewritePatternSet &patterns);
void populateEmulatorAsyncPatterns(mlir::LLVMTypeConverter &converter,
                                   mlir::RewritePatternSet &patterns);
void populateEmulatorMathPatterns(mlir::LLVMTypeConverter &converter,
                                  mlir::RewritePatternSet &patterns);

/// A pattern of one op as a function of the op, its converted operands and a
/// caller; it replaces or erases the op.
template <typename Op>
class CallPattern : public mlir::OpConversionPattern<Op> {
public:
  using Adaptor = typename mlir::OpConversionPattern<Op>::OpAdaptor;
  using Emit = void (*)(Op op, Adaptor operands, Caller &caller);
  CallPattern(mlir::LLVMTypeConverter &converter, mlir::MLIRContext *context,
              Emit emit)
      : mlir::OpConversionPattern<Op>(converter, context), emit(emit) {}

  mlir::LogicalResult
  matchAndRewrite(Op op, Adaptor operands,
                  mlir::ConversionPatternRewriter &rewriter) const override {
    Caller caller(rewriter, op);
    emit(op, operands, caller);
    return mlir::success();
  }

private:
  Emit emit;
};

template <typename Op>
void addCall(mlir::LLVMTypeConverter &converter,
             mlir::RewritePatternSet &patterns,
             typename CallPattern<Op>::Emit emit) {
  patterns.add<CallPattern<Op>>(converter, patterns.getContext(), emit);
}

/// An op that is a call with the unit alone.
template <typename Op, Call slot>
void addPlainCall(mlir::LLVMTypeConverter &converter,
                  mlir::RewritePatternSet &patterns) {
  addCall<Op>(converter, patterns,
              [](Op op, typename Op::Adaptor, Caller &caller) {
                caller.call(slot, mlir::Type(), caller.unit());
                caller.builder.eraseOp(op);
              });
}

} // namespace fovea::gpu
#endif
