// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea tune`: measures candidate schedules and writes a tuning table.
#include "tools/fovea/Ceilings.h"
#include "tools/fovea/Cli.h"
#include "tools/fovea/Tuner.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace fovea;
using namespace fovea::cli;

namespace {
struct Options {
  std::vector<std::string> paths;
  SpecOptions spec;
  CallOptions call;
  std::string output;
  int threads = 1;
  double seconds = 0.2;
  bool json = false;
};
} // namespace

/// Specs as given, and those in folders by name.
static std::vector<std::string> specsOf(const std::vector<std::string> &paths) {
  std::vector<std::string> specs;
  for (const std::string &path : paths) {
    if (!llvm::sys::fs::is_directory(path)) {
      specs.push_back(path);
      continue;
    }
    std::error_code error;
    std::vector<std::string> inside;
    for (llvm::sys::fs::directory_iterator it(path, error), end;
         it != end && !error; it.increment(error))
      if (llvm::StringRef(it->path()).ends_with(".mlir"))
        inside.push_back(it->path());
    if (error)
      throw Failure(ExitRejected, path + ": " + error.message());
    if (inside.empty())
      throw Failure(ExitRejected,
                    path + ": expected a folder with specs (*.mlir), got none");
    std::sort(inside.begin(), inside.end());
    specs.insert(specs.end(), inside.begin(), inside.end());
  }
  return specs;
}

/// The table that is merged into: what the file holds, or an empty one.
static TuningTable startFrom(const std::string &path) {
  TuningTable table;
  table.cpu = processorName();
  if (!llvm::sys::fs::exists(path))
    return table;
  TuningFault fault;
  std::optional<TuningTable> old = parseTuningTable(readFile(path), fault);
  auto place = [&](int line, int column) {
    return path + ":" + std::to_string(line) + ":" + std::to_string(column) +
           ": error: ";
  };
  if (!old)
    throw Failure(ExitRejected, place(fault.line, fault.column) + fault.text);
  if (old->cpu != table.cpu)
    throw Failure(ExitRejected, place(old->cpuLine, 1) +
                                    "expected a table that was measured on '" +
                                    table.cpu + "' to merge into, got '" +
                                    old->cpu + "'");
  return *old;
}

static std::string verdict(const TuningResult &r) {
  if (r.kept)
    return llvm::formatv("kept the default {0}: the best candidate gains "
                         "{1:f1} % of its time, and {2:f1} % is noise",
                         scheduleText(r.standard), 100 * r.gain,
                         100 * r.threshold)
        .str();
  return llvm::formatv("chose {0}: {1:f1} % less time than the default",
                       scheduleText(r.best), 100 * r.gain)
      .str();
}

static void printText(const TuningResult &r, llvm::raw_ostream &os) {
  os << r.standard.key() << "\n";
  os << llvm::formatv("  {0,-9}{1,-44}{2,9:f3} ms, and {3:f1} % between two "
                      "copies\n",
                      "default", scheduleText(r.standard), r.standardMs,
                      100 * r.noise);
  for (const Trial &trial : r.trials)
    os << llvm::formatv("  {0,-9}{1,-44}{2,9:f3} ms  {3:f2} of the default\n",
                        toString(trial.axis), scheduleText(trial.entry),
                        trial.ms, trial.ratio);
  os << "  " << verdict(r) << "\n";
  os.flush();
}

static llvm::json::Object toJson(const TuningResult &r) {
  llvm::json::Array trials;
  for (const Trial &trial : r.trials)
    trials.push_back(llvm::json::Object{{"axis", toString(trial.axis)},
                                        {"schedule", scheduleText(trial.entry)},
                                        {"ms", trial.ms},
                                        {"over_default", trial.ratio}});
  return llvm::json::Object{{"key", r.standard.key()},
                            {"default", scheduleText(r.standard)},
                            {"default_ms", r.standardMs},
                            {"noise", r.noise},
                            {"threshold", r.threshold},
                            {"best", scheduleText(r.best)},
                            {"gain", r.gain},
                            {"kept_default", r.kept},
                            {"trials", std::move(trials)}};
}

static int tune(const Options &options) {
  if (!hostHasAVX2())
    throw Failure(ExitMachine, "expected a CPU with AVX2 and FMA to measure "
                               "schedules on, got one without");
  Progress progress(!options.json);
  insistOnRoomFor(options.output);
  TuningTable table = startFrom(options.output);
  llvm::json::Array results;
  for (const std::string &path : specsOf(options.paths)) {
    SpecOptions spec = options.spec;
    spec.path = path;
    if (isBundle(readFile(path)))
      throw Failure(ExitRejected,
                    path + ": expected a spec, got a bundle: its schedules "
                           "were chosen when it was compiled");
    Tuner tuner(spec, options.call, options.threads, options.seconds, progress);
    std::string what =
        llvm::formatv("{0}, {1}, {2} thread{3}",
                      fovea_kernel_name(tuner.session().kernel()),
                      tuner.arguments().shapeText(), options.threads,
                      options.threads > 1 ? "s" : "")
            .str();
    if (!options.json)
      llvm::outs() << "kernel " << what << "\n";
    for (const TuningEntry &subject : tuner.subjects()) {
      TuningResult result = tuner.tune(subject);
      if (result.kept) {
        table.remove(subject.key());
      } else {
        result.best.note =
            llvm::formatv("{0:f1} % less time than {1}: {2}", 100 * result.gain,
                          scheduleText(subject), what)
                .str();
        table.set(result.best);
      }
      // What was measured is kept, whatever becomes of the next one.
      writeFile(options.output, table.text());
      if (options.json) {
        llvm::json::Object object = toJson(result);
        object["spec"] = path;
        object["call"] = what;
        results.push_back(std::move(object));
      } else {
        printText(result, llvm::outs());
      }
    }
  }
  if (options.json)
    llvm::outs() << llvm::formatv("{0:2}",
                                  llvm::json::Value(std::move(results)))
                 << "\n";
  else
    llvm::outs() << llvm::formatv("wrote {0}: {1} entr{2}\n", options.output,
                                  table.entries.size(),
                                  table.entries.size() == 1 ? "y" : "ies");
  llvm::outs().flush();
  return ExitOk;
}

void cli::addTune(CLI::App &app, int &exitCode) {
  CLI::App *command = app.add_subcommand(
      "tune", "Measure candidate schedules and write a tuning table");
  static Options options;
  command
      ->add_option("SPEC", options.paths,
                   "Specs, or folders of specs (*.mlir), that are called with "
                   "the same shape")
      ->required();
  options.spec.addChoicesTo(*command);
  options.call.addTo(*command, true);
  command
      ->add_option("--out", options.output,
                   "The table: what is in the file already stays, but for "
                   "entries that are measured again")
      ->required();
  command->add_option("--threads", options.threads, "Threads that run it")
      ->check(CLI::Range(1, 1024));
  command
      ->add_option("--seconds", options.seconds,
                   "How long to measure a candidate, about")
      ->check(CLI::Range(0.001, 60.0));
  command->add_flag("--json", options.json, "One JSON array on stdout");
  command->footer(
      "From the built-in schedule, along one axis after the other: rows of an "
      "item, keys of a block, register tiles that the target's registers "
      "allow, prefetches. A candidate is checked against the reference, then "
      "timed in turn with the default; the best one is measured once more. It "
      "gets an entry if it takes 3 % less time at least, and twice as much "
      "less as two copies of the default differ; otherwise the default is "
      "kept, and an older entry removed. Use the table with --tuning=FILE or "
      "FOVEA_TUNING=FILE.");
  command->callback([&exitCode] { exitCode = tune(options); });
}
