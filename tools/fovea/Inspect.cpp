// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea inspect`: what is in a bundle.
#include "tools/fovea/Cli.h"

#include "codegen/bundle/BundleWriter.h"

using namespace fovea;
using namespace fovea::cli;

static void inspect(const std::string &path, bool spec) {
  std::string bytes = readFile(path);
  auto manifest = readBundle(bytes);
  if (!manifest)
    throw Failure(ExitRejected,
                  path + ": " + llvm::toString(manifest.takeError()));
  if (spec)
    llvm::outs() << manifest->spec;
  else
    printBundle(*manifest, bytes, llvm::outs());
  llvm::outs().flush();
}

void cli::addInspect(CLI::App &app, int &) {
  CLI::App *command = app.add_subcommand(
      "inspect", "Print what is in a bundle: kernels, arguments and their "
                 "dims, stages, variants, targets, sizes, remarks");
  static std::string path;
  static bool spec = false;
  command->add_option("BUNDLE", path, "A file that `fovea compile` wrote")
      ->required();
  command->add_flag("--spec", spec,
                    "Print only the spec that the bundle was made from");
  command->callback([] { inspect(path, spec); });
}
