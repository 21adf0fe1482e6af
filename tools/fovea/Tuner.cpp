// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The search: along one axis after the other from the built-in schedule, each
// candidate in turn with it, and the winner once more.
#include "tools/fovea/Tuner.h"
#include "tools/fovea/Ceilings.h"
#include "tools/fovea/Measure.h"

#include "codegen/jit/Phases.h"
#include "passes/pipelines/SpecLoader.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/TargetParser/Host.h"

#include <algorithm>
#include <cmath>
#include <fstream>

namespace fovea::cli {

std::string processorName() {
  std::ifstream file("/proc/cpuinfo");
  std::string line, name, family, model;
  auto take = [&](const char *key, std::string &into) {
    llvm::StringRef text = line;
    if (into.empty() && text.consume_front(key) &&
        text.ltrim().consume_front(":"))
      into = text.split(':').second.trim().str();
  };
  while (std::getline(file, line) && (name.empty() || model.empty())) {
    take("model name", name);
    take("cpu family", family);
    take("model", model);
  }
  if (name.empty())
    name = llvm::sys::getHostCPUName().str();
  std::replace(name.begin(), name.end(), '\'', ' ');
  if (!family.empty())
    name += ", family " + family + ", model " + model;
  return name;
}

std::string scheduleText(const TuningEntry &entry) {
  return entry.kind == StreamKind::Prefill ? toString(entry.prefill)
                                           : toString(entry.decode);
}

//===----------------------------------------------------------------------===//
// Building and timing
//===----------------------------------------------------------------------===//

Tuner::Tuner(const SpecOptions &spec, const CallOptions &call, int threads,
             double seconds, Progress &progress)
    : spec(spec), call(call), threads(threads), seconds(seconds),
      progress(progress) {
  // Trials are many and of no use to anyone else.
  this->spec.cacheDir = "";
  this->spec.cacheDirGiven = true;
  progress.show("compiling " + spec.path);
  standard = build(TuningTable());
}

Tuner::~Tuner() = default;

std::unique_ptr<Tuner::Built> Tuner::build(const TuningTable &table) {
  SpecOptions trial = spec;
  trial.tuning.given = true;
  trial.tuning.path = "trial";
  trial.tuning.text = table.entries.empty() ? "" : table.text();
  auto built = std::make_unique<Built>();
  built->session = std::make_unique<Session>(trial, threads);
  if (!module)
    module = std::make_unique<SpecModule>(*built->session);
  built->arguments = std::make_unique<Arguments>(
      *built->session, call, module->kernel(), Extents(),
      standard ? standard->arguments.get() : nullptr);
  built->arguments->poisonResults();
  built->call =
      std::make_unique<Call>(*built->session, *built->arguments, call);
  built->call->update();
  built->call->run();
  insistOnRight(*built->session, *built->arguments, module->kernel(), progress);
  return built;
}

std::unique_ptr<Tuner::Built> Tuner::buildEntry(const TuningEntry &entry) {
  TuningTable table;
  table.cpu = "trial";
  table.set(entry);
  return build(table);
}

/// Best times in milliseconds of the default and of `candidate`, in turn.
std::pair<double, double> Tuner::time(Built &candidate, double forSeconds) {
  double best[2] = {INFINITY, INFINITY};
  Call *calls[2] = {standard->call.get(), candidate.call.get()};
  double end = secondsNow() + forSeconds;
  for (int round = 0; round < 5 || secondsNow() < end; ++round)
    for (int i : {0, 1}) {
      // What the other one left in the caches is not timed.
      calls[i]->run();
      double start = secondsNow();
      calls[i]->run();
      best[i] = std::min(best[i], (secondsNow() - start) * 1e3);
    }
  return {best[0], best[1]};
}

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

static StreamKind kindOf(llvm::StringRef variant) {
  return variant.starts_with("prefill") ? StreamKind::Prefill
                                        : StreamKind::Decode;
}

/// A candidate is better than the best so far by this share of the default's
/// time at least: less would follow the noise along the axes.
static constexpr double kNoticed = 0.01;

/// Whether the call's plan has items of that kind.
bool Tuner::runs(const Built &built, StreamKind kind) const {
  Work work = countWork(*built.session, *built.arguments, *built.call);
  return llvm::any_of(work.streams, [&](const StreamWork &stream) {
    return llvm::any_of(stream.parts, [&](const PartWork &part) {
      return part.items && kindOf(part.variant) == kind;
    });
  });
}

/// The traits of the kernel's streams: what attn_to_tile asks schedules for.
static std::vector<StreamTraits> traitsOfStreams(const Session &session,
                                                 const TargetInfo &target) {
  mlir::DialectRegistry registry;
  registerSpecDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  mlir::ScopedDiagnosticHandler quiet(
      &context, [](mlir::Diagnostic &) { return mlir::success(); });
  mlir::OwningOpRef<mlir::ModuleOp> spec =
      loadSpec(context, session.specText(), session.options().path,
               parseDefines(session.options().defines));
  std::vector<StreamTraits> streams;
  if (!spec)
    return streams;
  for (auto function :
       llvm::make_early_inc_range(spec->getOps<mlir::func::FuncOp>()))
    if (function.getName() != fovea_kernel_name(session.kernel()) &&
        function->hasAttr("attn.kernel"))
      function.erase();
  ScheduleProvider standard = scheduleProvider(target);
  (void)planSpec(*spec);
  (void)convertAttnToTile(
      *spec, [&](mlir::MLIRContext *context, const StreamShape &shape) {
        streams.push_back(traitsOf(shape));
        return standard(context, shape);
      });
  return streams;
}

std::vector<TuningEntry> Tuner::subjects() const {
  const TargetInfo *target = nullptr;
  for (const TargetInfo &info : allTargets())
    if (info.name == session().target())
      target = &info;
  if (!target)
    throw Failure(ExitMachine, spec.path +
                                   ": expected a target to tune for, "
                                   "got " +
                                   session().target());
  std::vector<TuningEntry> found;
  std::vector<StreamTraits> streams = traitsOfStreams(session(), *target);
  for (const StreamTraits &traits : streams)
    for (StreamKind kind : {StreamKind::Prefill, StreamKind::Decode}) {
      if (!runs(*standard, kind))
        continue;
      Schedule row = chooseSchedule(*target, traits);
      TuningEntry entry;
      entry.kind = kind;
      entry.target = target->name;
      entry.traits = traits;
      entry.prefill = row.prefill;
      entry.decode = row.decode;
      if (llvm::none_of(found, [&](const TuningEntry &other) {
            return other.key() == entry.key();
          }))
        found.push_back(std::move(entry));
    }
  if (streams.empty())
    throw Failure(ExitRejected, spec.path +
                                    ": expected a kernel with attention to "
                                    "tune, got " +
                                    fovea_kernel_name(session().kernel()) +
                                    " without");
  if (found.empty())
    throw Failure(ExitRejected,
                  spec.path + ": expected a call that does work to time, got " +
                      standard->arguments->shapeText());
  return found;
}

TuningResult Tuner::tune(const TuningEntry &subject) {
  const TargetInfo &target =
      *llvm::find_if(allTargets(), [&](const TargetInfo &info) {
        return info.name == subject.target;
      });
  TuningResult result;
  result.standard = result.best = subject;
  progress.show("measuring the default against itself");
  auto [first, second] = time(*buildEntry(subject), 2 * seconds);
  result.standardMs = std::min(first, second);
  result.noise = std::abs(first - second) / result.standardMs;
  result.threshold = std::max(kLeastGain, 2 * result.noise);
  double bestRatio = 1;
  for (TuningAxis axis : tuningAxes(subject.kind)) {
    // Candidates lie along the axis from where it is entered.
    TuningEntry from = result.best;
    for (const TuningEntry &entry : tuningCandidates(target, from, axis)) {
      std::string text = scheduleText(entry);
      if (text == scheduleText(subject) ||
          llvm::any_of(result.trials, [&](const Trial &trial) {
            return scheduleText(trial.entry) == text;
          }))
        continue;
      progress.show("measuring " + text);
      auto [base, mine] = time(*buildEntry(entry), seconds);
      result.trials.push_back({axis, entry, mine, mine / base});
      if (mine / base < bestRatio - kNoticed) {
        bestRatio = mine / base;
        result.best = entry;
      }
    }
  }
  // The least of many noisy ratios is too small: measured again, alone.
  if (bestRatio < 1) {
    progress.show("measuring " + scheduleText(result.best) + " again");
    auto [base, mine] = time(*buildEntry(result.best), 4 * seconds);
    result.gain = std::max(0.0, 1 - mine / base);
  }
  result.kept = result.gain < result.threshold;
  progress.show("");
  return result;
}

} // namespace fovea::cli
