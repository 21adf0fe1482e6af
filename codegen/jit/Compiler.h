// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Spec text in, bundle (or the text of a phase) out: the one entry that
// libfovea-jit and the driver share.
#ifndef FOVEA_CODEGEN_JIT_COMPILER_H
#define FOVEA_CODEGEN_JIT_COMPILER_H

#include "codegen/jit/Diagnostics.h"
#include "codegen/target/Target.h"

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fovea {

/// Where the compiler stops, and so what its output is.
enum class EmitKind {
  Planned,  ///< IR after masks are solved and storage is resolved
  Tile,     ///< IR: one tile.program per kernel
  LLVM,     ///< LLVM IR of every stage variant
  Assembly, ///< assembly of every stage variant
  Bundle    ///< the file
};

struct CompileOptions {
  std::vector<const TargetInfo *> targets;
  std::vector<std::string> defines; ///< "H=32"
  EmitKind emit = EmitKind::Bundle;
  /// The text of a tuning table, and its name in diagnostics; no text: the
  /// built-in schedules.
  std::string tuning, tuningName = "tuning table";
  /// A folder that gets the IR after each phase; empty: none.
  std::string dumpPhases;
  /// Written to the bundle's header.
  uint64_t key = 0, compilerId = 0;
  /// Threads that compile stage variants.
  unsigned threads = 2;
  /// Polled between phases and variants; nonzero stops. May be null.
  const volatile int *cancel = nullptr;
};

enum class CompileStatus {
  Ok,
  Rejected,  ///< the spec is wrong, or a target cannot do it: diagnostics
  Cancelled, ///< the flag was set
  Failed     ///< the compiler itself failed: diagnostics say how
};

/// Seconds spent, for benchmarks.
struct CompileTimes {
  double context = 0, parse = 0, passes = 0, emit = 0, machine = 0, write = 0;
};

struct CompileResult {
  CompileStatus status = CompileStatus::Failed;
  std::string output; ///< the bundle, or text
  CompileTimes times;
};

/// Compiles `text`, called `name` in diagnostics. Thread-safe: every call has
/// a context of its own.
CompileResult compileSpec(llvm::StringRef text, llvm::StringRef name,
                          const CompileOptions &options,
                          const DiagnosticHandler &diagnose);

} // namespace fovea

#endif // FOVEA_CODEGEN_JIT_COMPILER_H
