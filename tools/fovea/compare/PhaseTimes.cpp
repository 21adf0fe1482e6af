// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Timing of calls and their phases.
#include "tools/fovea/compare/PhaseTimes.h"
#include "tools/fovea/Ceilings.h"

#include <algorithm>

namespace fovea::cli {

double CallTime::attentionMs() const {
  double sum = 0;
  for (const PhaseTime &phase : phases)
    sum += phase.attention ? phase.ms : 0;
  return sum;
}

double CallTime::selectionMs() const {
  double sum = 0;
  for (const PhaseTime &phase : phases)
    sum += phase.selection() ? phase.ms : 0;
  return sum;
}

double CallTime::appendMs() const {
  double sum = 0;
  for (const PhaseTime &phase : phases)
    sum += phase.append ? phase.ms : 0;
  return sum;
}

std::vector<PhaseTime> phasesOf(const Session &session, const Call &call) {
  std::vector<PhaseTime> phases;
  size_t lastStream = 0;
  std::vector<uint32_t> spaces;
  for (int p = 0; p < fovea_plan_phases(call.plan()); ++p) {
    fovea_phase_info info{};
    info.size = sizeof(info);
    fovea_status status = fovea_plan_phase(call.plan(), p, &info);
    fovea_mask_info mask{};
    mask.size = sizeof(mask);
    if (status == FOVEA_OK && info.space == FOVEA_SPACE_STREAM)
      status = fovea_plan_mask(call.plan(), p, &mask);
    if (status != FOVEA_OK)
      throw runtimeFailure(status, session.options().path);
    // A stream without values scores for a selection.
    bool stream = info.space == FOVEA_SPACE_STREAM && mask.value_dim > 0;
    phases.push_back({info.stage, stream || info.space == FOVEA_SPACE_COMBINE,
                      info.space == FOVEA_SPACE_APPEND, 0});
    spaces.push_back(info.space);
    if (stream)
      lastStream = size_t(p);
  }
  // A grid behind the last attention merges what several of them gave.
  for (size_t p = lastStream + 1; p < phases.size(); ++p)
    phases[p].attention |= spaces[p] == FOVEA_SPACE_GRID;
  return phases;
}

namespace {
/// The threads of a session, for phases that are run one by one.
class Executor {
public:
  explicit Executor(int threads) {
    exec.size = sizeof(exec);
    fovea_status status = threads == 1 ? fovea_executor_serial(&exec)
                                       : fovea_executor_threads(threads, &exec);
    if (status != FOVEA_OK)
      throw runtimeFailure(status, "fovea");
  }
  ~Executor() {
    if (exec.destroy)
      exec.destroy(exec.user);
  }
  Executor(const Executor &) = delete;
  Executor &operator=(const Executor &) = delete;

  fovea_executor exec{};
};

/// One of the two calls with its samples.
struct Contestant {
  Call &call;
  std::vector<PhaseTime> phases;
  int batch = 1;
  std::vector<double> whole;
  std::vector<std::vector<double>> parts;

  Contestant(const Session &session, Call &call)
      : call(call), phases(phasesOf(session, call)), parts(phases.size()) {}

  /// Seconds of one run; sets how many short ones are timed as one.
  double estimate() {
    call.run();
    double start = secondsNow();
    call.run();
    double time = std::max(secondsNow() - start, 1e-9);
    batch = std::max(1, int(0.001 / time));
    return time * batch;
  }
  void round(const Executor &executor) {
    double start = secondsNow();
    for (int i = 0; i < batch; ++i)
      call.run();
    whole.push_back((secondsNow() - start) / batch);
    std::vector<double> sums(phases.size(), 0);
    for (int i = 0; i < batch; ++i)
      for (size_t p = 0; p < phases.size(); ++p) {
        start = secondsNow();
        call.runPhase(int(p), executor.exec);
        sums[p] += secondsNow() - start;
      }
    for (size_t p = 0; p < phases.size(); ++p)
      parts[p].push_back(sums[p] / batch);
  }
  CallTime finish() {
    CallTime time;
    time.ms = median(whole) * 1e3;
    time.phases = phases;
    for (size_t p = 0; p < phases.size(); ++p)
      time.phases[p].ms = median(parts[p]) * 1e3;
    return time;
  }
};
} // namespace

std::pair<CallTime, CallTime> timeInTurn(const Session &first, Call &firstCall,
                                         const Session &second,
                                         Call &secondCall, double seconds) {
  Executor executor(first.threads());
  Contestant a(first, firstCall), b(second, secondCall);
  double both = 2 * (a.estimate() + b.estimate());
  int rounds = int(std::clamp(seconds / both, 5.0, 1000.0));
  for (int i = 0; i < rounds; ++i) {
    a.round(executor);
    b.round(executor);
  }
  return {a.finish(), b.finish()};
}

} // namespace fovea::cli
