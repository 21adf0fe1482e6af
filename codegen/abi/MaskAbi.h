// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Wraps the functions of a solved mask in the C signatures of fovea/abi.h
// (fovea_bounds_fn, fovea_class_fn, fovea_keep_fn), for the host plan code.
#ifndef FOVEA_CODEGEN_ABI_MASKABI_H
#define FOVEA_CODEGEN_ABI_MASKABI_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fovea::cabi {

/// Where an operand of a mask lies in fovea_abi_args.
struct MaskOperandSlot {
  /// Summary: that of the table in view slot `slot`.
  enum Kind { View, Scalar, Summary } kind;
  unsigned slot;
};

/// Adds `name`(args, ...) to `module`: loads the operands of `inner` from
/// their slots and passes the rest on, index as int64_t, the runs memref as a
/// pointer to fovea_abi_run, an i1 result as int32_t. `inner` is any of the
/// functions of a solved mask. Table operands must have strides known at run
/// time only, as a view has; anything else is a diagnostic.
mlir::FailureOr<mlir::func::FuncOp>
wrapMaskFunction(mlir::ModuleOp module, mlir::func::FuncOp inner,
                 llvm::StringRef name, llvm::ArrayRef<MaskOperandSlot> slots);

} // namespace fovea::cabi
#endif // FOVEA_CODEGEN_ABI_MASKABI_H
