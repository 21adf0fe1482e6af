// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What every back end asks of MLIR's conversions and of LLVM, the same for all
// of them. What differs, passes and attributes, is the back end's.
#ifndef FOVEA_CODEGEN_TARGET_LLVM_H
#define FOVEA_CODEGEN_TARGET_LLVM_H

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>
#include <optional>

namespace llvm {
class Module;
class TargetLibraryInfoImpl;
} // namespace llvm

namespace fovea {

/// arith, cf, func and scf to the llvm dialect.
void populateScalarToLLVM(mlir::LLVMTypeConverter &converter,
                          mlir::RewritePatternSet &patterns);

/// These, math, memref and vector: what stages and the functions of masks are
/// made of.
void populateStageToLLVM(mlir::LLVMTypeConverter &converter,
                         mlir::RewritePatternSet &patterns);

/// Replaces transcendental functions by polynomials: there is no libm to
/// call. Runs only where one is left; the hot loops bring their own exp2.
mlir::LogicalResult expandMath(mlir::ModuleOp module);

/// Mask functions take tables as memrefs, which their C wrappers make from
/// views with a cast each; the conversion leaves pairs of casts that cancel.
mlir::LogicalResult cancelCasts(mlir::ModuleOp module);

/// The code generator for a processor, in LLVM's spelling. Its target has been
/// initialised. Contraction is decided where code is built, never there.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>> createMachine(
    llvm::StringRef triple, llvm::StringRef cpu, llvm::StringRef features,
    std::optional<llvm::Reloc::Model> relocation,
    std::optional<llvm::CodeModel::Model> model, llvm::CodeGenOptLevel level);

/// Runs a pipeline in the words of `opt -passes`. `library`, if there is one,
/// says which functions of libraries may be known.
llvm::Error runPasses(llvm::Module &module, llvm::TargetMachine &machine,
                      llvm::StringRef pipeline,
                      const llvm::TargetLibraryInfoImpl *library = nullptr);

} // namespace fovea

#endif // FOVEA_CODEGEN_TARGET_LLVM_H
