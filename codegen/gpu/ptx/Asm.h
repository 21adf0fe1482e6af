// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Inline PTX: for instructions that LLVM has no intrinsic for, or none that
// keeps its meaning.
#ifndef FOVEA_CODEGEN_GPU_PTX_ASM_H
#define FOVEA_CODEGEN_GPU_PTX_ASM_H

#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace fovea::gpu {

/// What a piece of inline PTX may do besides computing its results.
enum class Effects {
  None,   ///< A function of its operands.
  Warp,   ///< All lanes meet in it: it is neither moved nor copied.
  Memory, ///< It reads or writes memory, or orders what does, as well.
};

/// Inline PTX. $0.. are the results, then the tied operands' (none), then the
/// operands; a tied operand i comes in the register of result i. Shared
/// addresses arrive as 32-bit registers.
llvm::SmallVector<mlir::Value>
emitAsm(mlir::OpBuilder &b, mlir::Location loc, mlir::TypeRange results,
        const llvm::Twine &text, mlir::ValueRange operands, Effects effects,
        mlir::ValueRange tied = {});

/// A call of an intrinsic of LLVM with one result.
mlir::Value emitIntrinsic(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Type result, llvm::StringRef name,
                          mlir::ValueRange operands);

/// The elements of a struct value.
llvm::SmallVector<mlir::Value>
unpackStruct(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value);

/// "{$first, .., $(first + count - 1)}".
std::string registerList(unsigned first, unsigned count);

void populateThreadPatterns(const mlir::LLVMTypeConverter &converter,
                            mlir::RewritePatternSet &patterns);
void populateMemoryPatterns(const mlir::LLVMTypeConverter &converter,
                            mlir::RewritePatternSet &patterns);
void populateAsyncPatterns(const mlir::LLVMTypeConverter &converter,
                           mlir::RewritePatternSet &patterns);
void populateMatrixPatterns(const mlir::LLVMTypeConverter &converter,
                            mlir::RewritePatternSet &patterns);
void populateMathPatterns(const mlir::LLVMTypeConverter &converter,
                          mlir::RewritePatternSet &patterns);

/// A pattern that replaces an op by what a function emits.
template <typename Op>
class EmitPattern : public mlir::ConvertOpToLLVMPattern<Op> {
public:
  using Adaptor = typename Op::Adaptor;
  using Emit = llvm::SmallVector<mlir::Value> (*)(mlir::OpBuilder &, Op,
                                                  Adaptor);
  EmitPattern(const mlir::LLVMTypeConverter &converter, Emit emit)
      : mlir::ConvertOpToLLVMPattern<Op>(converter), emit(emit) {}

  mlir::LogicalResult
  matchAndRewrite(Op op, Adaptor operands,
                  mlir::ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, emit(rewriter, op, operands));
    return mlir::success();
  }

private:
  Emit emit;
};

/// Adds an EmitPattern.
template <typename Op>
void addEmit(const mlir::LLVMTypeConverter &converter,
             mlir::RewritePatternSet &patterns,
             typename EmitPattern<Op>::Emit emit) {
  patterns.add(std::make_unique<EmitPattern<Op>>(converter, emit));
}

} // namespace fovea::gpu

#endif // FOVEA_CODEGEN_GPU_PTX_ASM_H
