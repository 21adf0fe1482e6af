// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Diagnostics as values, with positions in the text that the user wrote.
#ifndef FOVEA_CODEGEN_JIT_DIAGNOSTICS_H
#define FOVEA_CODEGEN_JIT_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"

#include <fovea/jit.h>

#include <functional>
#include <mutex>
#include <string>

namespace fovea {

struct Diagnostic {
  fovea_severity severity = FOVEA_SEVERITY_ERROR;
  std::string file;
  int32_t line = 0, column = 0; ///< from 1; 0: unknown
  std::string label;            ///< of docs/spec.md; may be empty
  std::string text;
};

using DiagnosticHandler = std::function<void(const Diagnostic &)>;

/// "file:line:col: error: text [label]".
std::string toString(const Diagnostic &diagnostic);

/// Takes the diagnostics of a context while it lives and hands them on; those
/// without a position are about `file`. Notes follow their diagnostic. Calls
/// of the handler never overlap.
class DiagnosticCollector {
public:
  DiagnosticCollector(mlir::MLIRContext *context, llvm::StringRef file,
                      DiagnosticHandler handler);
  ~DiagnosticCollector();
  DiagnosticCollector(const DiagnosticCollector &) = delete;
  DiagnosticCollector &operator=(const DiagnosticCollector &) = delete;

  bool sawError() const { return errors != 0; }

private:
  void take(mlir::Diagnostic &diagnostic);
  Diagnostic convert(mlir::Diagnostic &diagnostic) const;

  mlir::MLIRContext *context;
  std::string file;
  DiagnosticHandler handler;
  mlir::DiagnosticEngine::HandlerID id;
  std::mutex mutex;
  unsigned errors = 0;
};

} // namespace fovea

#endif // FOVEA_CODEGEN_JIT_DIAGNOSTICS_H
