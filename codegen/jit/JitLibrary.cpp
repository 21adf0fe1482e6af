// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What libfovea-jit.so exports: the compiler behind fovea_jit_compile of the
// runtime, which loads this library when its cache has no entry.
#include "codegen/jit/Compiler.h"

#include <fovea/jit.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace fovea;

static void setMessage(fovea_jit_result *result, llvm::StringRef text) {
  size_t n = std::min(text.size(), sizeof(result->message) - 1);
  std::memcpy(result->message, text.data(), n);
  result->message[n] = '\0';
}

static void releaseResult(fovea_jit_result *result) {
  std::free(result->bytes);
  result->bytes = nullptr;
  result->n_bytes = 0;
}

static fovea_status statusOf(CompileStatus status) {
  switch (status) {
  case CompileStatus::Ok:
    return FOVEA_OK;
  case CompileStatus::Rejected:
    return FOVEA_INVALID;
  case CompileStatus::Cancelled:
    return FOVEA_CANCELLED;
  case CompileStatus::Failed:
    break;
  }
  return FOVEA_UNSUPPORTED;
}

extern "C" uint32_t fovea_jit_interface(void) { return FOVEA_JIT_INTERFACE; }

extern "C" fovea_status fovea_jit_build(const fovea_jit_request *request,
                                        fovea_jit_result *result) {
  if (!request || !result || request->size < sizeof(*request) ||
      result->size < sizeof(*result) || !request->text || !request->targets)
    return FOVEA_INVALID;
  result->bytes = nullptr;
  result->n_bytes = 0;
  result->release = releaseResult;
  result->message[0] = '\0';
  CompileOptions options;
  auto targets = resolveTargets(request->targets);
  if (!targets) {
    setMessage(result, llvm::toString(targets.takeError()));
    return FOVEA_UNSUPPORTED;
  }
  options.targets = *targets;
  for (int32_t i = 0; i < request->n_defines; ++i)
    options.defines.push_back(request->defines[i]);
  if (request->tuning)
    options.tuning = request->tuning;
  if (request->tuning_name)
    options.tuningName = request->tuning_name;
  options.key = request->key;
  options.compilerId = request->compiler_id;
  options.cancel = request->cancel;

  std::string first;
  CompileResult compiled = compileSpec(
      llvm::StringRef(request->text, request->len),
      request->name ? request->name : "spec", options,
      [&](const Diagnostic &diagnostic) {
        if (diagnostic.severity == FOVEA_SEVERITY_ERROR && first.empty())
          first = toString(diagnostic);
        if (!request->diag)
          return;
        fovea_diag out{};
        out.size = sizeof(out);
        out.severity = diagnostic.severity;
        out.file = diagnostic.file.c_str();
        out.line = out.end_line = diagnostic.line;
        out.col = out.end_col = diagnostic.column;
        out.label = diagnostic.label.c_str();
        out.text = diagnostic.text.c_str();
        request->diag(request->user, &out);
      });
  if (compiled.status != CompileStatus::Ok) {
    if (first.empty())
      first = compiled.status == CompileStatus::Cancelled
                  ? "the compilation was cancelled"
                  : "the compiler failed without a diagnostic";
    setMessage(result, first);
    return statusOf(compiled.status);
  }
  result->bytes = std::malloc(compiled.output.size());
  if (!result->bytes) {
    setMessage(result, "expected memory for the bundle, got none");
    return FOVEA_NO_MEMORY;
  }
  std::memcpy(result->bytes, compiled.output.data(), compiled.output.size());
  result->n_bytes = compiled.output.size();
  return FOVEA_OK;
}
