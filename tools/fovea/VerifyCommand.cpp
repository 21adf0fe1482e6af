// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea verify`: compile, run, compare with the float64 reference.
#include "tools/fovea/Arguments.h"
#include "tools/fovea/CacheCheck.h"
#include "tools/fovea/Cli.h"
#include "tools/fovea/SpecModule.h"
#include "tools/fovea/Verify.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <thread>

using namespace fovea;
using namespace fovea::cli;

namespace {
struct Options {
  SpecOptions spec;
  CallOptions call;
  int threads = int(std::max(1u, std::thread::hardware_concurrency()));
  bool json = false;
};
} // namespace

/// JSON has no infinities.
static llvm::json::Value number(double value) {
  if (std::isfinite(value))
    return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

static int verifySpec(const Options &options) {
  Progress progress(!options.json);
  progress.show("compiling " + options.spec.path);
  Session session(options.spec, options.threads);
  SpecModule spec(session);
  Arguments arguments(session, options.call, spec.kernel(),
                      parseExtents("b=2,sq=257,rows=[257,1],sk=1031"));
  arguments.poisonResults();
  progress.show("running");
  Call call(session, arguments, options.call);
  call.update();
  call.run();
  progress.show("evaluating the reference in float64");
  std::vector<reference::Cache> after;
  auto verification =
      verify(spec.kernel(), arguments.inputs(), arguments.results(),
             /*stride=*/1, arguments.referenceBatch(), &after, {},
             roundingOf(session.target()));
  if (!verification)
    throw Failure(ExitRejected,
                  "reference: " + llvm::toString(verification.takeError()));
  Verification &v = *verification;
  std::string wrongCache;
  if (!after.empty()) {
    progress.show("comparing the caches");
    wrongCache = checkCaches(session, spec, arguments, after);
    v.ok &= wrongCache.empty();
  }
  progress.show("");
  std::string again = "fovea verify " + options.spec.commandLine();
  if (options.call.shape.empty())
    again += " --shape=" + arguments.shapeText();
  again += options.call.commandLine();

  llvm::raw_ostream &os = llvm::outs();
  if (options.json) {
    llvm::json::Object object{
        {"ok", v.ok},
        {"max_abs_err", number(v.maxAbsError)},
        {"max_rel_err", number(v.maxRelError)},
        {"tolerance", number(v.tolerance)},
        {"kernel", fovea_kernel_name(session.kernel())},
        {"target", session.target()},
        {"shape", arguments.shapeText()},
        {"random", llvm::json::Array(arguments.randomInputs())},
        {"again", again}};
    if (!wrongCache.empty())
      object["wrong_cache"] = wrongCache;
    if (!v.hidden.empty())
      object["hidden"] = v.hidden;
    os << llvm::formatv("{0:2}", llvm::json::Value(std::move(object))) << "\n";
  } else {
    os << "kernel " << fovea_kernel_name(session.kernel()) << " for "
       << session.target() << ", " << arguments.shapeText() << "\n";
    if (v.ok)
      os << llvm::formatv("ok: largest error {0:e2} (allowed {1:e2}), {2:e2} "
                          "of the largest value\n",
                          v.maxAbsError, v.tolerance, v.maxRelError);
    else
      os << "WRONG: " << (wrongCache.empty() ? v.describe() : wrongCache)
         << "\n  again: " << again << "\n";
    if (v.ok && !after.empty())
      os << "ok: after the step the caches hold what the reference's do\n";
    if (!v.hidden.empty())
      os << "remark: pairs are hidden for which the mask or a modifier has no "
            "value: "
         << v.hidden << " [mask_s3]\n";
    if (std::string name = v.ok ? "" : arguments.notFinite(); !name.empty())
      os << "remark: '" << name
         << "' has values that are not finite: where they are hidden nothing "
            "is specified [attention_s11]\n";
    if (!arguments.randomInputs().empty())
      os << "at random (seed " << options.call.seed
         << "): " << CLI::detail::join(arguments.randomInputs(), ", ") << "\n";
  }
  os.flush();
  return v.ok ? ExitOk : ExitCheckFailed;
}

void cli::addVerify(CLI::App &app, int &exitCode) {
  CLI::App *command = app.add_subcommand(
      "verify", "Compile, run, and compare with the float64 reference");
  static Options options;
  options.spec.addTo(*command);
  options.spec.addDeviceTo(*command);
  options.call.addTo(*command, false);
  command->add_option("--threads", options.threads, "Threads that run it")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--json", options.json, "One JSON object on stdout");
  command->footer("Without --shape: b=2,sq=257,sk=1031. Arguments that --in "
                  "and --arg do not give are random. Exit code 1: the result "
                  "is wrong; the worst element, what its row sees and the "
                  "command that repeats it are printed.");
  command->callback([&exitCode] { exitCode = verifySpec(options); });
}
