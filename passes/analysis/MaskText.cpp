// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/analysis/MaskText.h"

#include "mlir/Parser/Parser.h"

using namespace mlir;

namespace fovea {

func::FuncOp addFunctionText(ModuleOp module, StringRef text) {
  Block parsed;
  ParserConfig config(module.getContext(), /*verifyAfterParse=*/false);
  LogicalResult ok = parseSourceString(text, &parsed, config);
  (void)ok; // ours, and the same for every mask but for names and types
  assert(succeeded(ok) && "test/unit/passes/analysis parses every text");
  auto func = cast<func::FuncOp>(parsed.front());
  func->remove();
  module.push_back(func);
  return func;
}

} // namespace fovea
