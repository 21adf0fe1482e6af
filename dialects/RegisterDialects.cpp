// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The list of dialects: one line each.
#include "dialects/RegisterDialects.h"

#include "dialects/attn/AttnDialect.h"
#include "dialects/hw/Hw.h"
#include "dialects/kv/KVDialect.h"
#include "dialects/sel/SelDialect.h"
#include "dialects/tile/Tile.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectRegistry.h"

void fovea::registerDialects(mlir::DialectRegistry &registry) {
  registry.insert<attn::AttnDialect, kv::KVDialect, sel::SelDialect,
                  tile::TileDialect, hw::HwDialect>();
  registry.insert<mlir::arith::ArithDialect, mlir::func::FuncDialect,
                  mlir::LLVM::LLVMDialect, mlir::math::MathDialect,
                  mlir::memref::MemRefDialect, mlir::scf::SCFDialect,
                  mlir::tensor::TensorDialect>();
}
