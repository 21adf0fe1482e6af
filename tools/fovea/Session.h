// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What every command that runs a kernel begins with: the spec or bundle, its
// compilation through the cache, an open kernel of the runtime.
#ifndef FOVEA_TOOLS_FOVEA_SESSION_H
#define FOVEA_TOOLS_FOVEA_SESSION_H

#include "tools/fovea/Cli.h"

#include <fovea/inspect.h>
#include <fovea/jit.h>
#include <fovea/runtime.h>

#include <optional>
#include <string>
#include <vector>

namespace fovea::cli {

/// The option --tuning and the table that it names.
struct TuningOption {
  std::string path; ///< "": the built-in schedules
  bool given = false;
  /// Instead of what a file called `path` holds.
  std::optional<std::string> text;

  void addTo(CLI::App &command);
  /// The table's text: of the option, else of FOVEA_TUNING, else "".
  std::string read();
};

/// The options that say what to compile and for what.
struct SpecOptions {
  std::string path, kernel;
  std::vector<std::string> defines; ///< "H=32"
  std::string target = "host";
  std::string device = "cpu"; ///< "cpu", "cuda", "cuda:1"
  std::string cacheDir;
  bool cacheDirGiven = false;
  TuningOption tuning;

  /// Adds SPEC and the others to a command.
  void addTo(CLI::App &command);
  /// Adds all but SPEC and --tuning.
  void addChoicesTo(CLI::App &command);
  /// Adds --device, for commands that run a kernel.
  void addDeviceTo(CLI::App &command);
  /// "spec.mlir --kernel=.. -D ..": what repeats the choice on a command line.
  std::string commandLine() const;
};

/// -D words as the spec loader takes them; a Failure of usage for others.
std::vector<std::pair<std::string, std::string>>
parseDefines(const std::vector<std::string> &defines);

/// A failed call of the C interface as an exit code and its message.
Failure runtimeFailure(fovea_status status, const std::string &what);

/// Prints "file:line:col: error: text" with the line of `text` it is about.
void printDiagnostic(const fovea_diag &diagnostic, const std::string &text);

/// The same, where a diagnostic is about the spec or about a tuning table.
struct DiagnosticTexts {
  const std::string &spec, &tuningName, &tuning;
  void print(const fovea_diag &diagnostic) const {
    bool table = diagnostic.file && tuningName == diagnostic.file;
    printDiagnostic(diagnostic, table ? tuning : spec);
  }
};

class Session {
public:
  /// Compiles (or loads) and opens. Diagnostics go to standard error.
  Session(const SpecOptions &options, int threads);
  ~Session();
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;

  fovea_kernel *kernel() const { return theKernel; }
  fovea_bundle *bundle() const { return theBundle; }
  fovea_ctx *context() const { return ctx; }
  /// Where the kernel runs, and on which stream.
  fovea_device device() const { return theDevice; }
  bool onGpu() const { return theDevice.kind == kDLCUDA; }
  fovea_stream stream() const { return theStream; }
  const std::vector<fovea_arg_info> &args() const { return infos; }
  /// A kernel of another spec, for this CPU, from the same cache; to be
  /// released before the session ends.
  fovea_kernel *compileText(const std::string &name, const std::string &text);
  /// Names of all dims that arguments have, in order of appearance.
  std::vector<std::string> dims() const;
  /// The spec's text (of a bundle: what it was made from, substituted).
  const std::string &specText() const { return text; }
  bool fromBundle() const { return isBundleFile; }
  const SpecOptions &options() const { return spec; }
  int threads() const { return nThreads; }
  /// Milliseconds in the compiler; 0 for a bundle or a hit of the cache.
  double compileMs() const { return info.compile_ms; }
  bool cacheHit() const { return info.cache_hit != 0; }
  /// "x86-64-v4": what runs.
  std::string target() const;

private:
  void open();
  void openDevice();
  fovea_bundle *compile(const std::string &name, const std::string &text,
                        const std::vector<std::string> &defines);
  void close();

  SpecOptions spec;
  int nThreads;
  std::string text, tuningText;
  bool isBundleFile = false;
  fovea_jit_info info{};
  fovea_ctx *ctx = nullptr;
  fovea_device theDevice = FOVEA_CPU;
  fovea_stream theStream = nullptr;
  fovea_bundle *theBundle = nullptr;
  fovea_kernel *theKernel = nullptr;
  std::vector<fovea_arg_info> infos;
};

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_SESSION_H
