// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loading a session's spec once more.
#include "tools/fovea/SpecModule.h"

#include "dialects/RegisterDialects.h"
#include "passes/pipelines/SpecLoader.h"

#include "mlir/IR/MLIRContext.h"

namespace fovea::cli {

SpecModule::SpecModule(const Session &session) {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  context = std::make_unique<mlir::MLIRContext>(
      registry, mlir::MLIRContext::Threading::DISABLED);
  std::vector<std::pair<std::string, std::string>> defines;
  if (!session.fromBundle())
    defines = parseDefines(session.options().defines);
  module =
      loadSpec(*context, session.specText(), session.options().path, defines);
  if (!module)
    throw Failure(ExitRejected, "");
  const char *name = fovea_kernel_name(session.kernel());
  function = module->lookupSymbol<mlir::func::FuncOp>(name);
  if (!function)
    throw Failure(ExitRejected, session.options().path +
                                    ": expected the spec to have kernel '" +
                                    name + "'");
}

SpecModule::~SpecModule() = default;

} // namespace fovea::cli
