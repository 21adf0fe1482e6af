// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// MLIR's diagnostics -> ours.
#include "codegen/jit/Diagnostics.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"

using namespace mlir;

namespace fovea {

std::string toString(const Diagnostic &d) {
  std::string result = d.file.empty() ? std::string() : d.file + ":";
  if (d.line)
    result += std::to_string(d.line) + ":" + std::to_string(d.column) + ":";
  if (!result.empty())
    result += " ";
  static const char *const names[] = {"remark", "note", "warning", "error"};
  result += std::string(names[d.severity]) + ": " + d.text;
  if (!d.label.empty())
    result += " [" + d.label + "]";
  return result;
}

static fovea_severity severityOf(DiagnosticSeverity severity) {
  switch (severity) {
  case DiagnosticSeverity::Note:
    return FOVEA_SEVERITY_NOTE;
  case DiagnosticSeverity::Warning:
    return FOVEA_SEVERITY_WARNING;
  case DiagnosticSeverity::Error:
    return FOVEA_SEVERITY_ERROR;
  case DiagnosticSeverity::Remark:
    return FOVEA_SEVERITY_REMARK;
  }
  llvm_unreachable("covered switch");
}

/// The first position in a file that `loc` leads to.
static FileLineColLoc findPosition(Location loc) {
  FileLineColLoc found;
  loc->walk([&](Location inner) {
    if (auto file = dyn_cast<FileLineColLoc>(inner)) {
      found = file;
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return found;
}

/// Splits "text [label]" where the label looks like one of docs/spec.md:
/// lower-case words and digits joined by '_'.
static void splitLabel(Diagnostic &d) {
  llvm::StringRef text = d.text;
  size_t open = text.rfind(" [");
  if (!text.ends_with("]") || open == llvm::StringRef::npos)
    return;
  llvm::StringRef label = text.slice(open + 2, text.size() - 1);
  bool plausible =
      label.contains('_') && llvm::all_of(label, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
      });
  if (!plausible)
    return;
  d.label = label.str();
  d.text.resize(open);
}

DiagnosticCollector::DiagnosticCollector(MLIRContext *context,
                                         llvm::StringRef file,
                                         DiagnosticHandler handler)
    : context(context), file(file), handler(std::move(handler)) {
  id = context->getDiagEngine().registerHandler(
      [this](mlir::Diagnostic &diagnostic) { take(diagnostic); });
}

DiagnosticCollector::~DiagnosticCollector() {
  context->getDiagEngine().eraseHandler(id);
}

Diagnostic DiagnosticCollector::convert(mlir::Diagnostic &diagnostic) const {
  Diagnostic result;
  result.severity = severityOf(diagnostic.getSeverity());
  result.text = diagnostic.str();
  result.file = file;
  if (FileLineColLoc loc = findPosition(diagnostic.getLocation())) {
    result.file = loc.getFilename().str();
    result.line = int32_t(loc.getLine());
    result.column = int32_t(loc.getColumn());
  }
  splitLabel(result);
  return result;
}

void DiagnosticCollector::take(mlir::Diagnostic &diagnostic) {
  std::lock_guard<std::mutex> lock(mutex);
  if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
    ++errors;
  if (!handler)
    return;
  handler(convert(diagnostic));
  for (mlir::Diagnostic &note : diagnostic.getNotes())
    handler(convert(note));
}

} // namespace fovea
