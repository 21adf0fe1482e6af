// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea compile`: a spec to a bundle, or to the text of a phase.
#include "tools/fovea/Cli.h"
#include "tools/fovea/Session.h"

#include "codegen/jit/Compiler.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <map>

using namespace fovea;
using namespace fovea::cli;

namespace {
struct Options {
  std::string path, output, targets = "host", dumpPhases;
  std::vector<std::string> defines;
  EmitKind emit = EmitKind::Bundle;
  TuningOption tuning;
};
} // namespace

static const std::map<std::string, EmitKind> kKinds = {
    {"planned", EmitKind::Planned}, {"tile", EmitKind::Tile},
    {"llvm", EmitKind::LLVM},       {"asm", EmitKind::Assembly},
    {"bundle", EmitKind::Bundle},
};

static int compile(Options &options) {
  parseDefines(options.defines); // refuses malformed ones as usage
  if (options.emit == EmitKind::Bundle && options.output.empty())
    throw Failure(ExitUsage, "expected -o FILE for a bundle");
  std::string text = readFile(options.path);
  if (isBundle(text))
    throw Failure(ExitRejected,
                  options.path + ": expected a spec, got a bundle");
  CompileOptions compileOptions;
  auto targets = resolveTargets(options.targets);
  if (!targets) {
    std::string why = llvm::toString(targets.takeError());
    // A machine without any target's features, or a word that is none.
    throw Failure(why.find("unknown target") == 0 ? ExitUsage : ExitMachine,
                  why);
  }
  compileOptions.targets = *targets;
  compileOptions.defines = options.defines;
  compileOptions.emit = options.emit;
  compileOptions.dumpPhases = options.dumpPhases;
  if (!options.dumpPhases.empty())
    if (std::error_code error =
            llvm::sys::fs::create_directories(options.dumpPhases))
      throw Failure(ExitMachine, options.dumpPhases + ": " + error.message());
  compileOptions.tuning = options.tuning.read();
  compileOptions.tuningName = options.tuning.path;
  DiagnosticTexts texts{text, options.tuning.path, compileOptions.tuning};
  CompileResult result =
      compileSpec(text, options.path, compileOptions, [&](const Diagnostic &d) {
        fovea_diag diag{};
        diag.size = sizeof(diag);
        diag.severity = d.severity;
        diag.file = d.file.c_str();
        diag.line = d.line;
        diag.col = d.column;
        diag.label = d.label.c_str();
        diag.text = d.text.c_str();
        texts.print(diag);
      });
  if (result.status != CompileStatus::Ok)
    return ExitRejected;
  if (options.output.empty() || options.output == "-") {
    llvm::outs() << result.output;
    llvm::outs().flush();
  } else {
    writeFile(options.output, result.output);
  }
  return ExitOk;
}

void cli::addCompile(CLI::App &app, int &exitCode) {
  CLI::App *command = app.add_subcommand(
      "compile", "Compile a spec to a bundle for libfovea-rt");
  static Options options;
  command->add_option("SPEC", options.path, "A spec")->required();
  command->add_option("-o,--output", options.output,
                      "Where the output goes; needed for a bundle, else "
                      "standard output");
  command->add_option("--target", options.targets,
                      "Names that `fovea targets` lists, separated by commas; "
                      "a bundle holds code for all of them");
  command
      ->add_option("--emit", options.emit,
                   "Where to stop: planned, tile, llvm, asm or bundle")
      ->transform(CLI::CheckedTransformer(kKinds))
      ->option_text("KIND");
  command->add_option("--dump-phases", options.dumpPhases,
                      "A folder for the IR after each phase");
  command->add_option("-D,--define", options.defines,
                      "NAME=VALUE: the value of a parameter ${NAME}");
  options.tuning.addTo(*command);
  command->footer("Example: fovea compile spec.mlir -o spec.fvb "
                  "--target=x86-64-v3,x86-64-v4 -D H=32");
  command->callback([&exitCode] { exitCode = compile(options); });
}
