// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The spec of a session as IR, for the reference interpreter and for random
// arguments that make sense.
#ifndef FOVEA_TOOLS_FOVEA_SPECMODULE_H
#define FOVEA_TOOLS_FOVEA_SPECMODULE_H

#include "tools/fovea/Session.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>

namespace fovea::cli {

class SpecModule {
public:
  /// Loads the text that the session's kernel was compiled from.
  explicit SpecModule(const Session &session);
  ~SpecModule();

  mlir::func::FuncOp kernel() const { return function; }

private:
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
};

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_SPECMODULE_H
