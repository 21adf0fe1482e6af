// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What stands in for an op that a GPU kernel cannot have: see ConvertKernels.h.
#include "codegen/target/ConvertKernels.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace fovea {

static StringRef standIn(Operation *op) {
  return llvm::StringSwitch<StringRef>(op->getName().getDialectNamespace())
      .Case("math", "hw.exp2, hw.log2, hw.rcp, hw.tanh or a polynomial")
      .Case("memref", "llvm.getelementptr with hw.load and hw.store")
      .Case("vector", "scalars, and the vectors of hw.load and hw.store")
      .Default("ops of hw, arith, scf, cf, func and llvm");
}

LogicalResult convertKernels(ModuleOp module, ConversionTarget &target,
                             RewritePatternSet &&patterns) {
  // Partial, so that what is left can be named; it is full if nothing is.
  if (failed(applyPartialConversion(module, target, std::move(patterns))))
    return failure();
  bool left = false;
  module.walk([&](Operation *op) {
    if (target.isLegal(op))
      return;
    op->emitError() << "expected ops that a GPU kernel can have, got '"
                    << op->getName() << "': use " << standIn(op);
    left = true;
  });
  return failure(left);
}

} // namespace fovea
