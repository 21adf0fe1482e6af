// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// fovea-lsp-server: tells an editor what it can know about a spec - names,
// types, diagnostics, documentation. Speaks the Language Server Protocol.
#include "dialects/RegisterDialects.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  fovea::registerDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
