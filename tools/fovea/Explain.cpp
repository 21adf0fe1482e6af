// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea explain`: what a call will do and how long it should take.
#include "tools/fovea/Explain.h"
#include "tools/fovea/Ceilings.h"
#include "tools/fovea/Cli.h"
#include "tools/fovea/SpecModule.h"

using namespace fovea;
using namespace fovea::cli;

namespace {
struct Options {
  SpecOptions spec;
  CallOptions call;
  int threads = 1;
  bool measureToo = false, json = false, check = false;
};
} // namespace

/// --check asks every pair; more of them than this take minutes.
static constexpr int64_t kMostChecked = int64_t(1) << 30;

static void check(const Session &session, const Call &call, const Work &work) {
  if (work.allPairs > kMostChecked)
    throw Failure(ExitUsage, "expected --check of at most " +
                                 std::to_string(kMostChecked) +
                                 " (query head, query, key) triples, got " +
                                 std::to_string(work.allPairs));
  std::string wrong = checkCounts(session, call, work);
  if (!wrong.empty())
    throw Failure(ExitCheckFailed, wrong);
}

static int explain(const Options &options) {
  if (!hostHasAVX2())
    throw Failure(ExitMachine, "expected a CPU with AVX2 and FMA to measure "
                               "ceilings with, got one without");
  Progress progress(!options.json);
  progress.show("compiling " + options.spec.path);
  Session session(options.spec, options.threads);
  SpecModule spec(session);
  Arguments arguments(session, options.call, spec.kernel());
  arguments.poisonResults();
  Call call(session, arguments, options.call);
  // A step's plan follows another: caches and branches are warm then.
  for (int i = 0; i < 8; ++i)
    call.update();
  progress.show("counting");
  Work work = countWork(session, arguments, call);
  if (options.check)
    check(session, call, work);
  progress.show("measuring ceilings");
  for (StreamWork &stream : work.streams)
    timeBounds(session, call, stream);
  Prediction prediction = predict(session, work);
  std::vector<Advice> advice = advise(session, work, prediction);
  Explanation explanation{session, arguments, work, prediction,
                          advice,  {},        {},   options.check};
  if (options.measureToo) {
    call.run();
    insistOnRight(session, arguments, spec.kernel(), progress);
    explanation.measured = measure(session, call, work, 1, progress);
  }
  progress.show("");
  const char *const *remarks = nullptr;
  int count = fovea_kernel_remarks(session.kernel(), &remarks);
  explanation.remarks.assign(remarks, remarks + count);
  (options.json ? printJson : printText)(explanation, llvm::outs());
  llvm::outs().flush();
  return ExitOk;
}

void cli::addExplain(CLI::App &app, int &exitCode) {
  CLI::App *command = app.add_subcommand(
      "explain", "Say what a call will do: tiles, exact FLOPs and bytes, the "
                 "schedule and why, the time that a model predicts, advice");
  static Options options;
  options.spec.addTo(*command);
  options.call.addTo(*command, true);
  command->add_option("--threads", options.threads, "Threads to plan for")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--measure", options.measureToo,
                    "Run it too, and hold the prediction against the time");
  command->add_flag("--check", options.check,
                    "Count every pair one by one too; exit code 1 if bounds, "
                    "class or a count is wrong");
  command->add_flag("--json", options.json, "One JSON object on stdout");
  command->footer("docs/explain.md explains every line.");
  command->callback([&exitCode] { exitCode = explain(options); });
}
