// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuzzes the reader of specs: parameters, parser, verifiers, and what the
// loader checks itself. A refusal has a reason, an accepted spec prints as IR
// that is accepted again.
#include "dialects/RegisterDialects.h"
#include "passes/pipelines/SpecLoader.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <cstdlib>
#include <memory>

using namespace mlir;

/// A context keeps every type and attribute that it has seen: renew it.
static MLIRContext &freshContext() {
  static std::unique_ptr<MLIRContext> context;
  static unsigned uses = 0;
  if (!context || ++uses % 2000 == 0) {
    DialectRegistry registry;
    fovea::registerDialects(registry);
    context = std::make_unique<MLIRContext>(registry,
                                            MLIRContext::Threading::DISABLED);
  }
  return *context;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // A parser that descends recursively is only promised for sane depths.
  if (size > 4096)
    return -1;
  llvm::StringRef text(reinterpret_cast<const char *>(data), size);
  MLIRContext &context = freshContext();
  unsigned errors = 0;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    errors += diagnostic.getSeverity() == DiagnosticSeverity::Error;
#ifdef FOVEA_PLANTED_FAULT
    if (diagnostic.str().find("unknown clause") != std::string::npos)
      std::abort();
#endif
    return success();
  });
  OwningOpRef<ModuleOp> module =
      fovea::loadSpec(context, text, "fuzz.mlir", {{"H", "4"}});
  if (!module) {
    if (!errors)
      std::abort();
    return 0;
  }
  if (failed(verify(*module)))
    std::abort();
  std::string printed;
  llvm::raw_string_ostream os(printed);
  module->print(os);
  if (!parseSourceString<ModuleOp>(os.str(), &context))
    std::abort();
  return 0;
}
