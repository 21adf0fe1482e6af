// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits loads of the ABI structs from !llvm.ptr values, for the CPU emitters
// and the host plan code.
#ifndef FOVEA_CODEGEN_ABI_ABIEMIT_H
#define FOVEA_CODEGEN_ABI_ABIEMIT_H

#include "codegen/abi/AbiLayout.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallVector.h"

namespace fovea::cabi {

/// `base + bytes`, both known or not.
mlir::Value ptrAdd(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base,
                   int64_t bytes);
/// `base + index * bytes`; `index` is i32, i64 or index.
mlir::Value ptrAt(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base,
                  mlir::Value index, int64_t bytes);

/// Loads a field: i32, i64, f64 or !llvm.ptr. What args and plan point to does
/// not change while a stage runs, so the loads are marked invariant.
mlir::Value loadField(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base,
                      Field field);
/// The same, with an integer sign-extended to `index`.
mlir::Value loadIndexField(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::Value base, Field field);

/// A view slot with everything loaded: data is !llvm.ptr, the rest is `index`.
struct ViewValues {
  mlir::Value data;
  llvm::SmallVector<mlir::Value, 4> shape, stride;
};
/// Address of view slot `slot` of a fovea_abi_args pointer.
mlir::Value viewAddress(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::Value args, unsigned slot);
ViewValues loadView(mlir::OpBuilder &b, mlir::Location loc, mlir::Value args,
                    unsigned slot, unsigned rank);

/// A scalar argument as `type`: index, an integer, f32 or f64.
mlir::Value loadScalar(mlir::OpBuilder &b, mlir::Location loc, mlir::Value args,
                       unsigned slot, mlir::Type type);

/// The value of symbol `symbol` of the kernel, as `index`.
mlir::Value loadSymbol(mlir::OpBuilder &b, mlir::Location loc, mlir::Value plan,
                       unsigned symbol);
/// Token index of query 0 and number of keys of batch `batch`, as `index`.
mlir::Value loadQueryOffset(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::Value plan, mlir::Value batch);
mlir::Value loadKeyLength(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value plan, mlir::Value batch);

/// The fields of one item, all `index`.
struct ItemValues {
  mlir::Value b, head, row, slot, k0, k1, count;
};
/// Item number `index` of the plan.
ItemValues loadItem(mlir::OpBuilder &b, mlir::Location loc, mlir::Value plan,
                    mlir::Value index);

/// scratch->field += amount (index or i64).
void addCounter(mlir::OpBuilder &b, mlir::Location loc, mlir::Value scratch,
                Field field, mlir::Value amount);

/// The function type of fovea_stage_fn in the LLVM dialect.
mlir::Type stageFunctionType(mlir::MLIRContext *context);

} // namespace fovea::cabi

#endif // FOVEA_CODEGEN_ABI_ABIEMIT_H
