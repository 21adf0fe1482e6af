// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The driver: `fovea compile|run|verify|bench|explain|view|inspect|...`.
#include "tools/fovea/Cli.h"

#include <fovea/runtime.h>

#include <cstdio>

using namespace fovea;

static const char kAbout[] =
    "Fovea compiles attention: a spec says what a kernel attends to and how "
    "its keys and values are stored; Fovea makes tiled CPU kernels of it, "
    "checks them against a float64 reference, times them and packs them into "
    "bundles for libfovea-rt.";

static const char kFooter[] =
    "A first session:\n"
    "  fovea new attend > attend.mlir\n"
    "  fovea verify  attend.mlir --shape=b=1,sq=257,sk=1031\n"
    "  fovea bench   attend.mlir --shape=b=1,sq=4096,sk=4096\n"
    "  fovea explain attend.mlir --shape=b=1,sq=4096,sk=4096\n"
    "  fovea view    attend.mlir --shape=b=1,sq=512,sk=512 -o mask.svg\n"
    "  fovea compare sparse.mlir attend.mlir --shape=b=1,sq=512,sk=512\n"
    "  fovea compile attend.mlir -o attend.fvb\n"
    "\n"
    "Exit codes: 0 ok, 1 a check failed, 2 usage, 3 input rejected, 4 this "
    "machine lacks something.\n"
    "The language: docs/spec.md. `fovea COMMAND --help` explains a command.";

int main(int argc, char **argv) {
  CLI::App app(kAbout, "fovea");
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("fovea ") + fovea_version());
  app.require_subcommand(1);
  int exitCode = cli::ExitOk;
  cli::addNew(app, exitCode);
  cli::addCompile(app, exitCode);
  cli::addVerify(app, exitCode);
  cli::addRun(app, exitCode);
  cli::addBench(app, exitCode);
  cli::addExplain(app, exitCode);
  cli::addView(app, exitCode);
  cli::addCompare(app, exitCode);
  cli::addTune(app, exitCode);
  cli::addInspect(app, exitCode);
  cli::addTargets(app, exitCode);
  try {
    app.parse(argc, argv);
  } catch (const cli::Failure &failure) {
    if (*failure.what())
      std::fprintf(stderr, "fovea: %s\n", failure.what());
    return failure.code;
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? cli::ExitOk : cli::ExitUsage;
  }
  return exitCode;
}
