// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A row of the table with its spec loaded and its arguments made: what the
// tests on compiled rows start from.
#ifndef FOVEA_TEST_E2E_LOADED_H
#define FOVEA_TEST_E2E_LOADED_H

#include "dialects/RegisterDialects.h"
#include "passes/pipelines/SpecLoader.h"
#include "test/e2e/Case.h"

#include <gtest/gtest.h>

namespace fovea::e2e {

/// A case's spec, loaded, with its arguments.
struct Loaded {
  explicit Loaded(const Case &c) {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    module = loadSpec(context, c.spec(), c.name + ".mlir", {});
    if (!module) {
      ADD_FAILURE() << "the spec was rejected:\n" << c.spec();
      return;
    }
    kernel = *module->getOps<mlir::func::FuncOp>().begin();
    auto made = randomArguments(kernel, c.callDims(), c.seed);
    auto madeResults = resultsFor(kernel, c.callDims());
    if (!made || !madeResults) {
      ADD_FAILURE() << llvm::toString(made.takeError())
                    << llvm::toString(madeResults.takeError());
      return;
    }
    arguments = std::move(*made);
    c.adjust(arguments);
    results = std::move(*madeResults);
    good = true;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp kernel;
  std::vector<HostValue> arguments;
  std::vector<HostTensor> results;
  bool good = false;
};

} // namespace fovea::e2e

#endif // FOVEA_TEST_E2E_LOADED_H
